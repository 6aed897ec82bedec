"""One batch: columns of Arrow that grow chunk by chunk, then a parquet file."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from .errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import msgspec

    from .columns import Column

# Spark takes times before 1900 in a file of unknown origin for an older calendar, and refuses them.
_ORIGIN = {"org.apache.spark.version": "3.5.0"}


class Batch:
    """Rows in the order in which they came.

    Args:
        identity: what tells this batch from another with the same records.
    """

    def __init__(self, identity: str) -> None:
        self._chunks: list[pa.RecordBatch] = []
        self._digest = hashlib.sha256(identity.encode())

    def add(self, chunk: pa.RecordBatch, records: Sequence[bytes | msgspec.Raw]) -> None:
        """A chunk, and the bytes that it was made of."""
        self._chunks.append(chunk)
        for record in records:
            self._digest.update(record)
            self._digest.update(b"\n")

    @property
    def name(self) -> str:
        """The same for the same records in the same order, and for no others."""
        return f"{self._digest.hexdigest()}.parquet"

    def write(self, file: Path, columns: Sequence[Column], keys: Sequence[str]) -> int:
        """Write the last row of each key, or all rows where there is no key; how many.

        Args:
            file: where to.
            columns: with the types that the table has.
            keys: names of columns.
        """
        table = pa.Table.from_batches(self._chunks)
        if keys:
            table = _last_of_each(table, keys)
        schema = pa.schema([(column.name, column.arrow) for column in columns], _ORIGIN)
        try:
            table = table.cast(schema)
        except pa.ArrowInvalid as error:
            raise LoadError(f"a value does not fit the type of its column: {error}") from error
        pq.write_table(table, file, row_group_size=table.num_rows or None)
        return int(table.num_rows)


def _last_of_each(table: pa.Table, keys: Sequence[str]) -> pa.Table:
    last = {
        key: number
        for number, key in enumerate(zip(*(table[key].to_pylist() for key in keys), strict=True))
    }
    return table if len(last) == table.num_rows else table.take(pa.array(sorted(last.values())))
