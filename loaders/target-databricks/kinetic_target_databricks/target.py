"""Singer's side: messages in, STATE out when what came before it is in its tables."""

from __future__ import annotations

import copy
import shutil
import tempfile
import weakref
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from singer_sdk import Target
from singer_sdk.helpers.capabilities import PluginCapabilities

from .behind import Behind
from .config import Config
from .errors import LoadError, NoSchemaError
from .messages import Reader
from .place import make_place
from .session import Session
from .settings import SETTINGS
from .sink import DatabricksSink
from .table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    from .columns import Column
    from .messages import Record


class DatabricksTarget(Target):
    """The SDK's target; what is overridden is what it does record by record."""

    name = "target-databricks"
    package_name = "kinetic-target-databricks"
    config_jsonschema: ClassVar[dict[str, Any]] = SETTINGS
    default_sink_class = DatabricksSink
    message_reader_class = Reader
    capabilities: ClassVar[list[Any]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    def __init__(self, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        self.settings = Config.of(self.config)
        self.max_parallelism = 1
        self.behind = Behind()
        self._folder = Path(tempfile.mkdtemp(prefix="kinetic-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._session = Session(self.settings, self._folder)
        self._is_placed = False
        self._batches: Counter[str] = Counter()

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Nothing: settings that would change nothing are refused."""

    def table(self, stream: str, columns: Sequence[Column], keys: Sequence[str]) -> Table:
        """The table of a stream."""
        return Table(self.settings, self._session, self._folder, stream, columns, keys)

    def load(self, job: Callable[[], None]) -> None:
        """Load when what was given before is loaded; the first one finds schema and volume made."""
        if not self._is_placed:
            self.behind.then(partial(make_place, self.settings, self._session))
            self._is_placed = True
        self.behind.load(job)

    def next_batch(self, stream: str) -> int:
        """The number of a stream's batch in this run, whatever its schema is by then."""
        self._batches[stream] += 1
        return self._batches[stream]

    def process_endofpipe(self) -> None:
        """Load what waits, wait for all of it, and only then be done."""
        super().process_endofpipe()
        self.behind.finish()
        self._session.close()

    def _process_record_message(self, message: Record) -> None:  # type: ignore[override]
        sink = self._sinks_active.get(message.stream)
        if not isinstance(sink, DatabricksSink):
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
        if not isinstance(sink, DatabricksSink):
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
        self.behind.then(partial(super()._write_state_message, copy.deepcopy(state)))

    def _handle_termination(self, signum: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG002
        """End at once; what is not loaded is read again, since STATE stays."""
        raise LoadError(f"stopped by signal {signum}")
