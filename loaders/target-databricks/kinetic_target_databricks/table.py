"""One table: made, widened, filled."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
from kinetic_batches.columns import Column
from kinetic_batches.errors import LoadError
from kinetic_batches.sink import DELETED_AT

from . import statements
from .columns import spark_type, wide_enough
from .session import StatementError
from .statements import Name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kinetic_batches.batch import Batch

    from .config import Config
    from .session import Session

_LOGGER = logging.getLogger("target-databricks.table")
_MISSING = "TABLE_OR_VIEW_NOT_FOUND"
# Spark takes times before 1900 in a file of unknown origin for an older calendar, and refuses them.
_ORIGIN = {"org.apache.spark.version": "3.5.0"}


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
        file = self._folder / f"{batch.digest}.parquet"
        schema = pa.schema([(column.name, column.type) for column in self._columns], _ORIGIN)
        rows = batch.table(schema, self._keys)
        pq.write_table(rows, file, row_group_size=rows.num_rows or None)
        volume = Name(self._config.catalog, self._config.schema, self._config.volume)
        path = statements.volume_path(volume, file.name)
        self._session.run(statements.put(str(file), path))
        file.unlink()
        answer = self._session.run(self._statement(path))
        if not self._keys and answer and answer[0].asDict().get("num_inserted_rows") == 0:
            _LOGGER.warning(
                "%s: no row of %d was added, since Databricks has taken a file of the same name "
                "and so of the same records before", self.name, rows.num_rows,
            )  # fmt: skip
        else:
            _LOGGER.info("%s: %d rows", self.name, rows.num_rows)
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
        hard = self._config.hard_delete and DELETED_AT in names
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

    def _stored(self) -> dict[str, str]:
        """Types of the columns that the table has, by their names in lower case."""
        found = {}
        for name, kind, *_ in self._session.run(statements.describe(self.name)):
            if not name or name.startswith("#"):
                break  # what follows are partitions and the like
            found[name.lower()] = kind.upper()
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

    def _fit(self, stored: dict[str, str]) -> None:
        """Add what is missing, widen what is too narrow, and take over the table's types."""
        if self._new(stored):
            stored = self._add(self._new(stored))
        for number, column in enumerate(self._columns):
            there = stored[column.name.lower()]
            fitting = wide_enough(str(self.name), column.name, there, column.type)
            given = Column(column.name, fitting, column.opening)
            if spark_type(fitting) != there.replace(" ", ""):
                self._session.run(statements.allow_widening(self.name))
                self._session.run(statements.widen(self.name, given))
                _LOGGER.info("%s: column %s is %s now", self.name, given.name, spark_type(fitting))
            self._columns[number] = given

    def _new(self, stored: dict[str, str]) -> list[Column]:
        return [column for column in self._columns if column.name.lower() not in stored]

    def _add(self, new: list[Column]) -> dict[str, str]:
        """Add columns; they may be there by now, since an answer can be lost. As `_stored`."""
        try:
            self._session.run(statements.add_columns(self.name, new))
        except StatementError:
            if self._new(stored := self._stored()):
                raise
            return stored
        _LOGGER.info("%s: new columns %s", self.name, ", ".join(column.name for column in new))
        return self._stored()
