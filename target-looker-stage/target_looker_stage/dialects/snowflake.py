"""Snowflake: PUT into a temporary stage, COPY into a temporary table, MERGE.

Its DDL ends transactions, so each statement is one; all of them can be repeated.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
from kinetic_batches.columns import MOMENT

from .files import Folder
from .replacing import ReplacingDialect

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sqlalchemy.engine import URL, Connection

    from target_looker_stage.config import Config

_KEY_PAIR = ("private_key_file", "private_key_file_pwd")
"""Parameters of a URL."""
_FILES = "KINETIC_FILES"


class Snowflake(ReplacingDialect):
    """Names are in upper case, as Snowflake folds what nobody quotes."""

    TYPES: ClassVar[Mapping[pa.DataType, str]] = {
        pa.string(): "VARCHAR",
        pa.int64(): "NUMBER(19,0)",
        pa.bool_(): "BOOLEAN",
        pa.float64(): "FLOAT",
        pa.date32(): "DATE",
        MOMENT: "TIMESTAMP_TZ",
    }
    OTHER_TYPES: ClassVar[Mapping[str, pa.DataType]] = {"TEXT": pa.string()}
    TOUCHES = True

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._folder = Folder()

    def url(self) -> URL:
        """Without what SQLAlchemy's dialect wants given in another way."""
        return self.config.url.difference_update_query(_KEY_PAIR)

    def connect_arguments(self) -> dict[str, Any]:
        """A key pair; an end to the client's patience, which has none; times in UTC."""
        query = self.config.url.query
        return {
            **{name: query[name] for name in _KEY_PAIR if name in query},
            "login_timeout": 300,
            "network_timeout": 600,
            "session_parameters": {"TIMEZONE": "UTC", "QUERY_TAG": "target-looker-stage"},
        }

    def quoted(self, name: str) -> str:
        """In upper case."""
        return f'"{name.upper()}"'

    def folded(self, name: str) -> str:
        """In upper case."""
        return name.upper()

    def type(self, kind: pa.DataType) -> str:
        """NUMBER, as Snowflake lists it."""
        return super().type(kind).replace("NUMERIC", "NUMBER")

    def make_room(self) -> list[str]:
        """Where files and temporary tables stand; both end with the session."""
        return [
            f"USE SCHEMA {self.quoted(self.config.schema)}",
            f"CREATE TEMPORARY STAGE IF NOT EXISTS {_FILES}",
        ]

    def put(self, file: Path) -> str:
        """Bring a file there."""
        return f"PUT 'file://{file.as_posix()}' @{_FILES} AUTO_COMPRESS = FALSE OVERWRITE = TRUE"

    def create_stage(self, stage: str, columns: pa.Schema) -> str:
        """Make the table that a file is copied into."""
        columns = self._defined(columns)
        return f"CREATE OR REPLACE TEMPORARY TABLE {self.quoted(stage)} ({columns})"

    def copy(self, stage: str, file: Path) -> str:
        """Fill it; all of the file or nothing."""
        return (
            f"COPY INTO {self.quoted(stage)} FROM @{_FILES}/{file.name} "
            "FILE_FORMAT = (TYPE = PARQUET USE_LOGICAL_TYPE = TRUE) "
            "MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE ON_ERROR = ABORT_STATEMENT "
            "PURGE = TRUE"
        )

    @contextmanager
    def filled(self, connection: Connection, table: str, rows: pa.Table) -> Iterator[str]:
        """A temporary table."""
        stage = f"kinetic_stage_{table}"
        with self._folder.parquet(rows) as file:
            for statement in (
                *self.make_room(),
                self.put(file),
                self.create_stage(stage, rows.schema),
                self.copy(stage, file),
            ):
                connection.exec_driver_sql(statement)
        yield self.quoted(stage)
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {self.quoted(stage)}")


DIALECT = Snowflake
