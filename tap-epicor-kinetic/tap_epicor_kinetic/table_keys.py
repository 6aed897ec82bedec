"""Keys that a warehouse holds as open, read from a table behind a SQLAlchemy URL."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy.exc import (
    ArgumentError,
    NoSuchModuleError,
    NoSuchTableError,
    ProgrammingError,
    SQLAlchemyError,
)

from .errors import SettingsError, TapError
from .warehouse_login import address, engine

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from typing_extensions import Self

_PAGE = 10_000
_COMPANY = "_epicor_company"
_MARK = "_sdc_deleted_at"
_RUN = "_epicor_run_id"


class WarehouseError(TapError):
    """The database failed while rows were read."""


class Database:
    """A warehouse, or whatever else SQLAlchemy has a driver for; closed by `with`.

    Args:
        url: `--database`; its password is never shown.
        schema: `--schema`, None for the connection's own.

    Raises:
        SettingsError: no such driver, or no connection.
    """

    def __init__(self, url: str, schema: str | None) -> None:
        try:
            self._url = address(url, os.environ)
            self._engine = engine(self._url)
        except (NoSuchModuleError, ImportError) as error:
            raise SettingsError(
                f"`--database` {self._url.drivername} needs a driver that is not installed "
                f"({error}); install its SQLAlchemy dialect beside the tap."
            ) from error
        except ArgumentError as error:
            raise SettingsError(
                "`--database` is not a SQLAlchemy URL; write dialect://user@host/database."
            ) from error
        self._schema = schema
        # A driver's options behind the question mark may hold tokens.
        self._shown = self._url.set(query={}).render_as_string(hide_password=True)
        try:
            self._inspector = sqlalchemy.inspect(self._engine)
        except Exception as error:  # drivers have errors of their own
            raise SettingsError(
                f"`--database` {self._shown} cannot be opened: {self._words(error)}."
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.dispose()

    def table(self, name: str, key_columns: Sequence[str]) -> Table:
        """A table with these key columns, whatever case the warehouse gives to names.

        Raises:
            SettingsError: there is no such table, or it lacks a column.
        """
        try:
            known, columns = self._columns(name)
        except SQLAlchemyError as error:
            raise SettingsError(
                f"{self._where(name)} cannot be looked at: {self._words(error)}."
            ) from error
        missing = [c for c in (*key_columns, _COMPANY) if c.lower() not in columns]
        if missing:
            raise SettingsError(
                f"{self._where(name)} has no column {', '.join(missing)}; it has "
                f"{', '.join(sorted(columns.values())[:20])}. Check `--table-template` and "
                "`column_naming`."
            )
        return Table(
            self,
            sqlalchemy.table(
                known,
                *(sqlalchemy.column(column) for column in columns.values()),
                schema=self._schema,
            ),
            tuple(columns[c.lower()] for c in key_columns),
            columns[_COMPANY],
            columns.get(_MARK),
            columns.get(_RUN),
        )

    def rows(self, query: sqlalchemy.Select[Any], what: str) -> Iterator[Sequence[Sequence[Any]]]:
        """A query's rows in pages, as few of them in memory as the driver allows."""
        try:
            with self._engine.connect() as connection:
                result = connection.execution_options(stream_results=True).execute(query)
                yield from result.yield_per(_PAGE).partitions()
        except SQLAlchemyError as error:
            raise WarehouseError(
                f"{self._where(what)} cannot be read: {self._words(error)}."
            ) from None

    def _columns(self, name: str) -> tuple[str, dict[str, str]]:
        """The table's name as the database has it, and its columns by their names in lower case."""
        known = name
        try:
            columns = self._inspector.get_columns(name, self._schema)
        except NoSuchTableError:
            known = self._folded(name)
            columns = self._inspector.get_columns(known, self._schema)
        except (ProgrammingError, LookupError):
            # duckdb_engine asks DuckDB 1.2 for a catalog that it does not have; the dialect of
            # Databricks does not know every type of a column.
            return known, {column.lower(): column for column in self._columns_of_no_row(name)}
        return known, {c["name"].lower(): c["name"] for c in columns}

    def _columns_of_no_row(self, name: str) -> list[str]:
        table = sqlalchemy.table(name, schema=self._schema)
        query = sqlalchemy.select(sqlalchemy.text("*")).select_from(table)
        with self._engine.connect() as connection:
            return list(connection.execute(query.where(sqlalchemy.false())).keys())

    def _folded(self, name: str) -> str:
        tables = [
            *self._inspector.get_table_names(self._schema),
            *self._inspector.get_view_names(self._schema),
        ]
        found = [table for table in tables if table.lower() == name.lower()]
        if len(found) == 1:
            return found[0]
        listed = ", ".join(sorted(tables)[:20]) or "none at all"
        raise SettingsError(
            f"{self._where(name)} is not there; there are {listed}. Check `--schema` and "
            "`--table-template`, or leave the stream out with `--streams`."
        )

    def _where(self, name: str) -> str:
        full = f"{self._schema}.{name}" if self._schema else name
        return f"Table {full} of {self._shown}"

    def _words(self, error: Exception) -> str:
        """The first line of a driver's complaint, without what the URL must not tell."""
        words = str(getattr(error, "orig", None) or error).strip().splitlines()
        told = words[0].strip().rstrip(".") if words else type(error).__name__
        options = (str(value) for value in self._url.query.values())
        for secret in filter(None, (self._url.password, *options)):
            told = told.replace(str(secret), "***")
        return told


@dataclass(frozen=True)
class Table:
    """One stream's table."""

    database: Database
    table: sqlalchemy.TableClause
    key: tuple[str, ...]
    company: str
    mark: str | None
    run: str | None

    def open_keys(self, company: str) -> Iterator[Sequence[Sequence[Any]]]:
        """Pages of key values, as the driver gives them, of rows that are not marked."""
        return self._rows(self._keys(company, is_marked=False))

    def keys_of_run(
        self, company: str, run_id: str, *, is_marked: bool
    ) -> Iterator[Sequence[Sequence[Any]]]:
        """The same of rows that one run was the last to send.

        Raises:
            WarehouseError: the table does not say which run that was.
        """
        if self.run is None:
            raise WarehouseError(
                f"Table {self.table.name} has no column {_RUN}, so its rows are of no known run."
            )
        if is_marked and self.mark is None:
            return iter(())
        query = self._keys(company, is_marked=is_marked)
        return self._rows(query.where(self.table.c[self.run] == run_id))

    def doubled_keys(self, company: str) -> Iterator[Sequence[Sequence[Any]]]:
        """Keys that stand more than once in the table, marked or not."""
        query = self._keys(company).group_by(*(self.table.c[name] for name in self.key))
        return self._rows(query.having(sqlalchemy.func.count() > 1))

    def _keys(self, company: str, *, is_marked: bool | None = None) -> sqlalchemy.Select[Any]:
        columns = self.table.c
        query = sqlalchemy.select(*(columns[name] for name in self.key)).where(
            columns[self.company] == company
        )
        if self.mark is None or is_marked is None:
            return query
        mark = columns[self.mark]
        return query.where(mark.is_not(None) if is_marked else mark.is_(None))

    def _rows(self, query: sqlalchemy.Select[Any]) -> Iterator[Sequence[Sequence[Any]]]:
        return self.database.rows(query, self.table.name)
