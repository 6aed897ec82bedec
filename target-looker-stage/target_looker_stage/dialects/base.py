"""What the warehouses have in common: SQL as most of them take it, names always quoted."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import pyarrow as pa
from kinetic_batches.columns import LONG_DIGITS, MOMENT, MOST_DIGITS
from kinetic_batches.sink import DELETED_AT, VERSION
from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy.engine import URL, Connection

    from target_looker_stage.config import Config

_DECIMAL = re.compile(r"(?:NUMERIC|DECIMAL|NUMBER)\((\d+)(?:, ?(\d+))?\)")


class TableColumn(NamedTuple):
    """A column that a table has.

    Attributes:
        name: in lower case.
        type: the warehouse's own, in upper case, such as NUMERIC(18,3).
        arrow: the same as Arrow has it; None where the loader fills no such column.
    """

    name: str
    type: str
    arrow: pa.DataType | None


class Dialect(ABC):
    """Statements and bulk loading of one kind of warehouse.

    Args:
        config: the settings.

    Attributes:
        TYPES: of the warehouse, by Arrow's.
        OTHER_TYPES: what the warehouse calls its types where it lists columns.
        QUOTE: around names.
        LONG_DIGITS: digits before the point of a decimal that a 64-bit integer becomes.
        MOST_DIGITS: of the widest decimal.
        ADDS_TOGETHER: whether one ALTER TABLE can have several ADD COLUMN.
        HAS_KEYS: whether a PRIMARY KEY is declared, which is also an index.
        TOUCHES: the pool asks whether a connection is alive before it is used.
    """

    TYPES: ClassVar[Mapping[pa.DataType, str]]
    OTHER_TYPES: ClassVar[Mapping[str, pa.DataType]] = {}
    QUOTE: ClassVar[str] = '"'
    LONG_DIGITS: ClassVar[int] = LONG_DIGITS
    MOST_DIGITS: ClassVar[int] = MOST_DIGITS
    ADDS_TOGETHER: ClassVar[bool] = False
    HAS_KEYS: ClassVar[bool] = False
    TOUCHES: ClassVar[bool] = False

    def __init__(self, config: Config) -> None:
        self.config = config

    # What is known before a connection is made.

    def url(self) -> URL:
        """For `create_engine`."""
        return self.config.url

    def connect_arguments(self) -> dict[str, Any]:
        """For `create_engine(connect_args=...)`."""
        return {}

    def errors(self) -> tuple[type[Exception], ...]:
        """What the driver and what comes with it raise, beside SQLAlchemy's."""
        return ()

    def quoted(self, name: str) -> str:
        """A name of lower case, letters, digits and underscores, as the warehouse stores it."""
        return f"{self.QUOTE}{name}{self.QUOTE}"

    def qualified(self, table: str) -> str:
        """A table of the configured schema."""
        return f"{self.quoted(self.config.schema)}.{self.quoted(table)}"

    def type(self, kind: pa.DataType) -> str:
        """The warehouse's type that holds every value of one of Arrow's."""
        if pa.types.is_decimal(kind):
            return f"NUMERIC({kind.precision},{kind.scale})"
        return self.TYPES[kind]

    def kind(self, stored: str) -> pa.DataType | None:
        """What a type of the warehouse is in Arrow; None for one that is never filled."""
        if found := _DECIMAL.fullmatch(stored):
            return pa.decimal128(int(found[1]), int(found[2] or 0))
        known = {name: kind for kind, name in self.TYPES.items()} | dict(self.OTHER_TYPES)
        return known.get(stored)

    # Statements.

    def create_schema(self) -> str:
        """Make the schema where it is missing."""
        return f"CREATE SCHEMA IF NOT EXISTS {self.quoted(self.config.schema)}"

    def create_table(self, table: str, columns: pa.Schema, keys: Sequence[str]) -> str:
        """Make a table where it is missing."""
        key = f", PRIMARY KEY ({self._listed(keys)})" if keys and self.HAS_KEYS else ""
        return f"CREATE TABLE IF NOT EXISTS {self.qualified(table)} ({self._defined(columns)}{key})"

    def add_columns(self, table: str, columns: Sequence[pa.Field]) -> list[str]:
        """Add columns, null in the rows that are there; in one statement where there is one."""
        alter = f"ALTER TABLE {self.qualified(table)}"
        added = [f"ADD COLUMN {self._definition(each)}" for each in columns]
        if self.ADDS_TOGETHER:
            return [f"{alter} {', '.join(added)}"]
        return [f"{alter} {each}" for each in added]

    def widen(self, table: str, column: pa.Field) -> list[str]:
        """Give a column a type that holds more; its values stay."""
        name = self.quoted(column.name)
        wider = self.type(column.type)
        return [f"ALTER TABLE {self.qualified(table)} ALTER COLUMN {name} TYPE {wider}"]

    def finish_widening(self, table: str, columns: Sequence[TableColumn]) -> list[str]:  # noqa: ARG002
        """What is left to do where widening takes several statements and was cut short."""
        return []

    def merge(
        self,
        table: str,
        source: str,
        columns: Sequence[str],
        keys: Sequence[str],
        *,
        hard_delete: bool,
    ) -> list[str]:
        """Insert or update by key.

        Args:
            table: of the schema.
            source: what stands behind USING; it has each key once.
            columns: of the source; others of the table stay as they are.
            keys: columns that are never null in the source.
            hard_delete: delete what the source marks as deleted.
        """
        sets = ", ".join(f"{self.quoted(c)} = s.{self.quoted(c)}" for c in columns if c not in keys)
        mark = f"s.{self.quoted(DELETED_AT)}"
        gone = f" WHEN MATCHED AND {mark} IS NOT NULL THEN DELETE" if hard_delete else ""
        there = f" AND {mark} IS NULL" if hard_delete else ""
        update = f" WHEN MATCHED THEN UPDATE SET {sets}" if sets else ""
        merge = (
            f"MERGE INTO {self.qualified(table)} AS t USING {source} AS s "
            f"ON {self._match(keys)}{gone}{update} "
            f"WHEN NOT MATCHED{there} THEN INSERT ({self._listed(columns)}) "
            f"VALUES ({self._listed(columns, of='s')})"
        )
        return [merge]

    def append(self, table: str, source: str, columns: Sequence[str]) -> str:
        """Every row of a source."""
        names = self._listed(columns)
        return f"INSERT INTO {self.qualified(table)} ({names}) SELECT {names} FROM {source}"

    def retire(self, table: str, version: int, *, hard_delete: bool) -> str:
        """Delete or mark the rows that came before a version."""
        number = self.quoted(VERSION)
        old = f"({number} < {version} OR {number} IS NULL)"
        if hard_delete:
            return f"DELETE FROM {self.qualified(table)} WHERE {old}"
        mark = self.quoted(DELETED_AT)
        return (
            f"UPDATE {self.qualified(table)} SET {mark} = CURRENT_TIMESTAMP "
            f"WHERE {old} AND {mark} IS NULL"
        )

    def list_tables(self) -> str:
        """Rows of a name."""
        return (
            f"SELECT table_name FROM {self.catalog('TABLES')} "
            f"WHERE table_schema = '{self.folded(self.config.schema)}' ORDER BY 1"
        )

    def list_columns(self, table: str) -> str:
        """Rows of name, type, precision and scale."""
        return (
            "SELECT column_name, data_type, numeric_precision, numeric_scale "
            f"FROM {self.catalog('COLUMNS')} "
            f"WHERE table_schema = '{self.folded(self.config.schema)}' "
            f"AND table_name = '{self.folded(table)}' ORDER BY ordinal_position"
        )

    # What is done on a connection.

    def begin(self, connection: Connection) -> None:  # noqa: B027 - most have nothing to say
        """What a new connection has to be told."""

    def has_schema(self, connection: Connection) -> bool:
        """Whether the schema is there."""
        name = self.folded(self.config.schema)
        query = f"SELECT 1 FROM {self.catalog('SCHEMATA')} WHERE schema_name = '{name}'"
        return bool(connection.exec_driver_sql(query).fetchall())

    def tables(self, connection: Connection) -> list[str]:
        """Names of the schema's tables."""
        found = connection.exec_driver_sql(self.list_tables()).fetchall()
        return [str(row[0]).lower() for row in found]

    def columns(self, connection: Connection, table: str) -> list[TableColumn]:
        """The columns of a table; none where there is no such table."""
        found = []
        for row in connection.exec_driver_sql(self.list_columns(table)).fetchall():
            name, stored, *digits = row
            stored = str(stored).upper().replace(", ", ",")
            if digits and digits[0] is not None and stored in {"NUMERIC", "DECIMAL", "NUMBER"}:
                stored = f"{stored}({digits[0]},{digits[1]})"
            found.append(TableColumn(str(name).lower(), stored, self.kind(stored)))
        return found

    def rows(
        self, connection: Connection, sql: str, parameters: Mapping[str, Any]
    ) -> list[tuple[Any, ...]]:
        """What a query returns; parameters stand as `:name`."""
        result = connection.execute(text(sql), dict(parameters))
        return [tuple(row) for row in result.fetchall()] if result.returns_rows else []

    @contextmanager
    @abstractmethod
    def filled(self, connection: Connection, table: str, rows: pa.Table) -> Iterator[str]:
        """Rows where the warehouse can read them; gives what stands for them behind USING or FROM.

        Args:
            connection: the one on which it is used.
            table: where they are to go.
            rows: their columns have the names and types of the table.

        Raises:
            LoadError: when a value cannot be there.
        """

    # Pieces of statements.

    def folded(self, name: str) -> str:
        """A name as the warehouse lists it."""
        return name

    def catalog(self, view: str) -> str:
        """A view of what is there."""
        return f"information_schema.{view.lower()}"

    def _match(self, keys: Sequence[str]) -> str:
        return " AND ".join(f"t.{self.quoted(key)} = s.{self.quoted(key)}" for key in keys)

    def _listed(self, names: Iterable[str], *, of: str = "") -> str:
        return ", ".join(f"{of}.{self.quoted(n)}" if of else self.quoted(n) for n in names)

    def _definition(self, column: pa.Field) -> str:
        return f"{self.quoted(column.name)} {self.type(column.type)}"

    def _defined(self, columns: Iterable[pa.Field]) -> str:
        return ", ".join(map(self._definition, columns))


TEXT_TYPES: Mapping[pa.DataType, str] = {
    pa.string(): "TEXT",
    pa.int64(): "BIGINT",
    pa.bool_(): "BOOLEAN",
    pa.float64(): "DOUBLE PRECISION",
    pa.date32(): "DATE",
    MOMENT: "TIMESTAMP WITH TIME ZONE",
}
"""PostgreSQL's; what others have in common with it."""
