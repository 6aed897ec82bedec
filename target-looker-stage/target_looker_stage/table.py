"""One table: made, widened, filled."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pyarrow as pa
from kinetic_batches.columns import holder, spoken
from kinetic_batches.sink import DELETED_AT

from .errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

    from .dialects.base import Dialect, TableColumn

_LOGGER = logging.getLogger("target-looker-stage.table")


class Table:
    """A table of the configured schema.

    Args:
        dialect: of its warehouse.
        name: of the table.
        columns: what its rows have; names as the warehouse has them.
        keys: names of the columns that tell its rows apart; none: every row is appended.
    """

    def __init__(
        self, dialect: Dialect, name: str, columns: pa.Schema, keys: Sequence[str]
    ) -> None:
        self.name = name
        self._dialect = dialect
        self._columns = columns
        self._keys = keys
        self._fitted: pa.Schema | None = None

    def fit(self, connection: Connection) -> pa.Schema:
        """Make or change the table so that it holds every row; the types that it has then.

        Raises:
            LoadError: when a column cannot hold what is there and what comes.
        """
        if self._fitted is not None:
            return self._fitted
        stored = self._stored(connection)
        if not stored:
            create = self._dialect.create_table(self.name, self._columns, self._keys)
            connection.exec_driver_sql(create)
            stored = self._stored(connection)
        if new := [each for each in self._columns if each.name not in stored]:
            for statement in self._dialect.add_columns(self.name, new):
                connection.exec_driver_sql(statement)
            names = ", ".join(each.name for each in new)
            _LOGGER.info("%s: new columns: %s", self.name, names)
        return pa.schema([self._fit_column(connection, stored, each) for each in self._columns])

    def settle(self, fitted: pa.Schema) -> None:
        """What `fit` did is committed and need not be looked at again."""
        self._fitted = fitted

    def write(self, connection: Connection, rows: pa.Table, *, hard_delete: bool = False) -> None:
        """Insert or update rows, each key of which is there once.

        Args:
            connection: within a transaction where the warehouse has them.
            rows: with the types that `fit` returned.
            hard_delete: delete rows that are marked as deleted.
        """
        names = rows.schema.names
        with self._dialect.filled(connection, self.name, rows) as source:
            if self._keys:
                hard = hard_delete and DELETED_AT in names
                statements = self._dialect.merge(
                    self.name, source, names, self._keys, hard_delete=hard
                )
            else:
                statements = [self._dialect.append(self.name, source, names)]
            for statement in statements:
                connection.exec_driver_sql(statement)

    def retire(self, connection: Connection, version: int, *, hard_delete: bool) -> None:
        """Mark or delete the rows of older versions."""
        connection.exec_driver_sql(
            self._dialect.retire(self.name, version, hard_delete=hard_delete)
        )

    def _stored(self, connection: Connection) -> dict[str, TableColumn]:
        found = self._dialect.columns(connection, self.name)
        if left := self._dialect.finish_widening(self.name, found):
            for statement in left:
                connection.exec_driver_sql(statement)
            found = self._dialect.columns(connection, self.name)
        return {column.name: column for column in found}

    def _fit_column(
        self, connection: Connection, stored: dict[str, TableColumn], wanted: pa.Field
    ) -> pa.Field:
        there = stored.get(wanted.name)
        if there is None:
            return wanted  # as it was added
        found = there.arrow and holder(
            there.arrow, wanted.type,
            long_digits=self._dialect.LONG_DIGITS, most_digits=self._dialect.MOST_DIGITS,
        )  # fmt: skip
        if found is None:
            raise LoadError(
                f"column {wanted.name} of {self.name} is {there.type} in the warehouse and would "
                f"have to hold {spoken(wanted.type)}, which would change or lose what is stored; "
                "rename or drop the column there, then load the stream anew "
                "(`meltano run --full-refresh`)"
            )
        column = wanted.with_type(found)
        if found != there.arrow:
            for statement in self._dialect.widen(self.name, column):
                connection.exec_driver_sql(statement)
            _LOGGER.info("%s: column %s is %s now", self.name, wanted.name, spoken(found))
        # What is wider than a row can be is left to the warehouse: few read such files.
        return wanted if pa.types.is_decimal256(found) else column
