"""One run from company check to final marker: every selected stream, in order, and the audit."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from .audit import AUDIT_KEY, AUDIT_SCHEMA, AUDIT_STREAM, log_summary
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
from .extract.bookmark import Bookmark
from .kinetic.get_rows import Siblings
from .odata.query import Query
from .output import message_line
from .run import now
from .selection import warn_of_new_columns
from .unit import Unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from .kinetic.client import KineticClient
    from .odata.metadata import EntityType
    from .output import Output
    from .run import Run
    from .selection import SelectedStream
    from .unit import Mapper

logger = logging.getLogger("tap-epicor-kinetic")


class Sync:
    """Sends streams; knows nothing of how they were chosen.

    Args:
        run: what its parts share.
        client: the tenant.
        output: where messages go.
        mappers: by stream, what changes its lines.
    """

    def __init__(
        self,
        run: Run,
        client: KineticClient,
        output: Output,
        mappers: Mapping[str, Mapper] | None = None,
    ) -> None:
        self._run = run
        self._client = client
        self._output = output
        self._mappers = mappers or {}
        self._siblings = Siblings()
        self._metadata: dict[str, Future[dict[str, EntityType]]] = {}

    def send(self, streams: Sequence[SelectedStream], *, with_audit: bool) -> None:
        """Read every stream, then write the audit and the marker of a complete run.

        Raises:
            TapError: when the run is not complete; the audit was written all the same.
        """
        run = self._run
        run.log.prove_writable()
        if not streams:
            raise DiscoveryError(
                "No stream is selected, so there is nothing to read; look at the catalog's "
                "selection, or at the select rules in meltano.yml."
            )
        run.sent_keys.begin()
        units = self._units(streams)
        run.write_state()
        try:
            self._send(units, with_audit=with_audit)
            run.sent_keys.finish()
        except Exception:
            log_summary(logger, run.outcomes)
            try:
                run.log_end("failed")
            except TapError as error:  # must not hide why the run failed
                logger.warning("%s", error)
            raise
        log_summary(logger, run.outcomes)
        run.log_end("complete")
        run.mark_complete()

    def send_sample(self, stream: SelectedStream, rows: int) -> None:
        """The first rows of a stream of each company, without touching STATE."""
        for unit in self._units([stream]):
            unit.send_sample(self._output, rows, Bookmark())

    def _units(self, streams: Sequence[SelectedStream]) -> list[Unit]:
        companies = self._run.config.companies
        return [
            Unit(self._run, self._client, self._siblings, stream, company,
                 self._mappers.get(stream.name))
            for stream in streams
            for company in companies
        ]  # fmt: skip

    def _send(self, units: Sequence[Unit], *, with_audit: bool) -> None:
        try:
            self._prove_companies(units)
            for unit in self._opened(units):
                if unit.company == self._run.config.companies[0]:
                    self._write_schema(unit.stream)
                unit.send(self._output)
                self._look_for_new_columns(unit)
            self._tell_new_columns(units)
        except Exception:
            if with_audit:
                self._write_audit()
            self._run.write_state()
            raise
        if with_audit:
            self._write_audit()

    def _opened(self, units: Sequence[Unit]) -> Iterator[Unit]:
        """Each unit in turn; the next ones are begun while it is read."""
        ahead = self._run.config.max_concurrency
        for index, unit in enumerate(units):
            for following in units[index : index + ahead]:
                following.open_ahead()
            yield unit

    def _write_schema(self, stream: SelectedStream) -> None:
        mapper = self._mappers.get(stream.name)
        if mapper is not None:
            self._output.lines([mapper.schemas()])
            return
        definition = stream.definition
        self._output.schema(
            stream.name, stream.schema(), definition.primary_keys, definition.replication_key_name
        )

    def _write_audit(self) -> None:
        """`epicor_sync_runs`: what this run did, sent last."""
        mapper = self._mappers.get(AUDIT_STREAM)
        at = now()
        lines = b"".join(
            message_line({"type": "RECORD", "stream": AUDIT_STREAM, "record": outcome.row(),
                          "time_extracted": at})
            for outcome in self._run.outcomes
        )  # fmt: skip
        if mapper is not None:
            self._output.lines([mapper.schemas(), mapper.lines(lines)])
            return
        self._output.schema(AUDIT_STREAM, AUDIT_SCHEMA, AUDIT_KEY, None)
        self._output.lines([lines])

    def _prove_companies(self, units: Sequence[Unit]) -> None:
        """One small request each, so that a wrong code is told before hours of reading."""
        ahead = self._run.ahead
        checks = [
            ahead.start(lambda company=company: self._prove_company(company, units))  # type: ignore[misc]
            for company in self._run.config.companies
        ]
        for check in checks:
            ahead.result(check)

    def _prove_company(self, company: str, units: Sequence[Unit]) -> None:
        refusal: TapError | None = None
        for unit in units:
            if unit.company != company:
                continue
            try:
                definition = unit.stream.definition
                # By name: a whole row would bring columns that nobody chose.
                query = Query(select=definition.sent_key, top=1, parameters=definition.parameters)
                unit.source.page(query)
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

    def _look_for_new_columns(self, unit: Unit) -> None:
        """Where rows changed and the row type came out of the catalog, ask `$metadata` as well."""
        service = unit.stream.definition.facts.service
        outcome = unit.outcome
        is_moved = outcome.bookmark_before != outcome.bookmark_after or not outcome.filter
        has_changes = outcome.rows_sent > 0 and is_moved
        if unit.stream.is_cached and has_changes and service not in self._metadata:
            self._metadata[service] = self._run.ahead.start(
                lambda: self._client.metadata(unit.company, service, deadline_seconds=0)
            )

    def _tell_new_columns(self, units: Sequence[Unit]) -> None:
        streams = {unit.stream.name: unit.stream for unit in units}
        for stream in streams.values():
            facts = stream.definition.facts
            if facts.service not in self._metadata or not stream.is_cached:
                continue
            try:
                sets = self._run.ahead.result(self._metadata[facts.service])
            except Interrupted:
                raise
            except TapError as error:  # a courtesy: all rows were sent
                logger.warning("%s: no look at new columns: %s", stream.name, error)
                continue
            entity = sets.get(facts.entity_set)
            if entity is not None:
                known = stream.definition.entity.columns.keys() | stream.definition.left_out
                warn_of_new_columns(stream.name, set(entity.columns) - known)
