"""The tap as the SDK knows it: settings, discovery, catalog, maps; `sync` does the reading."""

from __future__ import annotations

import copy
import json
from contextlib import closing
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import Tap
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from singer_sdk.singerlib.encoding.base import GenericSingerWriter
from singer_sdk.singerlib.encoding.simple import Message
from singer_sdk.tap_base import CliTestOptionValue
from typing_extensions import override

from .checkup import check_up
from .config import with_defaults
from .discovery import discover
from .errors import Interrupted, SettingsError
from .output import Output, message_line
from .run import FINAL_MARKER, Run
from .selection import cached_entities, keep_entity, selected_streams
from .settings import SETTINGS
from .stream import AuditStream, KineticStream
from .sync import Sync
from .tenant import connect

if TYPE_CHECKING:
    from types import FrameType

    import click
    from singer_sdk import Stream
    from singer_sdk.helpers.capabilities import CapabilitiesEnum

    from .config import TapConfig
    from .kinetic.client import KineticClient
    from .selection import SelectedStream
    from .unit import Mapper


class _Writer(GenericSingerWriter[bytes, Message]):
    """What the SDK itself writes, by the way of everything else."""

    @override
    def serialize_message(self, message: Message) -> bytes:
        """One line of JSON."""
        return message_line(message.to_dict())

    @override
    def write_message(self, message: Message) -> None:
        """Write and flush."""
        Output.lines([self.serialize_message(message)])


class TapEpicorKinetic(Tap):
    """Singer tap for Epicor Kinetic (REST v2, OData v4), read only."""

    name = "tap-epicor-kinetic"
    config_jsonschema: ClassVar[dict[str, Any]] = {
        **copy.deepcopy(SETTINGS),  # the SDK adds its own
        "additionalProperties": False,
    }
    dynamic_catalog = True
    message_writer_class = _Writer
    # No BATCH: it would bypass selection and exact decimals. No ACTIVATE_VERSION: loaders delete
    # on it before the new rows are in.
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    _is_syncing = False

    def __init__(self, *, catalog: Any = None, **options: Any) -> None:  # noqa: ANN401
        # The SDK's own catalog drops the members that it does not know.
        entries = catalog.get("streams", []) if isinstance(catalog, dict) else []
        self._catalog_as_given = {entry["tap_stream_id"]: entry for entry in entries}
        super().__init__(catalog=catalog, **options)

    @cached_property
    def settings(self) -> TapConfig:
        """The settings, judged."""
        return with_defaults(self.config)

    @cached_property
    def output(self) -> Output:
        """Where messages go."""
        return Output()

    @cached_property
    def client(self) -> KineticClient:
        """The tenant."""
        run = self.run
        return connect(self.settings, sleep=run.sleep, is_stopped=run.check_stop)

    @cached_property
    def run(self) -> Run:
        """This run."""
        return Run(self.settings, self.state, self.output)  # type: ignore[arg-type]

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        errors = super()._validate_config(raise_errors=False)
        if errors and raise_errors:
            known = ", ".join(sorted(self.config_jsonschema["properties"]))
            told = "; ".join(map(self._without_value, errors))
            raise SettingsError(f"{told}. Settings are: {known}.")
        return errors

    def _without_value(self, error: str) -> str:
        """JSON Schema's messages quote the value, which may be a secret."""
        for name, schema in self.config_jsonschema["properties"].items():
            if schema.get("secret") and f"config['{name}']" in error:
                return f"`{name}` has the wrong type, it has to be text"
        return error

    @override
    def discover_streams(self) -> list[Stream]:
        """Every stream of the tenant, or those that the catalog selects, and the audit."""
        company = self.settings.companies[0]
        definitions = discover(
            self.settings,
            lambda service: self.client.metadata(company, service),
            self._selected_in_catalog(),
            cached=cached_entities(self._catalog_as_given),
        )
        streams = [
            KineticStream(self, each, self._send_sample, self._catalog_as_given.get(each.name))
            for each in definitions
        ]
        return [*streams, AuditStream(self)]

    def _send_sample(self, stream: SelectedStream, rows: int) -> None:
        Sync(self.run, self.client, self.output).send_sample(stream, rows)

    def _selected_in_catalog(self) -> set[str] | None:
        if self.input_catalog is None:
            return None
        return selected_streams({n: each.to_dict() for n, each in self.input_catalog.items()})

    @property
    @override
    def streams(self) -> dict[str, Stream]:
        """Streams in the order in which they run: masters, documents, audit."""
        if self._streams is None:
            streams = self.discover_streams()
            if self.input_catalog is not None:
                for stream in streams:
                    stream.apply_catalog(self.input_catalog)
            self._streams = {stream.name: stream for stream in streams}
        return self._streams

    @property
    @override
    def catalog_dict(self) -> dict[str, Any]:
        """The catalog, with what `$metadata` said of each stream: a sync need not ask again."""
        catalog: dict[str, Any] = copy.deepcopy(super().catalog_dict)
        for entry in catalog["streams"]:
            stream = self.streams[entry["tap_stream_id"]]
            if isinstance(stream, KineticStream):
                keep_entity(entry, stream.definition)
        return catalog

    @override
    def load_state(self, state: dict[str, Any]) -> None:
        """Take over STATE whole, but for the marker of the run that wrote it."""
        kept = copy.deepcopy(state)
        kept.pop(FINAL_MARKER, None)
        self.state.update(kept)  # type: ignore[typeddict-item]

    @override  # type: ignore[misc] # final in the SDK, but it would run streams by name
    def sync_all(self) -> None:
        """Read every selected stream, then write the audit and the marker of a complete run.

        Raises:
            TapError: when the run is not complete; the audit was written all the same.
        """
        self._is_syncing = True
        streams = [s for s in self.streams.values() if isinstance(s, KineticStream)]
        chosen = [s.choice for s in streams if s.choice is not None]
        audit = [s for s in self.streams.values() if isinstance(s, AuditStream) and s.selected]
        sync = Sync(self.run, self.client, self.output, self._mappers())
        with closing(self.run.ahead), closing(self.client):
            sync.send(chosen, with_audit=bool(audit))

    def _mappers(self) -> dict[str, Mapper]:
        """Where stream maps are set, lines go through the SDK's mapper.

        Flattening alone changes nothing: rows hold no objects.
        """
        if not self.config.get("stream_maps"):
            return {}
        streams = self.streams.values()
        return {s.name: s for s in streams if isinstance(s, KineticStream | AuditStream)}

    @override  # type: ignore[misc] # final in the SDK, but it would read a row of each stream
    def run_connection_test(self) -> bool:
        """One screen of checks on stderr.

        Raises:
            TapError: when one of them failed.
        """
        return check_up(self.settings, self._selected_in_catalog())

    @override
    @classmethod
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        """Check without what the SDK does first: it would discover, with all patience."""
        if value != CliTestOptionValue.All.value:
            super().cb_test(ctx, param, value)
            return
        given, catalog = ctx.params["config"], ctx.params.get("catalog")
        tap = cls(
            config=given.config,
            catalog=json.load(catalog) if catalog else None,
            parse_env_config=given.parse_env,
            validate_config=True,
            setup_mapper=False,
        )
        tap.run_connection_test()
        ctx.exit()

    @override
    @classmethod
    def get_singer_command(cls) -> click.Command:
        """`--catalog` is read before `--test` acts, wherever it stands."""
        command = super().get_singer_command()
        for option in command.params:
            option.is_eager |= option.name == "catalog"
        return command

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Stop between two pages, so that the last line that was written is whole."""
        if not self._is_syncing:
            raise Interrupted(f"stopped by signal {signum}")
        self.run.request_stop(signum)
