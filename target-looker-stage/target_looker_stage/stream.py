"""The batches of one stream on their way into its table."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pyarrow as pa

from .errors import LoadError
from .names import stored_name, stored_names
from .table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kinetic_batches.batch import Batch
    from kinetic_batches.columns import Column
    from sqlalchemy.engine import Connection

    from .run import Run
    from .warehouse import Warehouse

_LOGGER = logging.getLogger("target-looker-stage.stream")


class StreamTable:
    """The table of a stream.

    Args:
        warehouse: where it is.
        run: is told of each batch.
        stream: the stream.
        columns: what its rows have.
        keys: names of the columns that tell its rows apart; none: every record is a row.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        run: Run,
        stream: str,
        columns: Sequence[Column],
        keys: Sequence[str],
    ) -> None:
        self.name = stored_name(stream)
        self._warehouse = warehouse
        self._stream = stream
        self._keys = keys
        self._run = run
        names = stored_names(f"columns of {stream}", [column.name for column in columns])
        self._names = list(names.values())
        schema = pa.schema([(names[column.name], column.type) for column in columns])
        self._given = pa.schema([(column.name, column.type) for column in columns])
        self._table = Table(warehouse.dialect, self.name, schema, [names[key] for key in keys])

    def load(self, batch: Batch) -> None:
        """Bring a batch in, in one transaction where the warehouse has them."""
        rows = batch.table(self._given, self._keys).rename_columns(self._names).combine_chunks()
        config = self._warehouse.config

        def write(connection: Connection) -> None:
            fitted = self._table.fit(connection)
            try:
                cast = rows.cast(fitted)
            except pa.ArrowInvalid as error:
                raise LoadError(f"{self.name}: a value does not fit its column: {error}") from error
            # Before the rows, for the warehouses where each statement is a transaction.
            self._run.announce(connection, self._stream, rows)
            self._table.write(connection, cast, hard_delete=config.hard_delete)
            types.append(fitted)

        types: list[pa.Schema] = []
        self._warehouse.attempt(write, is_repeatable=bool(self._keys))
        self._table.settle(types[-1])
        self._run.count(self._stream, rows)
        _LOGGER.info("%s: %d rows", self.name, rows.num_rows)

    def retire(self, version: int) -> None:
        """Mark or delete the rows of older versions."""
        hard = self._warehouse.config.hard_delete

        def retire(connection: Connection) -> None:
            self._table.fit(connection)
            self._table.retire(connection, version, hard_delete=hard)

        self._warehouse.attempt(retire)
        _LOGGER.info("%s: rows before version %d are retired", self.name, version)
