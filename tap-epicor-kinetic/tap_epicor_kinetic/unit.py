"""One stream of one company in one run: read, converted, written, and accounted for."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from .errors import ServerFault, TapError
from .extract.plan import Window
from .extract.reader import Reader, steering_columns
from .extract.rows import Lineage, RowWriter
from .kinetic.client import Address
from .kinetic.entity_set import EntitySet
from .kinetic.get_rows import GetRowsSet
from .run import Ticker, now

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future

    from .audit import Outcome
    from .config import TapConfig
    from .discovery import StreamDefinition
    from .extract.bookmark import Bookmark
    from .extract.reader import ReadPage
    from .kinetic.client import KineticClient
    from .kinetic.get_rows import Siblings
    from .output import Output
    from .run import Run
    from .selection import SelectedStream
    from .sweep import KeySweep, Retractions

logger = logging.getLogger("tap-epicor-kinetic")


class Mapper(Protocol):
    """Changes RECORD lines on their way out, as stream maps do."""

    def schemas(self) -> bytes:
        """The SCHEMA lines."""

    def lines(self, lines: bytes) -> bytes:
        """The lines in place of these."""


class Unit:
    """One stream of one company.

    Args:
        run: what the units share.
        client: the tenant.
        siblings: what `GetRows` has learned of each service.
        stream: what to read.
        company: of which company.
        mapper: changes lines, None for none.
    """

    def __init__(
        self,
        run: Run,
        client: KineticClient,
        siblings: Siblings,
        stream: SelectedStream,
        company: str,
        mapper: Mapper | None = None,
    ) -> None:
        self.stream = stream
        self.company = company
        self._run = run
        self._client = client
        self._mapper = mapper
        self.outcome: Outcome = run.outcome(stream.name, company)
        self.source = source_of(client, siblings, stream.definition, company)
        self._opening: Future[None] | None = None
        self._reader: Reader | None = None
        self._writer: RowWriter | None = None

    def open_ahead(self) -> None:
        """Begin in the background: the first page waits until `send` takes it."""
        if self._opening is None:
            self._opening = self._run.ahead.start(self._prepare().open)

    def send(self, output: Output) -> None:
        """Read everything that this run has to send, write it, and move the bookmark."""
        run, name = self._run, self.stream.name
        reader = self._prepare()
        assert self._writer is not None  # noqa: S101 - _prepare() has set it
        writer, outcome = self._writer, self.outcome
        outcome.replication_key = self.stream.definition.replication_key_name
        outcome.bookmark_before = _text(reader.bookmark.value)
        run.sent_keys.begin_section(self.stream.definition, self.company)
        with ExitStack() as stack:
            stack.enter_context(_Account(outcome, reader, self.source))
            if self._opening is not None:
                run.ahead.result(self._opening)
            sweep = stack.enter_context(self._sweep(reader)) if self._is_swept else None
            for page in reader.read():
                if sweep:
                    sweep.remember(page.page, page.rows)
                self._check_key(page)
                synced_at = now()
                lines = writer.lines(page.page, page.rows, page.closed, run.started_at, synced_at)
                self._write(output, lines, len(page.rows), page.retracted)
                self._note_keys(reader, page)
                reader.sent(page)
                run.keep(name, self.company, reader.bookmark)
            reader.finish()
            run.keep(name, self.company, reader.bookmark, at_once=True)
            if sweep:
                self._send_deletions(output, reader, sweep)
                run.keep(name, self.company, reader.bookmark, at_once=True)
        if writer.unknown_columns:
            logger.warning(
                "%s: rows hold columns that $metadata does not declare; they are left out: %s",
                name,
                ", ".join(sorted(writer.unknown_columns)),
            )

    def _write(self, output: Output, lines: Iterable[bytes], rows: int, retracted: int) -> None:
        output.lines(map(self._mapper.lines, lines) if self._mapper else lines)
        self.outcome.rows_sent += rows
        self.outcome.rows_retracted += retracted

    def _check_key(self, page: ReadPage) -> None:
        """Keys that a setting names may be columns that the tenant leaves empty."""
        for name in self.stream.definition.sent_key:
            if None in page.page.column(name):
                raise ServerFault(
                    f"{self.source.name}: a row has no {name}, which `primary_keys` names, so it "
                    "could not be told from others; name other columns."
                )

    def _note_keys(self, reader: Reader, page: ReadPage) -> None:
        """For `verify`: which rows this run sent, and which open ones a read of everything did."""
        config = self._run.config
        is_logged = config.run_log_path and reader.reads_everything
        if not (is_logged or config.sent_keys_path):
            return
        names = self.stream.definition.sent_key
        keys = list(zip(*(page.page.column(name) for name in names), strict=True))
        sent = [keys[n] for n in page.rows]
        retracted = {n for n, row in enumerate(page.rows) if row in page.closed}
        self._run.sent_keys.add(sent, retracted)
        if is_logged:
            from .key_checksum import KeyChecksum  # noqa: PLC0415 - only with a run log

            self.outcome.keys = self.outcome.keys or KeyChecksum()
            self.outcome.keys.add([key for n, key in enumerate(sent) if n not in retracted])

    @property
    def _is_swept(self) -> bool:
        config = self._run.config
        return config.replay_since is None and any(
            fnmatchcase(self.stream.name, glob) for glob in config.sweep_streams
        )

    def _sweep(self, reader: Reader) -> KeySweep:
        from .sweep import KeySweep  # noqa: PLC0415 - only where deletions are looked for

        definition = self.stream.definition
        return KeySweep(
            self._run.config, definition, self.company, self._lineage(), reader.bookmark.swept
        )

    def _send_deletions(self, output: Output, reader: Reader, sweep: KeySweep) -> None:
        """What earlier sweeps found and the target may not have, and what is gone since."""
        gone, at = self._run.started_at, now()
        for retractions in sweep.unconfirmed(gone, at):
            self._retract(output, retractions)
        if sweep.is_due:
            found = sweep.sweep(reader.source, reader.bookmark, self._run.ahead, gone, at)
            for retractions in found:
                self._retract(output, retractions)
        reader.bookmark.swept = sweep.generation

    def _retract(self, output: Output, retractions: Retractions) -> None:
        keys = retractions.keys
        self._write(output, retractions.lines, len(keys), len(keys))
        self._run.sent_keys.add(keys, range(len(keys)))

    def send_sample(self, output: Output, rows: int, bookmark: Bookmark) -> None:
        """Write the first rows of a first sync, without touching STATE."""
        reader = self._prepare(bookmark, page_size=rows)
        assert self._writer is not None  # noqa: S101 - _prepare() has set it
        for page in reader.read():
            sample = page.rows[:rows]
            gone = self._run.started_at
            output.lines(self._writer.lines(page.page, sample, page.closed, gone, now()))
            return

    def _prepare(self, bookmark: Bookmark | None = None, page_size: int | None = None) -> Reader:
        if self._reader is None:
            run, definition = self._run, self.stream.definition
            config = run.config
            columns = dict.fromkeys((*self.stream.columns, *definition.steering_columns()))
            every = {*definition.entity.columns, *definition.left_out}
            is_whole_row = every == columns.keys()
            wanted = definition.wanted(self.company, config, () if is_whole_row else tuple(columns))
            self._writer = RowWriter(
                definition.name,
                definition.entity,
                self.stream.columns,
                self._lineage(),
                steering=(*steering_columns(wanted), *definition.sent_key),
                names=definition.names,
                decimals_as_text=config.decimal_format == "singer_decimal",
            )
            self._reader = Reader(
                self.source,
                wanted,
                bookmark or run.bookmark(definition.name, self.company),
                page_size or definition.page_size,
                run.ahead,
                decoder=self._writer.decoder,
                window=_window(config),
                twin=self._twin,
            )
        return self._reader

    def _lineage(self) -> Lineage:
        facts, root = self.stream.definition.facts, self._run.config.api_url
        company = quote(self.company, safe="")
        url = f"{root}/api/v2/odata/{company}/{facts.service}/{facts.entity_set}"
        return Lineage(
            instance=root,
            company=self.company,
            set_url=None if self.stream.definition.is_baq else url,
            run_id=self._run.run_id,
        )

    def _twin(self) -> EntitySet | None:
        """The flat set with the same rows, where it has every column that is needed."""
        definition = self.stream.definition
        twin = definition.facts.twin
        if twin is None:
            return None
        service, entity_set = twin
        try:
            entity = self._client.metadata(self.company, service).get(entity_set)
        except TapError as error:
            logger.warning("%s: %s cannot stand in: %s", self.stream.name, service, error)
            return None
        needed = {*self.stream.columns, *definition.steering_columns()}
        missing = sorted(needed - (entity.columns.keys() if entity else set()))
        if missing:
            logger.warning(
                "%s: %s/%s lacks %s, so it cannot stand in; `stream_options.%s.select` without "
                "them makes it possible",
                self.stream.name, service, entity_set, ", ".join(missing[:10]), self.stream.name,
            )  # fmt: skip
            return None
        found = EntitySet(self._client, Address(self.company, service, entity_set))
        found.traffic = self.source.traffic
        return found


def source_of(
    client: KineticClient, siblings: Siblings, definition: StreamDefinition, company: str
) -> EntitySet | GetRowsSet:
    """Where the rows of a stream of one company come from."""
    facts = definition.facts
    if facts.read_method == "GetRows":
        return GetRowsSet(client, company, facts.service, facts.table, siblings)
    return EntitySet(client, Address(company, facts.service, facts.entity_set))


def _window(config: TapConfig) -> Window | None:
    if config.replay_since is None:
        return None
    until = config.replay_until
    return Window(config.replay_since.second, until.second if until else None)


class _Account:
    """Fills an outcome in while its stream is read, however that ends."""

    def __init__(self, outcome: Outcome, reader: Reader, source: EntitySet | GetRowsSet) -> None:
        self._outcome, self._reader, self._source = outcome, reader, source
        what = f"{outcome.stream} {outcome.company}"
        self._ticker = Ticker(what, lambda: outcome.rows_sent, lambda: reader.progress.expected)

    def __enter__(self) -> None:
        self._outcome.started_at, self._outcome.status = now(), "failed"
        self._ticker.__enter__()

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: object
    ) -> None:
        self._ticker.__exit__()
        outcome, progress, spent = self._outcome, self._reader.progress, self._source.traffic
        outcome.status = "complete" if error is None else "failed"
        if error is not None:
            outcome.error = str(error) if isinstance(error, TapError) else type(error).__name__
        outcome.finished_at = now()
        outcome.bookmark_after = _text(self._reader.bookmark.value)
        outcome.filter, outcome.pages = progress.filter, progress.pages
        outcome.requests, outcome.retries = spent.requests, spent.retries
        outcome.bytes = spent.bytes


def _text(value: int | str | None) -> str | None:
    return None if value is None else str(value)
