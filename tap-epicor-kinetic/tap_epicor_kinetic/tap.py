"""The tap: wires settings, client, discovery and streams, and runs them in order."""

from __future__ import annotations

import copy
import os
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import Tap
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from singer_sdk.singerlib.messages import StateMessage
from typing_extensions import override

from . import __version__
from .audit import AUDIT_STREAM, log_summary
from .config import TapConfig, read_config
from .discovery import discover
from .errors import (
    AccessDenied,
    DiscoveryError,
    Interrupted,
    LoginLost,
    LoginRefused,
    NotFound,
    QueryRefused,
    SettingsError,
    TapError,
)
from .extract.ahead import Ahead
from .kinetic.client import Address, EntitySet, KineticClient
from .kinetic.login import BasicLogin, Login, client_credentials, token_resource
from .kinetic.redaction import Redactor
from .kinetic.transport import Transport
from .odata.query import Query
from .output import Output
from .run import FINAL_MARKER, Run
from .settings import SETTINGS
from .stream import AuditStream, KineticStream

if TYPE_CHECKING:
    from types import FrameType

    from singer_sdk import Stream
    from singer_sdk.helpers.capabilities import CapabilitiesEnum

    from .discovery import StreamDefinition


class TapEpicorKinetic(Tap):
    """Singer tap for Epicor Kinetic (REST v2, OData v4), read only."""

    name = "tap-epicor-kinetic"
    config_jsonschema: ClassVar[dict[str, Any]] = {
        **SETTINGS.to_dict(),
        "additionalProperties": False,
    }
    dynamic_catalog = True
    message_writer_class = Output
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

    @cached_property
    def settings(self) -> TapConfig:
        """The settings, judged."""
        defaults = {
            name: schema["default"]
            for name, schema in self.config_jsonschema["properties"].items()
            if "default" in schema
        }
        given = {name: value for name, value in self.config.items() if value is not None}
        return read_config({**defaults, **given})

    @cached_property
    def output(self) -> Output:
        """Where messages go."""
        writer = self.message_writer
        assert isinstance(writer, Output)  # noqa: S101 - message_writer_class says so
        return writer

    @cached_property
    def redact(self) -> Redactor:
        """Knows this run's secrets."""
        settings = self.settings
        return Redactor(settings.api_key, settings.password, settings.oauth_client_secret)

    @cached_property
    def client(self) -> KineticClient:
        """The tenant."""
        settings = self.settings
        client = KineticClient(
            settings.api_url,
            transport=_transport(settings),
            fixed_headers={
                "User-Agent": f"{self.name}/{__version__}",
                **({"x-api-key": settings.api_key} if settings.api_key else {}),
            },
            redactor=self.redact,
            deadline_seconds=settings.retry_deadline_seconds,
            sleep=self._sleep,
        )
        client.login = _login(settings, client, self.redact)
        return client

    @cached_property
    def run(self) -> Run:
        """This run."""

        def traffic() -> tuple[int, int, int]:
            spent = self.client.traffic
            return spent.requests, spent.retries, spent.bytes

        return Run(
            self.settings,
            self.state,  # type: ignore[arg-type]
            write_state=self._write_state,
            traffic=traffic,
            source=self._source,
        )

    def _sleep(self, seconds: float) -> None:
        self.run.sleep(seconds)

    def _source(self, company: str, definition: StreamDefinition) -> EntitySet:
        facts = definition.facts
        return EntitySet(self.client, Address(company, facts.service, facts.entity_set))

    def _write_state(self) -> None:
        self.write_message(StateMessage(value=copy.deepcopy(self.state)))

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
        )
        streams = [KineticStream(self, d, self.run, self.output) for d in definitions]
        return [*streams, AuditStream(self, self.run)]

    def _selected_in_catalog(self) -> set[str] | None:
        if self.input_catalog is None:
            return None
        selected = {
            name
            for name, entry in self.input_catalog.items()
            if entry.metadata.resolve_selection().get(())
        }
        return selected - {AUDIT_STREAM}

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
        run = self.run
        run.log.prove_writable()
        selected = [s for s in self.streams.values() if s.selected]
        streams = [s for s in selected if isinstance(s, KineticStream)]
        audit = [s for s in selected if isinstance(s, AuditStream)]
        for stream in streams:
            for company in self.settings.companies:
                run.outcome(stream.name, company)
        if not streams:
            raise DiscoveryError(
                "No stream is selected, so there is nothing to read; look at the catalog's "
                "selection, or at the select rules in meltano.yml."
            )
        self._write_state()
        try:
            self._send(streams, audit)
        except Exception:
            log_summary(self.logger, run.outcomes)
            try:
                run.log_end("failed")
            except TapError as error:  # must not hide why the run failed
                self.logger.warning("%s", error)
            raise
        log_summary(self.logger, run.outcomes)
        run.log_end("complete")
        run.mark_complete()

    def _send(self, streams: list[KineticStream], audit: list[AuditStream]) -> None:
        try:
            for company in self.settings.companies:
                self._prove_company(company, streams)
            for stream in streams:
                stream.send()
        except Exception:
            for audit_stream in audit:
                audit_stream.send()
            self._write_state()
            raise
        for audit_stream in audit:
            audit_stream.send()

    def _prove_company(self, company: str, streams: list[KineticStream]) -> None:
        """One small request, so that a wrong code is told before hours of reading."""
        refusal: TapError | None = None
        for stream in streams:
            source = stream.source(company)
            try:
                Ahead(partial(source.page, Query(top=1)), self.run.stop).result()
            except (AccessDenied, NotFound) as error:
                refusal = error  # of this service, perhaps: the next stream tells
            except (LoginRefused, LoginLost, QueryRefused) as error:
                refusal = error
                break
            else:
                return
        raise SettingsError(
            f"Company {company!r} cannot be read; check `companies`, and what `api_key` "
            f"and the user may read. {refusal}"
        ) from refusal

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Stop between two pages, so that the last line that was written is whole."""
        if not self._is_syncing:
            raise Interrupted(f"stopped by signal {signum}")
        if self.run.stop.is_set():
            os._exit(TapError.exit_code)
        self.logger.warning("Stopping after this page (signal %d); once more to stop now", signum)
        self.run.stop.set()


def _transport(settings: TapConfig) -> Transport:
    try:
        return Transport(
            settings.api_url,
            timeout_seconds=settings.request_timeout_seconds,
            ca_bundle=settings.ca_bundle,
            tls_verify=settings.tls_verify,
        )
    except OSError as error:
        raise SettingsError(f"`ca_bundle` {settings.ca_bundle} cannot be used: {error}.") from error


def _login(settings: TapConfig, client: KineticClient, redactor: Redactor) -> Login:
    if settings.auth_method == "oauth2":
        return client_credentials(
            settings.oauth_token_url or "",
            settings.oauth_client_id or "",
            settings.oauth_client_secret or "",
            settings.oauth_scope,
            client.post,
            redactor,
        )
    username, password = settings.username or "", settings.password or ""
    if settings.auth_method == "token_resource":
        return token_resource(settings.api_url, username, password, client.post, redactor)
    return BasicLogin(username, password)
