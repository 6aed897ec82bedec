"""The SQL that the loader sends; names in backquotes, values never but a path of its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
from kinetic_batches.errors import LoadError
from kinetic_batches.settings import ConfigError
from kinetic_batches.sink import DELETED_AT, VERSION

from .columns import spark_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kinetic_batches.columns import Column

_LONGEST_NAME = 255
_NOT_IN_NAMES = re.compile(r"[./\s\x00-\x1f\x7f]")
_NOT_IN_COLUMNS = re.compile(r"[ ,;{}()\n\t=]")
"""What Delta refuses in a column of a table without column mapping."""
_MOST_CLUSTERED = 4
_NOT_CLUSTERED = {pa.bool_()}
"""Types that this loader gives and Delta does not cluster by."""


class Name(NamedTuple):
    """Catalog, schema and table of Unity Catalog."""

    catalog: str
    schema: str
    table: str

    def __str__(self) -> str:
        return ".".join(map(quoted, self))

    @staticmethod
    def checked(name: str, what: str) -> str:
        """A name that Unity Catalog takes.

        Raises:
            ConfigError: naming what it is the name of.
        """
        found = _NOT_IN_NAMES.search(name)
        if not name or found or len(name) > _LONGEST_NAME:
            why = f"no {found[0]!r} in it" if found else f"1 to {_LONGEST_NAME} characters"
            raise ConfigError(f"{name!r} cannot be {what}: Unity Catalog wants {why}")
        return name


def check_columns(stream: str, names: Iterable[str]) -> None:
    """Whether a Delta table can have all these columns at once.

    Raises:
        LoadError: naming the column that it cannot have.
    """
    seen: dict[str, str] = {}
    for name in names:
        if not name or len(name) > _LONGEST_NAME or _NOT_IN_COLUMNS.search(name):
            raise LoadError(
                f"{stream}: a Delta table has no column {name!r}: a name has 1 to {_LONGEST_NAME} "
                "characters and none of ' ,;{}()=', line breaks and tabs; rename it in a stream "
                "map of the tap"
            )
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise LoadError(
                f"{stream}: columns {other} and {name} are one to Databricks, where case does not "
                "tell; deselect or rename one of them"
            )


def quoted(name: str) -> str:
    """An identifier."""
    return f"`{name.replace('`', '``')}`"


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(quoted, names))


def show_schemas(catalog: str, schema: str) -> str:
    """One row where the schema is there."""
    return f"SHOW SCHEMAS IN {quoted(catalog)} LIKE {_text(schema)}"


def create_schema(catalog: str, schema: str) -> str:
    """Make the schema."""
    return f"CREATE SCHEMA IF NOT EXISTS {quoted(catalog)}.{quoted(schema)}"


def show_volumes(catalog: str, schema: str, volume: str) -> str:
    """One row where the volume is there."""
    return f"SHOW VOLUMES IN {quoted(catalog)}.{quoted(schema)} LIKE {_text(volume)}"


def create_volume(volume: Name) -> str:
    """Make the volume."""
    return f"CREATE VOLUME IF NOT EXISTS {volume}"


def describe(table: Name) -> str:
    """Rows of name, type, comment; then what is no column."""
    return f"DESCRIBE TABLE {table}"


def create_table(
    table: Name,
    columns: Sequence[Column],
    *,
    clustered: Sequence[str] = (),
    partitioned: str | None = None,
) -> str:
    """Make a Delta table.

    Args:
        table: its name.
        columns: of the table.
        clustered: names of columns; the first four that can be are clustered by, and come first
            in the table, since Delta has statistics of its first 32 columns only.
        partitioned: name of a column to partition by, in place of clustering.
    """
    by_name = {column.name: column for column in columns}
    able = [name for name in clustered if by_name[name].type not in _NOT_CLUSTERED]
    clustered = able[:_MOST_CLUSTERED]
    columns = sorted(columns, key=lambda column: column.name not in clustered)
    layout = ""
    if partitioned:
        layout = f" PARTITIONED BY ({quoted(partitioned)})"
    elif clustered:
        layout = f" CLUSTER BY ({_listed(clustered)})"
    return f"CREATE TABLE IF NOT EXISTS {table} ({_defined(columns)}) USING DELTA{layout}"


def add_columns(table: Name, columns: Sequence[Column]) -> str:
    """Add columns, null in the rows that are there."""
    return f"ALTER TABLE {table} ADD COLUMNS ({_defined(columns)})"


def _defined(columns: Sequence[Column]) -> str:
    return ", ".join(f"{quoted(column.name)} {spark_type(column.type)}" for column in columns)


def allow_widening(table: Name) -> str:
    """Let `widen` pass; readers of the table need a Delta of 2024 or later from then on."""
    return f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.enableTypeWidening' = 'true')"


def widen(table: Name, column: Column) -> str:
    """Give a column a wider type; its values stay."""
    return f"ALTER TABLE {table} ALTER COLUMN {quoted(column.name)} TYPE {spark_type(column.type)}"


def volume_path(volume: Name, file_name: str) -> str:
    """Where a file of the volume is."""
    return f"/Volumes/{volume.catalog}/{volume.schema}/{volume.table}/{file_name}"


def put(local: str, path: str) -> str:
    """Bring a file into the volume, in place of one of that name."""
    return f"PUT {_text(local)} INTO {_text(path)} OVERWRITE"


def remove(path: str) -> str:
    """Take a file out of the volume."""
    return f"REMOVE {_text(path)}"


def merge(
    table: Name, path: str, columns: Sequence[str], keys: Sequence[str], *, hard_delete: bool
) -> str:
    """Insert or update by key; the file has each key once.

    Args:
        table: the table.
        path: of a parquet file in a volume.
        columns: of the file; others of the table stay as they are.
        keys: columns that are never null in the file.
        hard_delete: delete what the file marks as deleted.
    """
    on = " AND ".join(f"t.{quoted(key)} = s.{quoted(key)}" for key in keys)
    sets = ", ".join(f"t.{quoted(name)} = s.{quoted(name)}" for name in columns)
    values = ", ".join(f"s.{quoted(name)}" for name in columns)
    mark = f"s.{quoted(DELETED_AT)}"
    gone = f" WHEN MATCHED AND {mark} IS NOT NULL THEN DELETE" if hard_delete else ""
    there = f" AND {mark} IS NULL" if hard_delete else ""
    return (
        f"MERGE INTO {table} AS t USING parquet.{quoted(path)} AS s ON {on}{gone} "
        f"WHEN MATCHED THEN UPDATE SET {sets} "
        f"WHEN NOT MATCHED{there} THEN INSERT ({_listed(columns)}) VALUES ({values})"
    )


def copy(table: Name, path: str) -> str:
    """Append a file's rows; Databricks remembers the path and takes no file twice."""
    return f"COPY INTO {table} FROM {_text(path)} FILEFORMAT = PARQUET"


def retire(table: Name, version: int, *, hard_delete: bool) -> str:
    """Delete or mark the rows that came before a version."""
    old = f"({quoted(VERSION)} < {version} OR {quoted(VERSION)} IS NULL)"
    if hard_delete:
        return f"DELETE FROM {table} WHERE {old}"
    mark = quoted(DELETED_AT)
    return f"UPDATE {table} SET {mark} = current_timestamp() WHERE {old} AND {mark} IS NULL"
