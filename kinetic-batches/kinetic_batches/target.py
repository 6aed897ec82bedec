"""Singer's side: messages in, STATE out when what came before it is in its tables."""

from __future__ import annotations

import copy
import os
import sys
from abc import abstractmethod
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from singer_sdk import Target
from singer_sdk.exceptions import InvalidJSONSchema
from singer_sdk.helpers.capabilities import PluginCapabilities

from .behind import Behind
from .errors import LoadError, NoSchemaError, StateError
from .messages import Reader
from .sink import BatchSink

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    from singer_sdk import Sink

    from .columns import Column
    from .messages import Record
    from .sink import Table


class BatchTarget(Target):
    """The SDK's target; what is overridden is what it does record by record."""

    batch_size_rows: int
    """Rows of a stream that are loaded at once."""
    another_table: ClassVar[str] = "give one of them another name in the tap's settings"
    """What to do where two streams meet in one table."""
    default_sink_class = BatchSink
    message_reader_class = Reader
    capabilities: ClassVar[list[Any]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    def __init__(self, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        self.max_parallelism = 1
        self.behind = Behind()
        self._is_placed = False
        self._batches: Counter[str] = Counter()
        self._streams: dict[str, str] = {}
        """By table, in lower case."""

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Nothing: settings that would change nothing are refused."""

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:  # noqa: ARG002
        """Nothing: `Settings` judges, names the setting, and keeps secrets out of what it says."""
        return []

    @abstractmethod
    def table(self, stream: str, columns: Sequence[Column], keys: Sequence[str]) -> Table:
        """The table of a stream.

        Args:
            stream: the stream.
            columns: what its rows have.
            keys: names of the columns that tell its rows apart; none: every record is a row.
        """

    @abstractmethod
    def place(self) -> None:
        """Make what tables stand in; done before the first load."""

    def load(self, job: Callable[[], None]) -> None:
        """Load when what was given before is loaded."""
        if not self._is_placed:
            self.behind.then(self.place)
            self._is_placed = True
        self.behind.load(job)

    def next_batch(self, stream: str) -> int:
        """The number of a stream's batch in this run, whatever its schema is by then."""
        self._batches[stream] += 1
        return self._batches[stream]

    def claim(self, table: str, stream: str) -> None:
        """A table is one stream's; warehouses do not tell tables by case.

        Raises:
            LoadError: when another stream has it.
        """
        other = self._streams.setdefault(table.lower(), stream)
        if other != stream:
            raise LoadError(
                f"streams {other} and {stream} would both be loaded into {table}, where one "
                f"overwrites the other; {self.another_table}"
            )

    def get_sink(
        self,
        stream_name: str,
        *,
        record: dict[str, Any] | None = None,
        schema: dict[str, Any] | None = None,
        key_properties: Sequence[str] | None = None,
    ) -> Sink:
        """A stream's sink; another schema in mid-run is another sink, once the first has loaded.

        The SDK would keep the first for later, when its older rows overwrite newer ones.
        """
        sink = self._sinks_active.get(stream_name)
        if sink is not None and schema is not None:
            given = (schema, list(key_properties or ()))
            if (sink.original_schema, list(sink.key_properties)) == given:
                return sink
            self.drain_one(sink)
            sink.clean_up()
            del self._sinks_active[stream_name]
        try:
            return super().get_sink(
                stream_name, record=record, schema=schema, key_properties=key_properties
            )
        except InvalidJSONSchema as error:
            why = str(error).partition("\n")[0]
            raise LoadError(f"the SCHEMA message of {stream_name!r} is broken: {why}") from error

    def process_endofpipe(self) -> None:
        """Load what waits, wait for all of it, and only then be done."""
        super().process_endofpipe()
        self.behind.finish()

    def emit(self, state: dict[str, Any]) -> None:
        """Write STATE; everything before it is loaded."""
        try:
            super()._write_state_message(state)
        except OSError as error:
            # Python would try again at its end, and tell of that with a traceback.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise StateError(
                f"STATE cannot be written to stdout ({error.strerror}); the rows before it are "
                "loaded, and the next run reads them again"
            ) from error

    def _process_record_message(self, message: Record) -> None:  # type: ignore[override]
        sink = self._sinks_active.get(message.stream)
        if not isinstance(sink, BatchSink):
            raise NoSchemaError(f"a record of {message.stream!r} came before its SCHEMA message")
        if message.version is not None and message.version != sink.version:
            self.drain_one(sink)
            sink.version = message.version
        sink.take(message.record)
        if sink.is_full:
            self.drain_all()

    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        super()._process_state_message(message_dict)
        self.behind.check()
        self._handle_max_record_age()

    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        sink = self._sinks_active.get(message_dict["stream"])
        if not isinstance(sink, BatchSink):
            raise LoadError(
                f"ACTIVATE_VERSION of {message_dict['stream']!r} came before its SCHEMA"
            )
        self.drain_one(sink)
        sink.activate_version(message_dict["version"])

    def _process_batch_message(self, message_dict: dict[str, Any]) -> NoReturn:
        raise LoadError(
            f"stream {message_dict.get('stream')!r} comes as files (BATCH), which this loader does "
            "not read; take `batch_config` from the tap's settings"
        )

    def _write_state_message(self, state: dict[str, Any]) -> None:
        """Emit STATE when everything that was handed over before it is loaded."""
        self.behind.then(partial(self.emit, copy.deepcopy(state)))

    def _handle_termination(self, signum: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG002
        """End at once; what is not loaded is read again, since STATE stays."""
        raise LoadError(f"stopped by signal {signum}")
