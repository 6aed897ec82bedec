"""Reads a Kinetic tenant: metadata, counts and pages, with patience for what passes by itself."""

from __future__ import annotations

import logging
import random
import threading
import time
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from tap_epicor_kinetic.errors import (
    HostUnreachable,
    LoginLost,
    LoginRefused,
    PageTooHeavy,
    QueryRefused,
    ServerFault,
    TapError,
)
from tap_epicor_kinetic.odata.metadata import MetadataError, parse_metadata
from tap_epicor_kinetic.odata.payload import MalformedPayloadError, Page, parse_page

from .faults import Action, Fault, judge, server_words
from .transport import Answer, Transport, Unanswered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_epicor_kinetic.odata.metadata import EntityType
    from tap_epicor_kinetic.odata.query import Query

    from .login import Login
    from .redaction import Redactor

logger = logging.getLogger("tap-epicor-kinetic")

T = TypeVar("T")

_OK = 200
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 60.0
_TRIES_AT_ONE_SIZE = 2
"""A content-free 500 is met once more at the same size: it may have been a bad moment."""


@dataclass(frozen=True)
class Address:
    """Where an entity set lives."""

    company: str
    service: str
    entity_set: str

    @property
    def path(self) -> str:
        """Below the root, percent-encoded."""
        parts = (self.company, self.service, self.entity_set)
        return "/api/v2/odata/" + "/".join(quote(part, safe="") for part in parts)

    def __str__(self) -> str:
        return f"{self.service}/{self.entity_set} of company {self.company}"


@dataclass
class Traffic:
    """What this client has cost so far."""

    requests: int = 0
    retries: int = 0
    bytes: int = 0


class KineticClient:
    """Talks to one tenant; safe to use from the thread that prefetches.

    Args:
        root: `https://host/instance`.
        transport: exchanges single requests.
        fixed_headers: API key and the like, on each request.
        redactor: cleans all server text.
        deadline_seconds: total patience for one request (`retry_deadline_seconds`).
        sleep: waits; raises to stop the run.
    """

    def __init__(
        self,
        root: str,
        *,
        transport: Transport,
        fixed_headers: Mapping[str, str],
        redactor: Redactor,
        deadline_seconds: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.root = root
        self.traffic = Traffic()
        self.redact = redactor
        self._transport = transport
        self.login: Login = _NoLogin()
        self._headers = {"Accept": "application/json", "Accept-Encoding": "gzip", **fixed_headers}
        self._deadline = deadline_seconds
        self._sleep = sleep
        self._is_let_in = False
        self._server_time: datetime | None = None
        self._lock = threading.Lock()

    @property
    def server_time(self) -> datetime:
        """The server's clock as of its last answer (its `Date` header), else this machine's."""
        return self._server_time or datetime.now(timezone.utc).replace(microsecond=0)

    def metadata(self, company: str, service: str) -> dict[str, EntityType]:
        """The entity types of a service by set name."""
        what = f"$metadata of {service}"
        path = Address(company, service, "$metadata").path.replace("%24metadata", "$metadata")
        body = self._get(what, path, "", lambda answer: answer.body, accept="application/xml")
        try:
            return parse_metadata(body)
        except MetadataError as error:
            raise ServerFault(f"{what} cannot be read: {error}. Check `api_url`.") from error

    def page(self, address: Address, query: Query, *, can_shrink: bool = False) -> Page:
        """One page of rows.

        Raises:
            PageTooHeavy: where a smaller `$top` may get through; with `can_shrink` in any case.
        """
        try:
            encoded = query.encode()
        except ValueError as error:
            raise QueryRefused(f"{address}: {error}; shorten `stream_options` filter.") from error
        return self._get(
            str(address),
            address.path,
            encoded,
            lambda answer: parse_page(answer.body),
            can_shrink=can_shrink or (query.top or 1) > 1,
        )

    def count(self, address: Address, query: Query) -> int:
        """`/$count` under the query's conditions; asked once, for it is only a courtesy."""
        only_filter = replace(query, order_by=(), select=(), top=None, skip=None)
        path = address.path + "/$count"
        what = f"$count of {address}"
        return self._get(what, path, only_filter.encode(), _read_count, deadline_seconds=0)

    def _get(
        self,
        what: str,
        path: str,
        query: str,
        read: Callable[[Answer], T],
        *,
        accept: str = "application/json",
        can_shrink: bool = False,
        deadline_seconds: float | None = None,
    ) -> T:
        """Ask until an answer can be read, a fault is final, or the patience is used up."""
        url = f"{self.root}{path}" + (f"?{query}" if query else "")
        patience = _Patience(self._deadline if deadline_seconds is None else deadline_seconds)
        while True:
            trouble = self._try(url, accept, read)
            if not isinstance(trouble, _Trouble):
                return trouble
            self._decide(what, trouble, patience, can_shrink=can_shrink)

    def _try(self, url: str, accept: str, read: Callable[[Answer], T]) -> T | _Trouble:
        try:
            answer = self._send("GET", url, {**self.login.headers(), "Accept": accept})
        except Unanswered as error:
            return _Trouble(str(error), _no_answer(error))
        if answer.status != _OK:
            words = server_words(answer.body, self.redact)
            return _Trouble(
                f"HTTP {answer.status}" + (f": {words}" if words else " without a reason"),
                judge(answer.status, answer.body.decode("utf-8", "replace")),
                wait_seconds=_retry_after(answer),
            )
        try:
            result = read(answer)
        except MalformedPayloadError as error:
            return _Trouble(f"HTTP 200, but the body is not OData ({error})", _CUT_OFF)
        self._is_let_in = True
        return result

    def _decide(
        self, what: str, trouble: _Trouble, patience: _Patience, *, can_shrink: bool
    ) -> None:
        """Return when it is time to ask again, else raise."""
        fault, words = trouble.fault, self.redact(trouble.words)
        if fault.action is Action.LOGIN and not patience.has_renewed and self.login.renew():
            patience.has_renewed = True
            self.traffic.retries += 1
            return
        if fault.action in {Action.STOP, Action.LOGIN}:
            raise self._final(what, words, fault)
        patience.tries += 1
        if can_shrink and fault.action is Action.SHRINK:
            tries = 1 if trouble.timed_out else _TRIES_AT_ONE_SIZE
            if patience.tries >= tries:
                raise PageTooHeavy(f"{what}: {words}. {fault.advice}")
        wait = patience.next_wait(trouble.wait_seconds)
        if wait is None:
            gave_up = f"{words}; gave up after {patience.tries} tries (`retry_deadline_seconds`)"
            raise self._final(what, gave_up, fault)
        logger.warning("%s: %s (%s); asking again in %.1f s", what, fault.name, words, wait)
        self.traffic.retries += 1
        self._sleep(wait)

    def _final(self, what: str, words: str, fault: Fault) -> TapError:
        error = fault.error
        if error is LoginRefused and self._is_let_in:
            error = LoginLost  # it worked before: not a matter of settings
        return error(f"{what}: {fault.name} ({words}). {fault.advice}")

    def post(self, url: str, headers: dict[str, str], body: bytes) -> Answer:
        """POST to a token endpoint; the only requests that are not GET.

        Raises:
            HostUnreachable: when nobody answers in time.
        """
        patience = _Patience(self._deadline)
        while True:
            try:
                answer = self._send("POST", url, headers, body)
            except Unanswered as error:
                trouble = _Trouble(str(error), _no_answer(error))
            else:
                fault = judge(answer.status, "")
                if answer.status == _OK or fault.action in {Action.STOP, Action.LOGIN}:
                    return answer
                trouble = _Trouble(f"HTTP {answer.status}", fault)
            self._decide("the token endpoint", trouble, patience, can_shrink=False)

    def _send(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None = None
    ) -> Answer:
        with self._lock:
            self.traffic.requests += 1
        answer = self._transport.send(method, url, {**self._headers, **headers}, body)
        with self._lock:
            self.traffic.bytes += len(answer.body)
            if date := answer.headers.get("Date"):
                self._server_time = _read_date(date) or self._server_time
        return answer


class _NoLogin:
    """Until a login is set; token logins need the client to post."""

    def headers(self) -> dict[str, str]:
        return {}

    def renew(self) -> bool:
        return False


class EntitySet:
    """One entity set of one company, as the row logic wants it: pages and a clock."""

    def __init__(self, client: KineticClient, address: Address) -> None:
        self._client = client
        self._address = address
        self.name = str(address)
        self.kind = f"{address.service}/{address.entity_set}"

    @property
    def server_time(self) -> datetime:
        """The server's clock as of its last answer."""
        return self._client.server_time

    def page(self, query: Query) -> Page:
        """One page of rows."""
        return self._client.page(self._address, query)

    def probe(self, query: Query) -> Page:
        """One page of a query that the server may not be able to answer at all.

        Raises:
            PageTooHeavy: as soon as it looks like that.
        """
        return self._client.page(self._address, query, can_shrink=True)

    def count(self, query: Query) -> int:
        """How many rows satisfy the query's conditions."""
        return self._client.count(self._address, query)


@dataclass(frozen=True)
class _Trouble:
    words: str
    fault: Fault
    wait_seconds: float | None = None

    @property
    def timed_out(self) -> bool:
        return self.fault is _TIMED_OUT


_TIMED_OUT = Fault(
    "no answer in time", Action.SHRINK, HostUnreachable,
    "Lower `page_size` or raise `request_timeout_seconds`.",
)  # fmt: skip
_CUT_OFF = Fault(
    "connection broken", Action.WAIT, HostUnreachable,
    "Check `api_url`, the network, VPN and proxy between this machine and the server.",
)  # fmt: skip
_UNTRUSTED = Fault(
    "certificate refused", Action.STOP, HostUnreachable,
    "Set `ca_bundle` to the PEM file of the authority that signed the server's certificate.",
)  # fmt: skip


def _no_answer(error: Unanswered) -> Fault:
    if error.is_final:
        return _UNTRUSTED
    return _TIMED_OUT if error.timed_out else _CUT_OFF


class _Patience:
    """How long one request has been tried, and how long to wait before the next time."""

    def __init__(self, deadline_seconds: float) -> None:
        self._ends_at = time.monotonic() + deadline_seconds
        self.tries = 0
        self.has_renewed = False

    def next_wait(self, asked_for: float | None) -> float | None:
        """Seconds to wait, None where that would pass the deadline.

        The jitter keeps clients that were refused together from coming back together.
        """
        backoff = min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2 ** (self.tries - 1))
        jitter = random.uniform(0.5, 1.0)  # noqa: S311 - not for secrets
        wait = backoff * jitter if asked_for is None else asked_for + backoff * jitter / 10
        return wait if time.monotonic() + wait < self._ends_at else None


def _read_count(answer: Answer) -> int:
    text = answer.body.decode("utf-8-sig", "replace").strip()
    if not text.isdigit():
        raise MalformedPayloadError(f"{text[:40]!r} is not a count")
    return int(text)


def _read_date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text).astimezone(timezone.utc)
    except ValueError:
        return None


def _retry_after(answer: Answer) -> float | None:
    """`Retry-After` in seconds; it comes as a number or as a date."""
    text = answer.headers.get("Retry-After", "").strip()
    if text.isdigit():
        return float(text)
    moment = _read_date(text) if text else None
    if moment is None:
        return None
    return max(0.0, (moment - datetime.now(timezone.utc)).total_seconds())
