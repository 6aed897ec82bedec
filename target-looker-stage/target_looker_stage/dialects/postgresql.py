"""PostgreSQL 15 and later: COPY into a temporary table, then MERGE, in one transaction."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from target_looker_stage.errors import LoadError

from .base import TEXT_TYPES, Dialect

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy.engine import Connection

_ROWS_AT_ONCE = 5_000
_STAGE = "kinetic_stage"
_FIRST_WITH_MERGE = 150_000


class PostgreSQL(Dialect):
    """A primary key is declared, so that MERGE finds rows by its index."""

    TYPES: ClassVar[Mapping[pa.DataType, str]] = TEXT_TYPES
    OTHER_TYPES: ClassVar[Mapping[str, pa.DataType]] = {"CHARACTER VARYING": pa.string()}
    ADDS_TOGETHER = True
    HAS_KEYS = True
    TOUCHES = True

    def connect_arguments(self) -> dict[str, Any]:
        """A name in the server's list, an end to patience, the encoding of what is sent."""
        return {
            "application_name": "target-looker-stage",
            "connect_timeout": 30,
            "client_encoding": "utf8",
        }

    def begin(self, connection: Connection) -> None:
        """Know that the server can do it."""
        version = connection.connection.driver_connection.info.server_version  # type: ignore[union-attr]
        if version < _FIRST_WITH_MERGE:
            raise LoadError(
                f"the server is PostgreSQL {version // 10_000}, which has no MERGE: version 15 is "
                "the first that can be loaded; upgrade it"
            )

    @contextmanager
    def filled(self, connection: Connection, table: str, rows: pa.Table) -> Iterator[str]:
        """A temporary table, which the end of the transaction drops."""
        stage = f"pg_temp.{self.quoted(_STAGE)}"
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {stage}")
        connection.exec_driver_sql(
            f"CREATE TEMPORARY TABLE {self.quoted(_STAGE)} ({self._defined(rows.schema)}) "
            "ON COMMIT DROP"
        )
        # Without quotes nothing is null, with quotes it is an empty text.
        copy = f"COPY {stage} FROM STDIN (FORMAT csv, NULL '')"
        driver = connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(copy) as into:  # type: ignore[union-attr]
            for lines in _csv(table, rows):
                into.write(lines)
        yield stage


def _csv(table: str, rows: pa.Table) -> Iterator[bytes]:
    """Lines of CSV; texts are quoted, and so nothing in them means anything."""
    options = csv.WriteOptions(include_header=False, quoting_style="needed")
    for batch in rows.to_batches(max_chunksize=_ROWS_AT_ONCE):
        out = pa.BufferOutputStream()
        csv.write_csv(batch, out, options)
        lines = out.getvalue().to_pybytes()
        if b"\x00" in lines:
            raise _refused(table, batch)
        yield lines


def _refused(table: str, batch: pa.RecordBatch) -> LoadError:
    """Which value it is that PostgreSQL cannot hold."""
    for name, values in zip(batch.schema.names, batch.columns, strict=True):
        if values.type == pa.string():
            found = pc.index(pc.match_substring(values, "\x00"), pa.scalar(True)).as_py()
            if found >= 0:
                row = {k: v[0] for k, v in batch.slice(found, 1).to_pydict().items()}
                return LoadError(
                    f"{table}: column {name} of the row {_shown(row)} holds a character of "
                    "code 0, which PostgreSQL cannot store; correct it in Kinetic, or deselect "
                    "the column"
                )
    return LoadError(f"{table}: a value holds a character of code 0, which PostgreSQL cannot store")


def _shown(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{k} {v!r}" for k, v in list(row.items())[:4])


DIALECT = PostgreSQL
