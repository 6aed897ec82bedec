"""What an unhappy Kinetic server means, as one table from answer to decision.

Wrong password, bad key and missing right are all HTTP 401 with the same `ErrorType`; only the
text tells them apart. A licence that is not free is HTTP 400. HTTP 500 without a usable text is
what a server says of a page that is too large, of a plan that it refuses and of a bad moment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import msgspec

from tap_epicor_kinetic.errors import (
    AccessDenied,
    LoginRefused,
    NotFound,
    QueryRefused,
    ServerFault,
    TapError,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class Action(Enum):
    """What the client does about a fault."""

    STOP = "stop"
    WAIT = "wait and ask again"
    LOGIN = "log in again, once, then ask again"
    SHRINK = "ask again, then for a smaller page"


@dataclass(frozen=True)
class Fault:
    """One kind of refusal: how to act, and what to tell when acting does not help."""

    name: str
    action: Action
    error: type[TapError]
    advice: str


@dataclass(frozen=True)
class _Rule:
    statuses: frozenset[int]
    text: re.Pattern[str] | None
    fault: Fault

    def matches(self, status: int, text: str) -> bool:
        return status in self.statuses and (self.text is None or bool(self.text.search(text)))


def _rule(
    statuses: set[int],
    text: str | None,
    name: str,
    action: Action,
    error: type[TapError],
    advice: str,
) -> _Rule:
    pattern = re.compile(text, re.IGNORECASE) if text else None
    return _Rule(frozenset(statuses), pattern, Fault(name, action, error, advice))


_REFUSED = {401, 403}
_RULES = (
    _rule(_REFUSED, r"invalid api key", "API key refused", Action.STOP, LoginRefused,
          "Check `api_key` (it belongs to one environment and may be tied to one company) "
          "and that `companies` holds codes that this key may read."),
    _rule(_REFUSED, r"access denied|access scope", "access denied", Action.STOP, AccessDenied,
          "Give the user of the login, or the key's access scope, the right to this service."),
    _rule(_REFUSED, r"invalid username or password", "login refused", Action.LOGIN, LoginRefused,
          "Check `username` and `password`; an account that can only sign in through single "
          "sign-on does not work with `auth_method: basic`."),
    _rule(_REFUSED, None, "login refused", Action.LOGIN, LoginRefused,
          "Check `auth_method`, `username`, `password` and `api_key`."),
    _rule({404}, None, "not found", Action.STOP, NotFound,
          "Check `api_url` (https://host/instance) and that this tenant has the service."),
    _rule({400}, r"maximum users exceeded|LicenseAccessException", "no licence free", Action.WAIT,
          ServerFault, "Free a licence seat, or raise `retry_deadline_seconds` to wait longer."),
    _rule({400}, None, "query refused", Action.STOP, QueryRefused,
          "Compare the column and its type with the service's $metadata; `stream_options` "
          "chooses another replication key or filter."),
    _rule({408, 504}, None, "gateway time-out", Action.SHRINK, ServerFault,
          "Lower `page_size`, or raise `request_timeout_seconds` where a proxy allows it."),
    _rule({410}, None, "session gone", Action.LOGIN, ServerFault, "Run again."),
    _rule({429}, None, "too many requests", Action.WAIT, ServerFault,
          "Run at a quieter time, or raise `retry_deadline_seconds`."),
    _rule({503}, None, "server not ready", Action.WAIT, ServerFault,
          "The server is restarting or converting data; run again later."),
    _rule({500}, None, "server error", Action.SHRINK, ServerFault,
          "Lower `page_size`; if one service alone fails, ask the administrator for the server "
          "log at this time, or read the data through a BAQ."),
)  # fmt: skip
_GATEWAY = Fault(
    "gateway error", Action.WAIT, ServerFault,
    "A proxy in front of Kinetic answered in its place; check that the server is up.",
)  # fmt: skip
_ELSEWHERE = Fault(
    "unexpected answer", Action.STOP, ServerFault,
    "Check `api_url`: a login page, proxy or other program may be answering there.",
)  # fmt: skip
_SERVER_SIDE = 500


def judge(status: int, text: str) -> Fault:
    """Decide about an answer that is not 200; the first rule that matches wins."""
    for rule in _RULES:
        if rule.matches(status, text):
            return rule.fault
    return _GATEWAY if status >= _SERVER_SIDE else _ELSEWHERE


class _ErrorBody(msgspec.Struct):
    ErrorMessage: str = ""
    error: dict[str, object] = {}


_BODY = msgspec.json.Decoder(_ErrorBody)
_QUOTED_LENGTH = 300


def server_words(body: bytes, redact: Callable[[str], str]) -> str:
    """The server's own explanation out of an error body, short; `""` where it gives none.

    Secrets go first: shortening could cut one in half, and half a secret is not recognised.
    """
    try:
        decoded = _BODY.decode(body)
        words = decoded.ErrorMessage or str(decoded.error.get("message", ""))
    except msgspec.DecodeError:
        words = re.sub(r"<[^>]*>", " ", redact(body.decode("utf-8", "replace")))
    return redact(" ".join(redact(words).split()))[:_QUOTED_LENGTH]
