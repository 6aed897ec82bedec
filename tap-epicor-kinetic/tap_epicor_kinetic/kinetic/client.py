"""Reads a Kinetic tenant: metadata, counts and pages, with patience for what passes by itself."""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from dataclasses import dataclass, field, replace
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
from tap_epicor_kinetic.odata.payload import (
    MalformedPayloadError,
    Page,
    UnreadableRowError,
    parse_page,
)

from .budget import Budget
from .faults import Action, Fault, judge, judge_refused_connection, server_words
from .transport import Answer, Transport, Unanswered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_epicor_kinetic.odata.metadata import EntityType
    from tap_epicor_kinetic.odata.payload import PageDecoder
    from tap_epicor_kinetic.odata.query import Query

    from .login import Login
    from .redaction import Redactor

logger = logging.getLogger("tap-epicor-kinetic")

T = TypeVar("T")

_OK = 200
_NO_STATUS = 0
"""What is neither a refusal nor an answer, such as a login page with status 200."""
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 60.0
_TRIES_AT_ONE_SIZE = 2
"""A content-free 500 is met once more at the same size: it may have been a bad moment."""


@dataclass(frozen=True)
class Address:
    """Where an entity set lives; the service of a BAQ is `BaqSvc/<id>`, its set is `Data`."""

    company: str
    service: str
    entity_set: str

    @property
    def path(self) -> str:
        """Below the root, percent-encoded."""
        parts = (self.company, *self.service.split("/"), self.entity_set)
        return "/api/v2/odata/" + "/".join(quote(part, safe="") for part in parts)

    def __str__(self) -> str:
        return f"{self.service}/{self.entity_set} of company {self.company}"


@dataclass
class Traffic:
    """What somebody's requests have cost so far; `bytes` are those of answers, unpacked."""

    requests: int = 0
    retries: int = 0
    bytes: int = 0


class KineticClient:
    """Talks to one tenant; safe to use from several threads.

    Args:
        root: `https://host/instance`.
        transport: exchanges single requests.
        fixed_headers: API key and the like, on each request.
        redactor: cleans all server text.
        deadline_seconds: total patience for one request (`retry_deadline_seconds`).
        budget: how many requests may be in flight.
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
        budget: Budget | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.root = root
        self.traffic = Traffic()
        self.budget = budget or Budget(1)
        self.redact = redactor
        self._transport = transport
        self.login: Login = _NoLogin()
        self._headers = {"Accept": "application/json", "Accept-Encoding": "gzip", **fixed_headers}
        self._deadline = deadline_seconds
        self._sleep = sleep
        self._is_let_in = False
        self._server_time: datetime | None = None
        self._last_date = ""
        self._lock = threading.Lock()

    @property
    def server_time(self) -> datetime:
        """The server's clock as of its last answer (its `Date` header), else this machine's."""
        return self._server_time or datetime.now(timezone.utc).replace(microsecond=0)

    def metadata(
        self, company: str, service: str, deadline_seconds: float | None = None
    ) -> dict[str, EntityType]:
        """The entity types of a service by set name; with a deadline of 0 it is asked once."""
        what = f"$metadata of {service}"
        url = self.root + Address(company, service, "").path + "$metadata"
        body = self._ask(
            _Request(what, url, accept="application/xml", deadline_seconds=deadline_seconds),
            lambda answer: answer.body,
        )
        try:
            return parse_metadata(body)
        except MetadataError as error:
            raise ServerFault(f"{what} cannot be read: {error}. Check `api_url`.") from error

    def page(
        self,
        address: Address,
        query: Query,
        decoder: PageDecoder | None = None,
        *,
        can_shrink: bool = False,
        traffic: Traffic | None = None,
    ) -> Page:
        """One page of rows.

        Raises:
            PageTooHeavy: where a smaller `$top` may get through; with `can_shrink` in any case.
        """
        try:
            encoded = query.encode()
        except ValueError as error:
            raise QueryRefused(f"{address}: {error}; shorten `stream_options` filter.") from error
        request = _Request(
            str(address),
            f"{self.root}{address.path}" + (f"?{encoded}" if encoded else ""),
            can_shrink=can_shrink or (query.top or 1) > 1,
            kind=f"{address} {query.top}",
            traffic=traffic,
        )
        return self._ask(request, lambda answer: parse_page(answer.body, decoder))

    def count(self, address: Address, query: Query, traffic: Traffic | None = None) -> int:
        """`/$count` under the query's conditions; asked once, for it is only a courtesy."""
        only_filter = replace(query, order_by=(), select=(), top=None, skip=None, count=False)
        url = f"{self.root}{address.path}/$count?{only_filter.encode()}".rstrip("?")
        request = _Request(f"$count of {address}", url, deadline_seconds=0, traffic=traffic)
        return self._ask(request, _read_count)

    def call(
        self,
        what: str,
        path: str,
        body: bytes,
        read: Callable[[Answer], T],
        *,
        can_shrink: bool = False,
        traffic: Traffic | None = None,
    ) -> T:
        """POST to a read-only method of a service.

        Args:
            what: for messages.
            path: below the root, percent-encoded.
            body: JSON.
            read: makes sense of the answer.
            can_shrink: the caller may ask for less.
            traffic: whose requests to count.
        """
        headers = {"Content-Type": "application/json"}
        request = _Request(
            what, self.root + path, "POST", headers, body, can_shrink=can_shrink, traffic=traffic
        )
        return self._ask(request, read)

    def _ask(self, request: _Request, read: Callable[[Answer], T]) -> T:
        """Ask until an answer can be read, a fault is final, or the patience is used up."""
        deadline = request.deadline_seconds
        patience = _Patience(self._deadline if deadline is None else deadline)
        while True:
            trouble = self._try(request, read)
            if not isinstance(trouble, _Trouble):
                return trouble
            self._decide(request, trouble, patience)

    def _try(self, request: _Request, read: Callable[[Answer], T]) -> T | _Trouble:
        began_at = time.monotonic()
        try:
            login = self.login.headers()
            headers = {**self._headers, **login, **request.headers, "Accept": request.accept}
            with self.budget.slot():
                began_at = time.monotonic()
                answer = self._send(
                    request.method, request.url, headers, request.body, request.traffic
                )
        except Unanswered as error:
            return self._troubled(_Trouble(str(error), _no_answer(error)), began_at)
        if answer.status != _OK:
            words = server_words(answer.body, self.redact)
            fault = judge(answer.status, answer.body.decode("utf-8", "replace"))
            told = f"HTTP {answer.status}" + (f": {words}" if words else " without a reason")
            return self._troubled(_Trouble(told, fault, _retry_after(answer), login), began_at)
        if request.kind:
            self.budget.answered(request.kind, time.monotonic() - began_at)
        seconds = time.monotonic() - began_at
        try:
            result = read(answer)
        except MalformedPayloadError as error:
            is_page = answer.body.lstrip()[:1] == b"<"
            told = f"HTTP 200, but the body is not OData ({error})"
            return _Trouble(told, judge(_NO_STATUS, "") if is_page else _CUT_OFF)
        except UnreadableRowError as error:
            raise ServerFault(
                f"{request.what}: {self.redact(str(error))}. Compare the column with the service's "
                "$metadata; mend the row in Kinetic, or choose other columns in `stream_options`."
            ) from error
        if isinstance(result, Page):
            result.waited_seconds = seconds
        self._is_let_in = True
        return result

    def _troubled(self, trouble: _Trouble, began_at: float) -> _Trouble:
        is_overloaded = trouble.fault.action is Action.WAIT and trouble.fault is not _CUT_OFF
        if is_overloaded or trouble.timed_out:
            self.budget.refused(began_at)
        return trouble

    def _decide(self, request: _Request, trouble: _Trouble, patience: _Patience) -> None:
        """Return when it is time to ask again, else raise."""
        what, fault, words = request.what, trouble.fault, self.redact(trouble.words)
        if (
            fault.action is Action.LOGIN
            and not patience.has_renewed
            and self.login.renew(trouble.login)
        ):
            patience.has_renewed = True
            self._count_retry(request)
            return
        if fault.action in {Action.STOP, Action.LOGIN}:
            raise self._final(what, words, fault)
        patience.tries += 1
        if request.can_shrink and fault.action is Action.SHRINK:
            tries = 1 if trouble.timed_out else _TRIES_AT_ONE_SIZE
            if patience.tries >= tries:
                raise PageTooHeavy(f"{what}: {words}. {fault.advice}")
        wait = patience.next_wait(trouble.wait_seconds)
        if wait is None:
            gave_up = f"{words}; gave up after {patience.tries} tries (`retry_deadline_seconds`)"
            raise self._final(what, gave_up, fault)
        logger.warning("%s: %s (%s); asking again in %.1f s", what, fault.name, words, wait)
        self._count_retry(request)
        self._sleep(wait)

    def _final(self, what: str, words: str, fault: Fault) -> TapError:
        error = fault.error
        if error is LoginRefused and self._is_let_in:
            error = LoginLost  # it worked before: not a matter of settings
        return error(f"{what}: {fault.name} ({words}). {fault.advice}")

    def post(self, url: str, headers: dict[str, str], body: bytes) -> Answer:
        """POST to a token endpoint; only the tenant's own sees the API key.

        Raises:
            HostUnreachable: when nobody answers in time.
        """
        request = _Request("the token endpoint", url)
        patience = _Patience(self._deadline)
        own = self._headers if url.startswith(f"{self.root}/") else {}
        while True:
            try:
                answer = self._send("POST", url, {**own, **headers}, body)
            except Unanswered as error:
                trouble = _Trouble(str(error), _no_answer(error))
            else:
                fault = judge(answer.status, "")
                if answer.status == _OK or fault.action in {Action.STOP, Action.LOGIN}:
                    return answer
                trouble = _Trouble(f"HTTP {answer.status}", fault, _retry_after(answer))
                try:
                    self._decide(request, trouble, patience)
                except ServerFault:
                    return answer  # the login knows the endpoint's words
                continue
            self._decide(request, trouble, patience)

    def _send(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes | None = None,
        traffic: Traffic | None = None,
    ) -> Answer:
        ledgers = [self.traffic, *([traffic] if traffic else [])]
        with self._lock:
            for ledger in ledgers:
                ledger.requests += 1
        answer = self._transport.send(method, url, headers, body)
        with self._lock:
            for ledger in ledgers:
                ledger.bytes += len(answer.body)
            date = answer.headers.get("Date")
            if date and date != self._last_date:
                self._last_date = date
                read = _read_date(date)
                # A slow answer is dated at its beginning; a later one may have come before it.
                if read and (self._server_time is None or read > self._server_time):
                    self._server_time = read
        return answer

    def close(self) -> None:
        """Hang up."""
        self._transport.close()

    def _count_retry(self, request: _Request) -> None:
        with self._lock:
            self.traffic.retries += 1
            if request.traffic:
                request.traffic.retries += 1


@dataclass(frozen=True)
class _Request:
    """One question, however often it has to be asked.

    Attributes:
        what: for messages.
        url: whole.
        can_shrink: the caller may ask for less.
        kind: data requests of one kind take as long as each other; empty for other requests.
        deadline_seconds: patience; None for the usual.
        traffic: whose requests to count.
    """

    what: str
    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    accept: str = "application/json"
    can_shrink: bool = False
    kind: str = ""
    deadline_seconds: float | None = None
    traffic: Traffic | None = None


class _NoLogin:
    """Until a login is set; token logins need the client to post."""

    def headers(self) -> dict[str, str]:
        return {}

    def renew(self, refused: Mapping[str, str] | None = None) -> bool:  # noqa: ARG002
        return False


@dataclass(frozen=True)
class _Trouble:
    words: str
    fault: Fault
    wait_seconds: float | None = None
    login: Mapping[str, str] | None = None

    @property
    def timed_out(self) -> bool:
        return self.fault is _TIMED_OUT


_TIMED_OUT = Fault(
    "no answer in time", Action.SHRINK, HostUnreachable,
    "Lower `page_size` or raise `request_timeout_seconds`.",
)  # fmt: skip
_TOO_LARGE = Fault(
    "answer too large", Action.SHRINK, ServerFault,
    "Lower `page_size`, or select fewer columns.",
)  # fmt: skip
_CUT_OFF = Fault(
    "connection broken", Action.WAIT, HostUnreachable,
    "Check `api_url`, the network, VPN and proxy between this machine and the server.",
)  # fmt: skip


def _no_answer(error: Unanswered) -> Fault:
    if error.is_final:
        return judge_refused_connection(str(error))
    if error.is_large:
        return _TOO_LARGE
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
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise MalformedPayloadError(f"{text[:40]!r} is not a count")
    return int(text)


def _read_date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def _retry_after(answer: Answer) -> float | None:
    """`Retry-After` in seconds; it comes as a number or as a date."""
    text = answer.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    moment = _read_date(text) if text else None
    if moment is None:
        return None
    return max(0.0, (moment - datetime.now(timezone.utc)).total_seconds())
