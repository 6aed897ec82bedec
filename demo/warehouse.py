"""Reads the loaded file: open rows only, always by company, columns that may be missing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Row = dict[str, Any]


class Missing(Exception):
    """A table or column that this tenant does not have; the report leaves the panel out."""


@dataclass(frozen=True)
class TableStanding:
    """How many rows of a table are open and how many are retracted."""

    table: str
    open_rows: int
    retracted_rows: int
    synced_at: datetime | None


class Warehouse:
    """A loaded DuckDB file; each table `x` has a view `open_x` without retracted rows."""

    def __init__(self, file: Path, schema: str) -> None:
        self._schema = schema
        self._connection = duckdb.connect(str(file), read_only=True)
        ((self._file,),) = self._connection.execute("SELECT current_database()").fetchall()
        self.columns = self._read_columns()
        for table, columns in self.columns.items():
            condition = "WHERE _sdc_deleted_at IS NULL" if "_sdc_deleted_at" in columns else ""
            source = f"SELECT * FROM {self._name(table)} {condition}"  # noqa: S608 - quoted
            self._connection.execute(f'CREATE TEMP VIEW "open_{table}" AS {source}')

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def has(self, table: str, column: str) -> bool:
        """Whether the tenant's table has this column."""
        return column.lower() in self.columns.get(table, frozenset())

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Run a query; what the tenant lacks is reported as Missing."""
        try:
            cursor = self._connection.execute(sql, list(parameters))
        except (duckdb.BinderException, duckdb.CatalogException) as error:
            raise Missing(str(error).partition("\n")[0]) from error
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]

    def standing(self) -> list[TableStanding]:
        """Open and retracted rows of every table that can tell."""
        return [
            self._table_standing(table)
            for table, columns in sorted(self.columns.items())
            if {"_sdc_deleted_at", "_epicor_synced_at"} <= columns
        ]

    def as_of(self) -> datetime:
        """When the newest row was read from the ERP."""
        seen = [table.synced_at for table in self.standing() if table.synced_at]
        return max(seen, default=datetime.now())  # noqa: DTZ005 - as naive as DuckDB's own

    def _table_standing(self, table: str) -> TableStanding:
        (row,) = self.rows(
            f"""SELECT count(*) FILTER (_sdc_deleted_at IS NULL) AS open_rows,
                       count(*) FILTER (_sdc_deleted_at IS NOT NULL) AS retracted_rows,
                       max(_epicor_synced_at) AS synced_at
                FROM {self._name(table)}"""  # noqa: S608 - quoted
        )
        return TableStanding(table, **row)

    def _name(self, table: str) -> str:
        # Whole, because a file kinetic.duckdb makes `kinetic.vendors` ambiguous.
        parts = (self._file, self._schema, table)
        return ".".join('"{}"'.format(part.replace('"', '""')) for part in parts)

    def _read_columns(self) -> dict[str, frozenset[str]]:
        found = self._connection.execute(
            """SELECT table_name, list(lower(column_name)) FROM information_schema.columns
               WHERE table_catalog = current_database() AND table_schema = ? GROUP BY table_name""",
            [self._schema],
        )
        return {table: frozenset(columns) for table, columns in found.fetchall()}
