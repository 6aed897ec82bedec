"""Databricks: PUT into a volume, then a MERGE that reads the file; each can be repeated."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
from kinetic_batches.columns import MOMENT
from sqlalchemy.exc import DBAPIError

from .base import Dialect, TableColumn
from .files import Folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from target_looker_stage.config import Config

# Spark takes times before 1900 in a file of unknown origin for an older calendar, and refuses them.
_ORIGIN = {"org.apache.spark.version": "3.5.0"}
_MISSING = "TABLE_OR_VIEW_NOT_FOUND"
# At the end of a program it tells of sessions that it can no longer close, behind our own words.
logging.getLogger("databricks").setLevel(logging.CRITICAL)


class Databricks(Dialect):
    """Delta tables of the catalog that `sqlalchemy_url` names."""

    TYPES: ClassVar[Mapping[pa.DataType, str]] = {
        pa.string(): "STRING",
        pa.int64(): "BIGINT",
        pa.bool_(): "BOOLEAN",
        pa.float64(): "DOUBLE",
        pa.date32(): "DATE",
        MOMENT: "TIMESTAMP",
    }
    QUOTE = "`"
    LONG_DIGITS = 20

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._folder = Folder()

    def connect_arguments(self) -> dict[str, Any]:
        """The only folder from which files are sent."""
        return {
            "staging_allowed_local_path": str(self._folder.path),
            "user_agent_entry": "kinetic-elt",
            "enable_telemetry": False,
        }

    def type(self, kind: pa.DataType) -> str:
        """DECIMAL, as Databricks lists it."""
        return super().type(kind).replace("NUMERIC", "DECIMAL")

    def create_table(self, table: str, columns: pa.Schema, keys: Sequence[str]) -> str:
        """A Delta table."""
        return f"{super().create_table(table, columns, keys)} USING DELTA"

    def add_columns(self, table: str, columns: Sequence[pa.Field]) -> list[str]:
        """In Databricks' words."""
        return [f"ALTER TABLE {self.qualified(table)} ADD COLUMNS ({self._defined(columns)})"]

    def widen(self, table: str, column: pa.Field) -> list[str]:
        """In place; readers need a Delta of 2024 or later from then on."""
        allow = "SET TBLPROPERTIES ('delta.enableTypeWidening' = 'true')"
        return [f"ALTER TABLE {self.qualified(table)} {allow}", *super().widen(table, column)]

    def list_tables(self) -> str:
        """Rows of schema, name, more."""
        return f"SHOW TABLES IN {self.quoted(self.config.schema)}"

    def list_columns(self, table: str) -> str:
        """Rows of name, type, comment; then what is no column."""
        return f"DESCRIBE TABLE {self.qualified(table)}"

    def has_schema(self, connection: Connection) -> bool:
        """Whether the catalog has the schema."""
        query = f"SHOW SCHEMAS LIKE '{self.config.schema}'"
        return bool(connection.exec_driver_sql(query).fetchall())

    def tables(self, connection: Connection) -> list[str]:
        """Names of the schema's tables."""
        found = connection.exec_driver_sql(self.list_tables()).fetchall()
        return sorted(str(row[1]).lower() for row in found)

    def columns(self, connection: Connection, table: str) -> list[TableColumn]:
        """The columns of a table; none where there is no such table."""
        try:
            rows = connection.exec_driver_sql(self.list_columns(table)).fetchall()
        except DBAPIError as error:
            if _MISSING in str(error):
                return []
            raise
        found = []
        for name, stored, *_ in rows:
            if not name or name.startswith("#"):
                break  # what follows are partitions and the like
            found.append(TableColumn(name.lower(), stored.upper(), self.kind(stored.upper())))
        return found

    def volume_path(self, name: str) -> str:
        """Where a file of the volume is."""
        return f"/Volumes/{self.config.databricks_volume.replace('.', '/')}/{name}"

    def put(self, file: Path) -> str:
        """Bring a file into the volume."""
        return f"PUT '{file.as_posix()}' INTO '{self.volume_path(file.name)}' OVERWRITE"

    def source(self, file: Path) -> str:
        """A file of the volume behind USING or FROM."""
        return f"parquet.`{self.volume_path(file.name)}`"

    @contextmanager
    def filled(self, connection: Connection, table: str, rows: pa.Table) -> Iterator[str]:  # noqa: ARG002
        """A file of the volume."""
        with self._folder.parquet(rows, _ORIGIN) as file:
            connection.exec_driver_sql(self.put(file))
            try:
                yield self.source(file)
            finally:
                connection.exec_driver_sql(f"REMOVE '{self.volume_path(file.name)}'")


DIALECT = Databricks
