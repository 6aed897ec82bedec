"""BigQuery: a load job of parquet into a table that expires, then MERGE.

There are no transactions over jobs; each of them can be repeated.
"""

from __future__ import annotations

import io
import uuid
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
from kinetic_batches.columns import MOMENT

from .base import Dialect

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy.engine import Connection

_NUMERIC = (29, 9)
"""Digits before and behind the point."""
_LIFE = timedelta(days=1)


class BigQuery(Dialect):
    """Decimals are NUMERIC where that holds them, BIGNUMERIC otherwise."""

    TYPES: ClassVar[Mapping[pa.DataType, str]] = {
        pa.string(): "STRING",
        pa.int64(): "INT64",
        pa.bool_(): "BOOL",
        pa.float64(): "FLOAT64",
        pa.date32(): "DATE",
        MOMENT: "TIMESTAMP",
    }
    OTHER_TYPES: ClassVar[Mapping[str, pa.DataType]] = {
        "NUMERIC": pa.decimal128(38, 9),
        "BIGNUMERIC": pa.decimal256(76, 38),
    }
    QUOTE = "`"
    ADDS_TOGETHER = True
    MOST_DIGITS = 76

    def errors(self) -> tuple[type[Exception], ...]:
        """Google's own."""
        from google.api_core.exceptions import GoogleAPIError  # noqa: PLC0415
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415

        return (GoogleAPIError, GoogleAuthError)

    def type(self, kind: pa.DataType) -> str:
        """NUMERIC as long as it holds every value."""
        if pa.types.is_decimal(kind):
            whole, scale = kind.precision - kind.scale, kind.scale
            return "NUMERIC" if whole <= _NUMERIC[0] and scale <= _NUMERIC[1] else "BIGNUMERIC"
        return self.TYPES[kind]

    def widen(self, table: str, column: pa.Field) -> list[str]:
        """In place."""
        name, wider = self.quoted(column.name), self.type(column.type)
        return [f"ALTER TABLE {self.qualified(table)} ALTER COLUMN {name} SET DATA TYPE {wider}"]

    def list_tables(self) -> str:
        """A dataset lists its own."""
        return f"SELECT table_name FROM {self.catalog('TABLES')} ORDER BY 1"

    def list_columns(self, table: str) -> str:
        """Rows of name and type."""
        return (
            f"SELECT column_name, data_type FROM {self.catalog('COLUMNS')} "
            f"WHERE table_name = '{table}' ORDER BY ordinal_position"
        )

    def catalog(self, view: str) -> str:
        """Of the dataset."""
        return f"{self.quoted(self.config.schema)}.INFORMATION_SCHEMA.{view}"

    def has_schema(self, connection: Connection) -> bool:
        """Whether the dataset is there."""
        from google.api_core.exceptions import NotFound  # noqa: PLC0415

        try:
            _client(connection).get_dataset(self.config.schema)
        except NotFound:
            return False
        return True

    @contextmanager
    def filled(self, connection: Connection, table: str, rows: pa.Table) -> Iterator[str]:
        """A table that ends in a day, should nobody drop it."""
        from google.cloud import bigquery  # noqa: PLC0415

        client = _client(connection)
        name = f"_kinetic_stage_{table}_{uuid.uuid4().hex[:12]}"
        fields = [bigquery.SchemaField(each.name, self.type(each.type)) for each in rows.schema]
        stage = bigquery.Table(f"{client.project}.{self.config.schema}.{name}", schema=fields)
        stage.expires = datetime.now(timezone.utc) + _LIFE
        client.create_table(stage)
        try:
            job = bigquery.LoadJobConfig(
                source_format="PARQUET", schema=fields, write_disposition="WRITE_APPEND"
            )
            client.load_table_from_file(_parquet(rows), stage, job_config=job, rewind=True).result()
            yield self.qualified(name)
        finally:
            client.delete_table(stage, not_found_ok=True)


def _client(connection: Connection) -> Any:  # noqa: ANN401 - Google's, whose types are not here
    return connection.connection.driver_connection._client  # type: ignore[union-attr] # noqa: SLF001


def _parquet(rows: pa.Table) -> io.BytesIO:
    out = io.BytesIO()
    pq.write_table(rows, out)
    return out


DIALECT = BigQuery
