"""DuckDB: the Arrow table itself is what statements read; it has no MERGE before 1.4."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
from kinetic_batches.columns import MOMENT
from kinetic_batches.sink import DELETED_AT
from sqlalchemy import text

from .base import TEXT_TYPES, Dialect

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection

_STAGE = "kinetic_stage"


class DuckDB(Dialect):
    """No key is declared: it would bar changes of type, and updates in the same transaction."""

    TYPES: ClassVar[Mapping[pa.DataType, str]] = {
        **TEXT_TYPES,
        pa.string(): "VARCHAR",
        pa.float64(): "DOUBLE",
        MOMENT: "TIMESTAMP WITH TIME ZONE",
    }

    def type(self, kind: pa.DataType) -> str:
        """DECIMAL, as the catalogue lists it."""
        return super().type(kind).replace("NUMERIC", "DECIMAL")

    def begin(self, connection: Connection) -> None:
        """Instants are shown in UTC, whatever the machine's zone."""
        connection.exec_driver_sql("SET TimeZone = 'UTC'")

    def merge(
        self,
        table: str,
        source: str,
        columns: Sequence[str],
        keys: Sequence[str],
        *,
        hard_delete: bool,
    ) -> list[str]:
        """As a MERGE does it, by three statements of a transaction."""
        target, match = self.qualified(table), self._match(keys)
        mark = f"s.{self.quoted(DELETED_AT)}"
        gone = f"DELETE FROM {target} AS t USING {source} AS s WHERE {match} AND {mark} IS NOT NULL"
        there = f" AND {mark} IS NULL" if hard_delete else ""
        sets = ", ".join(f"{self.quoted(c)} = s.{self.quoted(c)}" for c in columns if c not in keys)
        update = f"UPDATE {target} AS t SET {sets} FROM {source} AS s WHERE {match}{there}"
        new = (
            f"INSERT INTO {target} ({self._listed(columns)}) "
            f"SELECT {self._listed(columns, of='s')} FROM {source} AS s "
            f"WHERE NOT EXISTS (SELECT 1 FROM {target} AS t WHERE {match}){there}"
        )
        return [*([gone] if hard_delete else []), *([update] if sets else []), new]

    def rows(
        self, connection: Connection, sql: str, parameters: Mapping[str, Any]
    ) -> list[tuple[Any, ...]]:
        """Through Arrow: DuckDB's own way to a time with a zone needs a package that may lack."""
        result = connection.execute(text(sql), dict(parameters))
        if not result.returns_rows:
            return []
        found = result.cursor.fetch_arrow_table()
        return list(zip(*(column.to_pylist() for column in found.columns), strict=True))

    @contextmanager
    def filled(self, connection: Connection, table: str, rows: pa.Table) -> Iterator[str]:  # noqa: ARG002
        """The rows under a name of their own."""
        driver = connection.connection.driver_connection
        driver.register(_STAGE, rows)  # type: ignore[union-attr]
        try:
            yield self.quoted(_STAGE)
        finally:
            driver.unregister(_STAGE)  # type: ignore[union-attr]


DIALECT = DuckDB
