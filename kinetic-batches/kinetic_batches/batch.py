"""One batch: columns of Arrow that grow chunk by chunk."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pyarrow as pa

from .errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import msgspec


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
    def digest(self) -> str:
        """The same for the same records in the same order, and for no others."""
        return self._digest.hexdigest()

    def table(self, schema: pa.Schema, keys: Sequence[str]) -> pa.Table:
        """The last row of each key, or all rows where there is no key.

        Args:
            schema: types that the values get, which have to hold them as they are.
            keys: names of columns.

        Raises:
            LoadError: when a value does not fit.
        """
        table = pa.Table.from_batches(self._chunks)
        if keys:
            table = _last_of_each(table, keys)
        try:
            return table.cast(schema)
        except pa.ArrowInvalid as error:
            raise LoadError(f"a value does not fit the type of its column: {error}") from error


def _last_of_each(table: pa.Table, keys: Sequence[str]) -> pa.Table:
    last = {
        key: number
        for number, key in enumerate(zip(*(table[key].to_pylist() for key in keys), strict=True))
    }
    return table if len(last) == table.num_rows else table.take(pa.array(sorted(last.values())))
