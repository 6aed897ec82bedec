"""`--test`: does everything work that a run needs? One line per check, with what to do.

On stderr, for stdout belongs to messages. At most four requests are under way at a time, and each
has `PATIENCE_SECONDS`, so that a dead host is told within a quarter of a minute.
"""

from __future__ import annotations

import ipaddress
import logging
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import partial
from textwrap import wrap
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from .business_objects import BUSINESS_OBJECTS
from .discovery import REPLICATION_KEYS, discover, services_to_read
from .errors import (
    AccessDenied,
    DiscoveryError,
    HostUnreachable,
    LoginLost,
    LoginRefused,
    NotFound,
    ServerFault,
    SettingsError,
    TapError,
)
from .kinetic.get_rows import Siblings
from .kinetic.handshake import CertificateRefused, shake_hands
from .odata.query import Query
from .tenant import connect
from .unit import source_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from .config import TapConfig
    from .discovery import StreamDefinition
    from .kinetic.entity_set import EntitySet
    from .kinetic.get_rows import GetRowsSet
    from .odata.metadata import EntityType

    Sets = dict[str, EntityType]

T = TypeVar("T")
R = TypeVar("R")

PATIENCE_SECONDS = 10
"""For one request of a check-up, retries included."""
_IN_FLIGHT = 4
_WIDTH = 100
_NAMES = 25
_TOLD_IN_FULL = 3
"""Failures with all their words; the rest gets a line each, or it would not be one screen."""
_FAULTS = 3
"""Streams that may fail, rights apart, before their company counts as unreadable."""
_CLOCK_SECONDS = 60
_CERTIFICATE_DAYS = 14
_CHEAP_SECONDS = 1.0
"""A set whose first row takes longer is not counted."""


class _Subject:
    """What is checked: a tenant, with little patience.

    Args:
        settings: who and where.
        selected: the streams that a catalog selects, None without a catalog.
    """

    def __init__(self, settings: TapConfig, selected: Collection[str] | None) -> None:
        self.settings = replace(
            settings,
            request_timeout_seconds=min(PATIENCE_SECONDS, settings.request_timeout_seconds),
            retry_deadline_seconds=min(PATIENCE_SECONDS, settings.retry_deadline_seconds),
            max_concurrency=min(_IN_FLIGHT, settings.max_concurrency),
        )
        self.selected = selected
        self.client = connect(self.settings)
        # So short a visit has no time to feel its way from one request to a few.
        self.client.budget.limit = self.settings.max_concurrency
        self._siblings = Siblings()

    def source(self, company: str, definition: StreamDefinition) -> EntitySet | GetRowsSet:
        """The entity set of a stream in a company."""
        return source_of(self.client, self._siblings, definition, company)


@dataclass(frozen=True)
class _Line:
    """One check: `ok`, `warning`, `left out`, `skipped` or `FAILED`, and why."""

    name: str
    status: str
    text: str = ""
    error: TapError | None = None


def check_up(settings: TapConfig, selected: Collection[str] | None) -> bool:
    """Tell on stderr what works; True where all of it does.

    Args:
        settings: who and where.
        selected: the streams that a catalog selects, None without a catalog.

    Raises:
        SettingsError: the first thing that does not work is mended by a setting.
        TapError: it is not.
    """
    subject = _Subject(settings, selected)
    services = _Services(subject)
    show = _Screen(subject.client.redact)
    show.title(f"tap-epicor-kinetic --test at {subject.settings.api_url}")
    lines = []
    with _silence():
        for line in _checks(subject, services):
            lines.append(line)
            show.line(line)
    failed = [line for line in lines if line.error]
    if not failed:
        show.title(f"All {len(lines)} checks are done, nothing stands in the way of a run.")
        return True
    first = failed[0]
    kind = SettingsError if isinstance(first.error, SettingsError) else TapError
    raise kind(
        f"{len(failed)} of {len(lines)} checks failed, {first.name} first. What to do stands above."
    )


def _checks(subject: _Subject, services: _Services) -> Iterator[_Line]:
    """All checks in order; those behind one that failed are skipped where they need it."""
    config = subject.settings
    companies = [f"company {company}" for company in config.companies]
    yield from (lines := _connection(config))
    if _has_failed(lines):
        yield from _skipped("login", "API key", *companies, "clock", "streams")
        return
    yield from (lines := _let_in(config, services))
    if _has_failed(lines):
        yield from _skipped(*companies, "clock", "streams")
        return
    try:
        definitions, lost = _definitions(subject, services)
    except TapError as error:
        yield from _skipped(*companies, "clock")
        yield _failed("streams", error)
        return
    proven = _proven(subject, services, definitions)
    yield from proven.values()
    readable = [company for company, line in proven.items() if not line.error]
    if not readable or not definitions:
        yield from _skipped("clock", *(definition.name for definition in definitions))
        yield from lost
        return
    yield _clock(subject.source(readable[0], definitions[0]).server_time)
    yield from _streams(subject, readable, definitions)
    yield from lost


def _connection(config: TapConfig) -> list[_Line]:
    try:
        hands = shake_hands(
            config.api_url,
            timeout_seconds=config.request_timeout_seconds,
            ca_bundle=config.ca_bundle,
            tls_verify=config.tls_verify,
        )
    except CertificateRefused as error:
        return [_Line("reachable", "ok"), _failed("TLS", error)]
    except HostUnreachable as error:
        return [_failed("reachable", error), *_skipped("TLS")]
    way = f"through the proxy {hands.proxy}" if hands.proxy else "directly"
    reachable = _Line("reachable", "ok", f"in {hands.seconds * 1000:.0f} ms, {way}")
    if hands.tls_version is None:
        return [reachable, _plain_http(config.api_url)]
    if hands.valid_until is None:
        unverified = f"{hands.tls_version}, any certificate would do: `tls_verify: false`"
        return [reachable, _Line("TLS", "warning", unverified)]
    ends_soon = hands.valid_until - datetime.now(timezone.utc) < timedelta(days=_CERTIFICATE_DAYS)
    text = f"{hands.tls_version}, certificate valid until {hands.valid_until:%Y-%m-%d}"
    return [reachable, _Line("TLS", "warning" if ends_soon else "ok", text)]


def _plain_http(url: str) -> _Line:
    host = urlsplit(url).hostname or ""
    try:
        is_here = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_here = host == "localhost"
    if is_here:
        return _Line("TLS", "ok", "plain http, which stays on this machine")
    return _Line("TLS", "warning", "plain http: login and data travel unencrypted; use https")


class _Services:
    """Each service's `$metadata`, or why it cannot be read; asked once per company."""

    def __init__(self, subject: _Subject) -> None:
        self._subject = subject
        self._known: dict[tuple[str, str], Sets | TapError] = {}
        self.names = services_to_read(subject.settings, subject.selected)
        self.company = subject.settings.companies[0]
        """Whose metadata stands for all: the first company that is let in."""
        if not self.names:
            raise DiscoveryError("No stream is selected; look at the catalog's selection.")

    def look(self, company: str, service: str) -> TapError | None:
        """Read it now; the trouble, if any."""
        key = (company, service)
        if key not in self._known:
            try:
                self._known[key] = self._subject.client.metadata(company, service)
            except TapError as error:
                self._known[key] = error
        known = self._known[key]
        return known if isinstance(known, TapError) else None

    def read_all(self) -> list[TapError | None]:
        """Read what is not known yet; the troubles by service."""
        look = partial(self.look, self.company)
        return list(_at_once(self._subject, look, self.names))

    def trouble(self, service: str) -> TapError | None:
        """Why a service cannot be read, None where it can or is not needed."""
        known = self._known.get((self.company, service))
        return known if isinstance(known, TapError) else None

    def sets(self, service: str) -> Sets:
        """For discovery, which leaves out what is not there: so it may go on to the rest."""
        if trouble := self.look(self.company, service):
            missing = isinstance(trouble, (NotFound, AccessDenied))
            raise trouble if missing else NotFound(str(trouble)) from trouble
        known = self._known[self.company, service]
        assert isinstance(known, dict)  # noqa: S101 - the trouble was looked at
        return known


def _let_in(config: TapConfig, services: _Services) -> list[_Line]:
    """Login and API key: one request first, since refused ones bring an account to its lock."""
    login = f"{config.auth_method}, {config.username or config.oauth_client_id}"
    refusals: dict[str, TapError] = {}
    for company in config.companies:
        trouble = services.look(company, services.names[0])
        if trouble is None or isinstance(trouble, (AccessDenied, NotFound)):
            services.company = company
            break
        if not _is_of_company(trouble):
            return [_failed("login", trouble), *_skipped("API key")]
        refusals[company] = trouble
    if len(refusals) == len(config.companies):
        return [_Line("login", "ok", login), _failed("API key", next(iter(refusals.values())))]
    troubles = services.read_all()
    if all(isinstance(trouble, NotFound) for trouble in troubles):
        missing = SettingsError(f"there is no Kinetic: {troubles[0]}")
        return [_failed("login", missing), *_skipped("API key")]
    key = "x-api-key" if config.api_key else "none is set, and none is asked for"
    return [_Line("login", "ok", login), _Line("API key", "ok", key)]


def _is_of_company(error: TapError) -> bool:
    """A key is looked up per company: one refusal may be of the company's code alone."""
    told = str(error)
    return isinstance(error, LoginRefused) and (
        "API key refused" in told or "company refused" in told
    )


def _definitions(
    subject: _Subject, services: _Services
) -> tuple[list[StreamDefinition], list[_Line]]:
    """What can be checked row by row, and lines for what cannot."""
    config, selected = subject.settings, subject.selected
    if selected is None:
        definitions = discover(config, services.sets, None)
        defined = {definition.name for definition in definitions}
        missing = [facts for facts in BUSINESS_OBJECTS if facts.name not in defined]
        return definitions, [
            _left_out(facts.name, services.trouble(facts.service)) for facts in missing
        ]
    definitions, lost = [], []
    for name in _in_order(selected, config):
        try:
            definitions += discover(config, services.sets, {name})
        except TapError as error:
            lost.append(_failed(name, error))
    return definitions, lost


def _in_order(selected: Collection[str], config: TapConfig) -> list[str]:
    known = [each.name for each in (*BUSINESS_OBJECTS, *config.own_streams)]
    return sorted(selected, key=known.index)


def _left_out(stream: str, trouble: TapError | None) -> _Line:
    """As discovery does it: without a catalog, what a tenant lacks is no failure."""
    if trouble is None or isinstance(trouble, (NotFound, AccessDenied)):
        return _Line(stream, "left out", str(trouble or "the service has no such entity set"))
    return _failed(stream, trouble)


def _proven(
    subject: _Subject, services: _Services, definitions: list[StreamDefinition]
) -> dict[str, _Line]:
    """A row of each company, of the first stream that can be read there."""

    def prove(company: str) -> _Line:
        name = f"company {company}"
        refusal: TapError = DiscoveryError("no stream is left to read")
        trouble = services.look(company, services.names[0])
        if trouble and not isinstance(trouble, (AccessDenied, NotFound)):
            return _failed(name, trouble)
        faults = 0
        for definition in definitions:
            try:
                _read(subject, company, definition)
            except (LoginRefused, LoginLost) as error:
                return _failed(name, error)
            except (AccessDenied, NotFound) as error:  # of this stream, perhaps: the next one tells
                refusal = SettingsError(f"nothing of it may be read. {error}")
            except (ServerFault, HostUnreachable) as error:
                refusal, faults = error, faults + 1
            else:
                return _Line(name, "ok", f"{definition.name} can be read")
            if faults == _FAULTS:
                break
        return _failed(name, refusal)

    companies = subject.settings.companies
    return dict(zip(companies, _at_once(subject, prove, companies), strict=True))


def _clock(server_time: datetime) -> _Line:
    ahead = (server_time - datetime.now(timezone.utc)).total_seconds()
    if abs(ahead) <= _CLOCK_SECONDS:
        return _Line("clock", "ok", f"the server's and this machine's differ by {abs(ahead):.0f} s")
    way = "ahead of" if ahead > 0 else "behind"
    return _Line(
        "clock",
        "warning",
        f"the server's is {abs(ahead):.0f} s {way} this machine's; set this machine's by NTP, and "
        "have the server's checked",
    )


def _streams(
    subject: _Subject, companies: list[str], definitions: list[StreamDefinition]
) -> Iterable[_Line]:
    def check(definition: StreamDefinition) -> _Line:
        counts: list[int | None] = []
        try:
            for company in companies:
                began = time.monotonic()
                _read(subject, company, definition)
                is_cheap = time.monotonic() - began < _CHEAP_SECONDS
                counts.append(_count(subject, company, definition) if is_cheap else None)
        except TapError as error:
            return _failed(definition.name, error)
        known = [count for count in counts if count is not None]
        rows = _rows(sum(known)) if len(known) == len(counts) else "not counted"
        why = _why(definition, subject.settings)
        return _Line(definition.name, "ok", f"{rows:>14}  {why}")

    return _at_once(subject, check, definitions)


def _rows(count: int) -> str:
    return f"{count:,} row" + ("" if count == 1 else "s")


def _read(subject: _Subject, company: str, definition: StreamDefinition) -> None:
    """One row, of it the key and the replication key, under the conditions of each read."""
    columns = (*definition.entity.key, *_cursor_name(definition))
    query = _query(subject, company, definition, select=tuple(dict.fromkeys(columns)), top=1)
    subject.source(company, definition).probe(query)


def _count(subject: _Subject, company: str, definition: StreamDefinition) -> int | None:
    """Only a courtesy: not every service can count."""
    try:
        return subject.source(company, definition).count(_query(subject, company, definition))
    except TapError:
        return None


def _query(
    subject: _Subject,
    company: str,
    definition: StreamDefinition,
    select: tuple[str, ...] = (),
    top: int | None = None,
) -> Query:
    wanted = definition.wanted(company, subject.settings, ())
    return Query(
        conditions=tuple(term.text() for term in wanted.always),
        select=select,
        top=top,
        parameters=wanted.parameters_from(None),
    )


def _cursor_name(definition: StreamDefinition) -> tuple[str, ...]:
    return (definition.cursor.column.name,) if definition.cursor else ()


def _why(definition: StreamDefinition, config: TapConfig) -> str:
    """Which replication key, and why this one."""
    if definition.cursor is None:
        return "no replication key: read whole each time"
    name = definition.cursor.column.name
    if config.options_of(definition.name).replication_key:
        return f"by {name}, as `{config.where(definition.name, 'replication_key')}` says"
    before = REPLICATION_KEYS[: REPLICATION_KEYS.index(name)]
    return f"by {name}" + (f", for it has no {' or '.join(before)}" if before else "")


def _failed(name: str, error: TapError) -> _Line:
    if isinstance(error, LoginLost):  # let in before, but for another company
        error = SettingsError(str(error))
    return _Line(name, "FAILED", str(error), error)


def _skipped(*names: str) -> list[_Line]:
    return [_Line(name, "skipped") for name in names]


def _has_failed(lines: list[_Line]) -> bool:
    return any(line.error for line in lines)


def _at_once(subject: _Subject, work: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
    """Work on a few tasks at a time; results in the order of the tasks."""
    with ThreadPoolExecutor(subject.settings.max_concurrency, "check-up") as pool:
        yield from pool.map(work, tasks)


@contextmanager
def _silence() -> Iterator[None]:
    """What discovery and retries log stands on the screen in its place, or does not matter."""
    logger = logging.getLogger("tap-epicor-kinetic")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


class _Screen:
    """Lines of at most `_WIDTH` columns on stderr."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        self._redact = redact
        self._failures = 0

    def title(self, text: str) -> None:
        sys.stderr.write(self._redact(text) + "\n")

    def line(self, line: _Line) -> None:
        self._failures += line.status in {"FAILED", "left out"}
        in_full = line.status == "warning" or self._failures <= _TOLD_IN_FULL
        indent = " " * (10 + _NAMES)
        told = wrap(self._redact(line.text), _WIDTH - len(indent), break_on_hyphens=False) or [""]
        if not in_full and len(told) > 1:
            told = [told[0][: _WIDTH - len(indent) - 2] + " …"]
        head = f"{line.status:<9} {line.name:<{_NAMES}}{told[0]}".rstrip()
        sys.stderr.write("\n".join([head, *(indent + text for text in told[1:])]) + "\n")
        sys.stderr.flush()
