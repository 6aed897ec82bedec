"""Redshift: parquet in a bucket, COPY into a temporary table, MERGE, in one transaction."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa
from kinetic_batches.columns import MOMENT
from kinetic_batches.sink import DELETED_AT

from .base import TEXT_TYPES
from .files import Folder
from .replacing import ReplacingDialect

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection

    from target_looker_stage.config import Config

_STAGE = "kinetic_stage"
_ZONELESS = pa.timestamp("us")


class Redshift(ReplacingDialect):
    """Text is as long as Redshift has it: TEXT would be 256 bytes."""

    TYPES: ClassVar[Mapping[pa.DataType, str]] = {
        **TEXT_TYPES,
        pa.string(): "VARCHAR(65535)",
        _ZONELESS: "TIMESTAMP",
    }
    OTHER_TYPES: ClassVar[Mapping[str, pa.DataType]] = {"CHARACTER VARYING": pa.string()}
    TOUCHES = True

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._folder = Folder()
        self._bucket, _, self._prefix = config.redshift_s3.removeprefix("s3://").partition("/")

    def errors(self) -> tuple[type[Exception], ...]:
        """Those of the bucket."""
        from boto3.exceptions import Boto3Error  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        return (Boto3Error, BotoCoreError, ClientError)

    def begin(self, connection: Connection) -> None:
        """The files hold times of UTC without saying so."""
        connection.exec_driver_sql("SET timezone TO 'UTC'")

    def merge(
        self,
        table: str,
        source: str,
        columns: Sequence[str],
        keys: Sequence[str],
        *,
        hard_delete: bool,
    ) -> list[str]:
        """Redshift's MERGE has no conditions, no alias of its target, and both branches always."""
        target, name = self.qualified(table), self.quoted(table)
        on = " AND ".join(f"{name}.{self.quoted(k)} = {source}.{self.quoted(k)}" for k in keys)
        mark = f"{source}.{self.quoted(DELETED_AT)}"
        updated = [each for each in columns if each not in keys] or list(keys)
        sets = ", ".join(f"{self.quoted(c)} = {source}.{self.quoted(c)}" for c in updated)
        gone = [
            f"DELETE FROM {target} USING {source} WHERE {on} AND {mark} IS NOT NULL",
            f"DELETE FROM {source} WHERE {self.quoted(DELETED_AT)} IS NOT NULL",
        ]
        values = ", ".join(f"{source}.{self.quoted(each)}" for each in columns)
        merge = (
            f"MERGE INTO {target} USING {source} ON {on} WHEN MATCHED THEN UPDATE SET {sets} "
            f"WHEN NOT MATCHED THEN INSERT ({self._listed(columns)}) VALUES ({values})"
        )
        return [*(gone if hard_delete else []), merge]

    def create_stage(self, columns: pa.Schema) -> str:
        """Make the table that a file is copied into; it ends with the session."""
        return f"CREATE TEMPORARY TABLE {self.quoted(_STAGE)} ({self._defined(columns)})"

    def copy(self, name: str) -> str:
        """Fill it from a file of the bucket."""
        return (
            f"COPY {self.quoted(_STAGE)} FROM 's3://{self._bucket}/{self._key(name)}' "
            f"IAM_ROLE '{self.config.redshift_iam_role}' FORMAT AS PARQUET"
        )

    @contextmanager
    def filled(self, connection: Connection, table: str, rows: pa.Table) -> Iterator[str]:  # noqa: ARG002
        """A temporary table."""
        import boto3  # noqa: PLC0415 - only Redshift's loader has it

        zoneless = pa.schema(
            [each.with_type(_ZONELESS) if each.type == MOMENT else each for each in rows.schema]
        )
        bucket = boto3.client("s3")
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {self.quoted(_STAGE)}")
        connection.exec_driver_sql(self.create_stage(zoneless))
        with self._folder.parquet(rows.cast(zoneless)) as file:
            key = self._key(file.name)
            bucket.upload_file(str(file), self._bucket, key)
            try:
                connection.exec_driver_sql(self.copy(file.name))
            finally:
                bucket.delete_object(Bucket=self._bucket, Key=key)
        yield self.quoted(_STAGE)

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name


DIALECT = Redshift
