"""One table: made, widened, filled."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from . import statements
from .columns import Column, wider
from .errors import LoadError
from .session import StatementError
from .statements import Name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .batch import Batch
    from .config import Config
    from .session import Session

_LOGGER = logging.getLogger("target-databricks.table")
_MISSING = "TABLE_OR_VIEW_NOT_FOUND"


class Table:
    """The table of a stream.

    Args:
        config: the settings.
        session: where statements run.
        folder: for files on their way.
        stream: the stream.
        columns: what its rows have.
        keys: names of the columns that tell its rows apart; none: every record is a row.
    """

    def __init__(
        self,
        config: Config,
        session: Session,
        folder: Path,
        stream: str,
        columns: Sequence[Column],
        keys: Sequence[str],
    ) -> None:
        self.name = config.table(stream)
        self._config = config
        self._session = session
        self._folder = folder
        self._stream = stream
        self._columns = list(columns)
        self._keys = keys
        self._is_ready = False

    def load(self, batch: Batch) -> None:
        """Bring a batch in; raises where that is not certain."""
        self._make_ready()
        file = self._folder / batch.name
        rows = batch.write(file, self._columns, self._keys)
        volume = Name(self._config.catalog, self._config.schema, self._config.volume)
        path = statements.volume_path(volume, file.name)
        self._session.run(statements.put(str(file), path))
        file.unlink()
        self._session.run(self._statement(path))
        _LOGGER.info("%s: %d rows", self.name, rows)
        try:
            self._session.run(statements.remove(path))
        except StatementError as error:
            _LOGGER.warning("%s stays in the volume and can be deleted: %s", path, error)

    def retire(self, version: int) -> None:
        """Mark or delete the rows of older versions."""
        self._make_ready()
        hard = self._config.hard_delete
        self._session.run(statements.retire(self.name, version, hard_delete=hard))

    def _statement(self, path: str) -> str:
        if not self._keys:
            return statements.copy(self.name, path)
        names = [column.name for column in self._columns]
        hard = self._config.hard_delete and statements.DELETED_AT in names
        return statements.merge(self.name, path, names, self._keys, hard_delete=hard)

    def _make_ready(self) -> None:
        """The table with every column, once."""
        if self._is_ready:
            return
        try:
            stored = self._stored()
        except StatementError as error:
            if error.code != _MISSING:
                raise
            self._session.run(self._creation())
            stored = self._stored()
        self._fit(stored)
        self._is_ready = True

    def _stored(self) -> dict[str, Column]:
        """Columns that the table has, by their names in lower case."""
        found = {}
        for name, kind, *_ in self._session.run(statements.describe(self.name)):
            if not name or name.startswith("#"):
                break  # what follows are partitions and the like
            found[name.lower()] = Column(name, kind.upper())
        return found

    def _creation(self) -> str:
        partitioned = self._config.partition_by.get(self._stream)
        if partitioned and partitioned not in {column.name for column in self._columns}:
            raise LoadError(f"`partition_by`: stream {self._stream} has no column {partitioned}")
        return statements.create_table(
            self.name,
            self._columns,
            clustered=self._keys if self._config.cluster_by_key else (),
            partitioned=partitioned,
        )

    def _fit(self, stored: dict[str, Column]) -> None:
        """Add what is missing, widen what is too narrow, and take over the table's types."""
        new = [column for column in self._columns if column.name.lower() not in stored]
        if new:
            self._session.run(statements.add_columns(self.name, new))
            _LOGGER.info("%s: new columns %s", self.name, ", ".join(c.name for c in new))
        for number, column in enumerate(self._columns):
            there = stored.get(column.name.lower(), column)
            if given := wider(str(self.name), there, column):
                self._session.run(statements.allow_widening(self.name))
                self._session.run(statements.widen(self.name, given))
                _LOGGER.info("%s: column %s is %s now", self.name, given.name, given.type)
            self._columns[number] = Column(column.name, (given or there).type, column.opening)
