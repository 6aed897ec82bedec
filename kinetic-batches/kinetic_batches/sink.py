"""One stream: records into a batch, full batches to the table."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import pyarrow as pa
from singer_sdk.sinks import Sink

from .batch import Batch
from .columns import MOMENT, Column, column_of
from .errors import LoadError
from .rows import Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from msgspec import Raw

DELETED_AT = "_sdc_deleted_at"
VERSION = "_sdc_table_version"
_CHUNK = 1_000
"""Records that become columns at once."""
_MOST_BYTES = 128 * 2**20
"""Of a batch's records as they came; keeps memory flat however wide the rows are."""
_VERSIONED = {DELETED_AT: MOMENT, VERSION: pa.int64()}


class Table(Protocol):
    """Where the batches of a stream go."""

    @property
    def name(self) -> object:
        """What tells it from other tables."""

    def load(self, batch: Batch) -> None:
        """Bring a batch in; raises where that is not certain."""

    def retire(self, version: int) -> None:
        """Mark or delete the rows of older versions."""


class Loader(Protocol):
    """What a stream needs of its target."""

    batch_size_rows: int

    def table(self, stream: str, columns: Sequence[Column], keys: Sequence[str]) -> Table:
        """The table of a stream."""

    def load(self, job: Callable[[], None]) -> None:
        """Do this when everything before it is loaded."""

    def next_batch(self, stream: str) -> int:
        """The number of a stream's batch in this run."""

    def claim(self, table: str, stream: str) -> None:
        """A table is one stream's."""


class BatchSink(Sink):
    """Takes the bytes of records; nothing is done record by record but to keep them."""

    def __init__(
        self,
        target: Any,  # noqa: ANN401 - a Target of the SDK that is a Loader
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        properties = self.original_schema["properties"]
        self._given = [column_of(name, each) for name, each in properties.items()]
        self._keys = tuple(key_properties or ())
        if missing := [key for key in self._keys if key not in properties]:
            raise LoadError(f"{stream_name}: the key {missing[0]} is no column of its SCHEMA")
        self._rows = Rows(stream_name, self._given, self._keys)
        self._waiting: list[Raw] = []
        self._bytes = 0
        self._version: int | None = None
        self._loader: Loader = target
        self._batch: Batch | None = None
        self._table = self._make_table()

    def take(self, record: Raw) -> None:
        """One record more."""
        self._waiting.append(record)
        self._batch_records_read += 1
        if len(self._waiting) >= _CHUNK:
            self._convert()

    @property
    def max_size(self) -> int:
        """Rows of a batch."""
        return self._loader.batch_size_rows

    @property
    def is_full(self) -> bool:
        """Whether the batch has to be loaded before more is taken."""
        return self.current_size >= self.max_size or self._bytes >= _MOST_BYTES

    @property
    def version(self) -> int | None:
        """What its records belong to, where the tap tells."""
        return self._version

    @version.setter
    def version(self, version: int) -> None:
        """From now on; what waits has been loaded before."""
        is_first = self._version is None
        self._version = version
        if is_first:
            self._table = self._make_table()

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> NoReturn:
        """Records come as bytes, by `take`."""
        raise NotImplementedError

    def process_batch(self, context: dict[str, Any]) -> None:  # noqa: ARG002
        """Hand the batch over; STATE behind it waits until it is loaded."""
        self._convert()
        if self._batch is not None:
            batch, self._batch, self._bytes = self._batch, None, 0
            self._loader.load(partial(self._table.load, batch))

    def activate_version(self, new_version: int) -> None:
        """Rows of older versions are gone from the source."""
        self.version = new_version
        self._loader.load(partial(self._table.retire, new_version))

    def _convert(self) -> None:
        records, self._waiting = self._waiting, []
        if not records:
            return
        chunk = self._rows.decode(records)
        if self._version is not None:
            chunk = self._with_version(chunk)
        if self._batch is None:
            number = self._loader.next_batch(self.stream_name)
            self._batch = Batch(f"{self._table.name} {number}")
        self._batch.add(chunk, records)
        self.record_counter_metric.increment(len(records))
        self._bytes += sum(len(memoryview(record)) for record in records)

    def _make_table(self) -> Table:
        names = {column.name for column in self._given}
        more = _VERSIONED if self._version is not None else {}
        added = [Column(name, kind) for name, kind in more.items() if name not in names]
        table = self._loader.table(self.stream_name, [*self._given, *added], self._keys)
        self._loader.claim(str(table.name), self.stream_name)
        return table

    def _with_version(self, chunk: pa.RecordBatch) -> pa.RecordBatch:
        values = {DELETED_AT: None, VERSION: self._version}
        for name, kind in _VERSIONED.items():
            if name not in chunk.schema.names:
                array = pa.array([values[name]] * chunk.num_rows, kind)
                chunk = chunk.append_column(name, array)
        return chunk
