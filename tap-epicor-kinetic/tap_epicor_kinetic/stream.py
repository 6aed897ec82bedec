"""The Singer side of a stream: catalog selection in, SCHEMA, RECORD and STATE out."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec
from singer_sdk import Stream
from singer_sdk.singerlib import Metadata
from singer_sdk.singerlib.messages import RecordMessage, SchemaMessage
from typing_extensions import override

from .audit import AUDIT_KEY, AUDIT_SCHEMA, AUDIT_STREAM
from .discovery import ADDED_COLUMNS
from .errors import DiscoveryError, TapError
from .extract.bookmark import Bookmark
from .extract.reader import Reader
from .extract.rows import Lineage, RowWriter
from .run import Ticker, now

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from singer_sdk import Tap
    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.singerlib import Catalog, MetadataMapping

    from .audit import Outcome
    from .discovery import StreamDefinition
    from .extract.reader import ReadPage, Source
    from .output import Output
    from .run import Run

_FULL_TABLE = "FULL_TABLE"
_exact = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode


class KineticStream(Stream):
    """One business object of all companies.

    Rows do not take the SDK's way record by record: a page is converted at once, and STATE is
    ours. Where stream maps or flattening are set, each record goes through the SDK's mapper.
    """

    def __init__(self, tap: Tap, definition: StreamDefinition, run: Run, output: Output) -> None:
        self._definition = definition
        super().__init__(tap, schema=definition.schema, name=definition.name)
        self.primary_keys = definition.primary_keys
        self.replication_key = definition.cursor.column.name if definition.cursor else None
        self._run = run
        self._output = output
        self._has_maps = bool(tap.config.get("stream_maps") or tap.config.get("flattening_enabled"))

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        """Take selection and FULL_TABLE from a catalog; keys and columns are the tenant's."""
        self._tap_input_catalog = catalog
        self._metadata = None
        self._mask = None
        entry = catalog.get_stream(self.name)
        if entry is None:
            return
        root = entry.metadata.root
        if _FULL_TABLE in {entry.replication_method, root.forced_replication_method}:
            self.forced_replication_method = _FULL_TABLE
            self.replication_key = None
            self._definition = replace(self._definition, cursor=None)
        properties = (entry.schema.to_dict() or {}).get("properties", {})
        gone = [
            name
            for name in properties
            if name not in self.schema["properties"] and self.mask.get(("properties", name))
        ]
        if gone:
            raise DiscoveryError(
                f"Stream {self.name}: the catalog selects {', '.join(sorted(gone))}, which the "
                "tenant no longer has. Run --discover again, or deselect these columns."
            )
        new = self._definition.entity.columns.keys() - properties.keys()
        if new:
            self.logger.warning(
                "the tenant has columns that the catalog does not know: %s; run --discover again "
                "to load them",
                ", ".join(sorted(new)),
            )

    @property
    @override
    def metadata(self) -> MetadataMapping:
        """Key, flags and our own columns are not for choosing."""
        metadata = super().metadata
        for name in (*ADDED_COLUMNS, *self._definition.entity.key):
            if ("properties", name) in metadata:
                metadata["properties", name].inclusion = Metadata.InclusionType.AUTOMATIC
        return metadata

    def emitted(self) -> tuple[str, ...]:
        """The tenant's columns that are sent."""
        columns = self._definition.entity.columns
        key = self._definition.entity.key
        chosen = tuple(n for n in columns if n in key or self.mask.get(("properties", n)))
        unknown = [self._definition.unknown[n] for n in chosen if n in self._definition.unknown]
        if unknown:
            raise DiscoveryError(
                f"Stream {self.name}: {'; '.join(unknown)}, which has no exact form. Deselect it "
                "in the catalog (select rules in Meltano)."
            )
        return chosen

    def _schema_message(self) -> SchemaMessage:
        names = (*self.emitted(), *ADDED_COLUMNS)
        properties = {name: self.schema["properties"][name] for name in names}
        bookmark = [self.replication_key] if self.replication_key else None
        schema = {"type": "object", "properties": properties}
        return SchemaMessage(self.name, schema, list(self.primary_keys), bookmark)

    @override
    def _generate_schema_messages(self) -> Generator[SchemaMessage, None, None]:
        if not self._has_maps:
            yield self._schema_message()
            return
        for message in super()._generate_schema_messages():
            _restore_facets(message.schema, self.schema)
            yield message

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        """Not used: `send` writes whole pages."""
        raise NotImplementedError

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], None, None]:
        """The SDK's way in: connection tests with a limit of records, and plain `sync`."""
        self._send_companies()
        yield from ()

    def send(self) -> None:
        """Write SCHEMA, and all companies' records and STATE."""
        self._write_schema_message()
        self._send_companies()

    def _send_companies(self) -> None:
        run = self._run
        for company in run.config.companies:
            if self.ABORT_AT_RECORD_COUNT is None:
                self._send_company(run, company)
            else:
                self._send_sample(run, company, self.ABORT_AT_RECORD_COUNT)

    def _send_company(self, run: Run, company: str) -> None:
        outcome = run.outcome(self.name, company)
        reader = self._reader(run, company, run.bookmark(self.name, company))
        outcome.replication_key = self.replication_key
        outcome.bookmark_before = _text(reader.bookmark.value)
        with _Account(run, outcome, reader):
            writer = self._writer(run, company)
            for page in reader.read():
                self._write_page(run, writer, page)
                reader.sent(page)
                outcome.rows_sent += len(page.rows)
                outcome.rows_retracted += sum(page.closed)
                run.keep(self.name, company, reader.bookmark)
            reader.finish()
        run.keep(self.name, company, reader.bookmark, at_once=True)
        if writer.unknown_columns:
            self.logger.warning(
                "rows hold columns that $metadata does not declare; they are left out: %s",
                ", ".join(sorted(writer.unknown_columns)),
            )

    def _send_sample(self, run: Run, company: str, limit: int) -> None:
        """The first rows of a first sync, without touching STATE."""
        reader = self._reader(run, company, Bookmark(), page_size=limit)
        for page in reader.read():
            sample = replace(page, rows=page.rows[:limit], closed=page.closed[:limit])
            self._write_page(run, self._writer(run, company), sample)
            return

    def source(self, company: str) -> Source:
        """The stream's entity set of one company."""
        return self._run.source(company, self._definition)

    def _reader(
        self, run: Run, company: str, bookmark: Bookmark, *, page_size: int | None = None
    ) -> Reader:
        definition = self._definition
        columns = dict.fromkeys((*self.emitted(), *definition.steering_columns()))
        is_whole_row = len(columns) == len(definition.entity.columns)
        return Reader(
            self.source(company),
            definition.wanted(company, run.config, () if is_whole_row else tuple(columns)),
            bookmark,
            page_size or definition.page_size,
            run.stop,
        )

    def _writer(self, run: Run, company: str) -> RowWriter:
        facts, root = self._definition.facts, run.config.api_url
        return RowWriter(
            self._definition.entity,
            self.emitted(),
            Lineage(
                instance=root,
                company=company,
                set_url=f"{root}/api/v2/odata/{quote(company, safe='')}/{facts.service}/"
                f"{facts.entity_set}",
                run_id=run.run_id,
            ),
            decimals_as_text=run.config.decimal_format == "singer_decimal",
        )

    def _write_page(self, run: Run, writer: RowWriter, page: ReadPage) -> None:
        synced_at = now()
        deleted_at = [run.started_at if is_closed else None for is_closed in page.closed]
        bodies = writer.write(page.rows, deleted_at, synced_at)
        if self._has_maps:
            self._write_mapped(bodies)
        else:
            self._output.write_records(self.name, bodies, synced_at)

    def _write_mapped(self, bodies: list[bytes]) -> None:
        """The slow path: the same records, one by one through the SDK's mapper."""
        for body in bodies:
            record = _exact(body)
            for stream_map in self.stream_maps:
                mapped = stream_map.transform(record)
                if mapped is not None:
                    self._tap.write_message(RecordMessage(stream_map.stream_alias, mapped))


class AuditStream(Stream):
    """`epicor_sync_runs`: what this run did, sent last."""

    name = AUDIT_STREAM
    primary_keys = AUDIT_KEY

    def __init__(self, tap: Tap, run: Run) -> None:
        super().__init__(tap, schema=AUDIT_SCHEMA)
        self._run = run

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        """The outcomes so far."""
        return (outcome.row() for outcome in self._run.outcomes)

    def send(self) -> None:
        """Write SCHEMA and one record per company and stream."""
        self._write_schema_message()
        for record in self.get_records(None):
            for message in self._generate_record_messages(record):
                self._tap.write_message(message)


class _Account:
    """Fills an outcome in while its stream is read, however that ends."""

    def __init__(self, run: Run, outcome: Outcome, reader: Reader) -> None:
        self._run, self._outcome, self._reader = run, outcome, reader
        what = f"{outcome.stream} {outcome.company}"
        self._ticker = Ticker(what, lambda: outcome.rows_sent, lambda: reader.progress.expected)

    def __enter__(self) -> None:
        self._outcome.started_at, self._outcome.status = now(), "failed"
        self._before = self._run.traffic()
        self._ticker.__enter__()

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: object
    ) -> None:
        self._ticker.__exit__()
        outcome, progress = self._outcome, self._reader.progress
        outcome.status = "complete" if error is None else "failed"
        if error is not None:
            outcome.error = str(error) if isinstance(error, TapError) else type(error).__name__
        outcome.finished_at = now()
        outcome.bookmark_after = _text(self._reader.bookmark.value)
        outcome.filter, outcome.pages = progress.filter, progress.pages
        spent = [now - then for now, then in zip(self._run.traffic(), self._before, strict=True)]
        outcome.requests, outcome.retries, outcome.bytes = spent


def _text(value: int | str | None) -> str | None:
    return None if value is None else str(value)


def _restore_facets(mapped: dict[str, Any], own: dict[str, Any]) -> None:
    """Precision and scale get lost in the SDK's catalog; put them back where the type is ours."""
    for name, schema in mapped.get("properties", {}).items():
        source = own["properties"].get(name, {})
        if schema.get("format") == source.get("format"):
            schema.update({k: v for k, v in source.items() if k in {"precision", "scale"}})
