"""The SDK's face of a stream: its schema, its catalog entry, stream maps."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from singer_sdk import Stream
from singer_sdk.singerlib.catalog import Metadata
from typing_extensions import override

from .audit import AUDIT_KEY, AUDIT_SCHEMA, AUDIT_STREAM
from .discovery import ADDED_COLUMNS
from .output import message_line
from .selection import select

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from singer_sdk import Tap
    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.singerlib import Catalog, MetadataMapping

    from .discovery import StreamDefinition
    from .selection import CatalogEntry, SelectedStream

_read_line = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode


class _Mapped(Stream):
    """Lets the SDK's mapper change RECORD lines, where stream maps are set."""

    def schemas(self) -> bytes:
        """The SCHEMA lines, as the mapper makes them."""
        lines = []
        for message in self._generate_schema_messages():
            _restore_facets(message.schema, self.schema)
            lines.append(message_line(message.to_dict()))
        return b"".join(lines)

    def lines(self, lines: bytes) -> bytes:
        """Each record through the mapper, one by one."""
        mapped = []
        for line in lines.splitlines():
            message = _read_line(line)
            for stream_map in self.stream_maps:
                record = stream_map.transform(message["record"])
                if record is not None:
                    changed = {**message, "stream": stream_map.stream_alias, "record": record}
                    mapped.append(message_line(changed))
        return b"".join(mapped)

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        """None: rows do not take the SDK's way record by record."""
        return ()


class KineticStream(_Mapped):
    """One business object or BAQ of all companies."""

    def __init__(
        self,
        tap: Tap,
        definition: StreamDefinition,
        send_sample: Callable[[SelectedStream, int], None],
        entry: CatalogEntry | None,
    ) -> None:
        self.definition = definition
        # The SDK's own catalog drops the members that it does not know.
        self._entry_as_given = entry
        self._send_sample = send_sample
        super().__init__(tap, schema=definition.schema, name=definition.name)
        self.primary_keys = definition.primary_keys
        self.replication_key = definition.replication_key_name
        self.choice: SelectedStream | None = select(definition, None)

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        """Take selection and FULL_TABLE from a catalog; keys and columns are the tenant's."""
        self._tap_input_catalog = catalog
        self._metadata = None
        self._mask = None
        entry = catalog.get_stream(self.name)
        if entry is None:
            return
        self.choice = select(self.definition, self._entry_as_given or entry.to_dict())
        if self.choice is not None and self.choice.definition.cursor is None:
            self.definition = self.choice.definition
            self.forced_replication_method = "FULL_TABLE"
            self.replication_key = None

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], None, None]:
        """The SDK's way in, which it uses for samples: connection tests with a limit of records."""
        if self.choice is not None:
            self._send_sample(self.choice, self.ABORT_AT_RECORD_COUNT or 1)
        yield from ()

    @property
    @override
    def metadata(self) -> MetadataMapping:
        """Keys and our own columns are not for choosing, nor is what the settings leave out."""
        metadata = super().metadata
        definition = self.definition
        always = {definition.names[name] for name in definition.always_sent}
        for name in (*ADDED_COLUMNS, *always):
            if ("properties", name) in metadata:
                metadata["properties", name].inclusion = Metadata.InclusionType.AUTOMATIC
        # Meltano selects whatever is available; what settings leave out has to be no choice.
        for column in definition.unselected & definition.names.keys():
            name = definition.names[column]
            if ("properties", name) in metadata:
                metadata["properties", name].inclusion = Metadata.InclusionType.UNSUPPORTED
        return metadata


class AuditStream(_Mapped):
    """`epicor_sync_runs`: what a run did, sent last."""

    name = AUDIT_STREAM
    primary_keys = AUDIT_KEY

    def __init__(self, tap: Tap) -> None:
        super().__init__(tap, schema=AUDIT_SCHEMA)


def _restore_facets(mapped: dict[str, Any], own: dict[str, Any]) -> None:
    """Precision and scale get lost in the SDK's catalog; put them back where the type is ours."""
    for name, schema in mapped.get("properties", {}).items():
        source = own["properties"].get(name, {})
        if schema.get("format") == source.get("format"):
            schema.update({k: v for k, v in source.items() if k in {"precision", "scale"}})
