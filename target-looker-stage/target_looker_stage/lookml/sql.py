"""What the generated SQL says differently in each database."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(Enum):
    """What a column holds, as far as LookML has to know."""

    TEXT = auto()
    INTEGER = auto()
    NUMBER = auto()
    BOOLEAN = auto()
    DATE = auto()
    TIME = auto()
    """A time stamp without a zone; the tap sends UTC."""
    ZONED = auto()
    """A time stamp that knows its moment."""


_BY_FIRST_WORDS: Mapping[str, Kind] = {
    "timestamp with time zone": Kind.ZONED,
    "timestamp without time zone": Kind.TIME,
    "timestamp_tz": Kind.ZONED,
    "timestamp_ltz": Kind.ZONED,
    "timestamptz": Kind.ZONED,
    "timestamp_ntz": Kind.TIME,
    "timestamp": Kind.TIME,
    "datetime": Kind.TIME,
    "date": Kind.DATE,
    "bool": Kind.BOOLEAN,
    "boolean": Kind.BOOLEAN,
    "tinyint": Kind.INTEGER,
    "smallint": Kind.INTEGER,
    "integer": Kind.INTEGER,
    "int": Kind.INTEGER,
    "int2": Kind.INTEGER,
    "int4": Kind.INTEGER,
    "int8": Kind.INTEGER,
    "int64": Kind.INTEGER,
    "bigint": Kind.INTEGER,
    "hugeint": Kind.INTEGER,
    "numeric": Kind.NUMBER,
    "bignumeric": Kind.NUMBER,
    "decimal": Kind.NUMBER,
    "number": Kind.NUMBER,
    "double precision": Kind.NUMBER,
    "double": Kind.NUMBER,
    "float": Kind.NUMBER,
    "float4": Kind.NUMBER,
    "float8": Kind.NUMBER,
    "float64": Kind.NUMBER,
    "real": Kind.NUMBER,
    "character varying": Kind.TEXT,
    "varchar": Kind.TEXT,
    "char": Kind.TEXT,
    "character": Kind.TEXT,
    "string": Kind.TEXT,
    "text": Kind.TEXT,
    "uuid": Kind.TEXT,
}
_ZONED_ANYWAY = frozenset({"bigquery", "databricks"})
"""Where a bare TIMESTAMP is a moment."""


@dataclass(frozen=True)
class Dialect:
    """One database's way to write what the model needs; SQL in, SQL out.

    Args:
        name: as in SQLAlchemy's URLs, without the driver.
        quote: around names.
        text_type: an unbounded text in a cast.
    """

    name: str
    quote: str = '"'
    text_type: str = "VARCHAR"
    today: str = "CURRENT_DATE"

    def kind(self, column_type: str) -> Kind | None:
        """What a column holds; None for types that no dimension can show."""
        plain = " ".join(column_type.lower().split())
        if plain == "timestamp" and self.name in _ZONED_ANYWAY:
            return Kind.ZONED
        before, bracket, rest = plain.partition("(")
        if bracket:  # `timestamp(6) with time zone`, `numeric(20, 3)`
            before = f"{before.strip()} {rest.partition(')')[2].strip()}".strip()
        return _BY_FIRST_WORDS.get(before)

    def quoted(self, name: str) -> str:
        """A name as the database shows it."""
        if self.name == "snowflake":  # the loader's names are in upper case there
            name = name.upper()
        return f"{self.quote}{name}{self.quote}"

    def as_text(self, sql: str, kind: Kind) -> str:
        """Null stays null."""
        if kind is Kind.BOOLEAN:  # Redshift has no cast for it
            return f"CASE WHEN {sql} THEN '1' WHEN NOT {sql} THEN '0' END"
        return f"CAST({sql} AS {self.text_type})"

    def utc(self, sql: str, kind: Kind) -> str:
        """A moment as the clock of UTC shows it, whatever the session's zone is."""
        if kind is not Kind.ZONED:
            return sql
        return {
            "bigquery": f"DATETIME({sql}, 'UTC')",
            "databricks": f"TO_UTC_TIMESTAMP({sql}, CURRENT_TIMEZONE())",
            "snowflake": f"CAST(CONVERT_TIMEZONE('UTC', {sql}) AS TIMESTAMP_NTZ)",
        }.get(self.name, f"({sql} AT TIME ZONE 'UTC')")

    def day(self, sql: str, kind: Kind) -> str:
        """The calendar day in UTC."""
        return sql if kind is Kind.DATE else f"CAST({self.utc(sql, kind)} AS DATE)"

    def partition(self, sql: str) -> str:
        """A value to partition rows by."""
        # BigQuery partitions by no FLOAT64.
        return f"CAST({sql} AS STRING)" if self.name == "bigquery" else sql

    def days_since(self, day: str) -> str:
        """Whole days from a day until today."""
        return {
            "bigquery": f"DATE_DIFF({self.today}, {day}, DAY)",
            "databricks": f"DATEDIFF({self.today}, {day})",
            "snowflake": f"DATEDIFF('day', {day}, {self.today})",
        }.get(self.name, f"({self.today} - {day})")

    def truncated(self, unit: str, sql: str) -> str:
        """The first day or moment of a unit of time: day, week, month, quarter, year."""
        if self.name == "bigquery":
            return f"DATE_TRUNC({sql}, {unit.upper()})"
        return f"DATE_TRUNC('{unit}', {sql})"


DIALECTS: Mapping[str, Dialect] = {
    each.name: each
    for each in (
        Dialect("postgresql"),
        Dialect("duckdb"),
        Dialect("snowflake"),
        Dialect("redshift", text_type="VARCHAR(65535)"),
        Dialect("databricks", quote="`", text_type="STRING"),
        Dialect("bigquery", quote="`", text_type="STRING"),
    )
}
