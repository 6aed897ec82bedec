"""What an unhappy Kinetic server means, as one table from answer to decision.

Wrong password, bad key and missing right are all HTTP 401 with the same `ErrorType`; only the
text tells them apart. A licence that is not free is HTTP 400. HTTP 500 without a usable text is
what a server says of a page that is too large, of a plan that it refuses and of a bad moment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from html import unescape
from typing import TYPE_CHECKING

import msgspec

from tap_epicor_kinetic.errors import (
    AccessDenied,
    HostUnreachable,
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
_HTML = r"^\s*<(!doctype|html)"
_ANOTHER_WAY = (
    "Lower `page_size`; where one service alone fails, read it another way: "
    "`stream_options.<stream>.read_method: GetRows`, its search twin by `service` and "
    "`entity_set`, or a BAQ. The server's own log knows more at this time."
)
_PROXY_LOGIN = (
    "Check user and password in the variables http_proxy and https_proxy; no_proxy names hosts "
    "that are reached without a proxy."
)
_RULES = (
    # Nobody has published what a missing, expired or disabled key is told; all name the key.
    _rule(_REFUSED, r"api.?key", "API key refused", Action.STOP, LoginRefused,
          "Check `api_key`: it belongs to one environment, may have expired or be disabled, and "
          "may be tied to one company, so `companies` has to hold codes that it may read."),
    _rule(_REFUSED, r"access denied|access scope", "access denied", Action.STOP, AccessDenied,
          "Give the user of the login, or the key's access scope, the right to this service."),
    _rule({400, 401, 403}, r"compan(y|ies)\b[^.]{0,60}\b(invalid|not (valid|found|authori[sz]ed|"
          r"allowed)|does not exist)|\b(invalid|unknown) company\b", "company refused",
          Action.STOP, LoginRefused,
          "Check `companies`, and that the user is authorised for each of them."),
    # A second try with the same password would bring a locked account nearer, not help.
    _rule(_REFUSED, r"(account|user)\b.{0,60}\b(disabled|locked|inactive|not active)|"
          r"password.{0,40}expired", "login refused", Action.STOP, LoginRefused,
          "Enable or unlock the account of `username`, or renew its password, in Kinetic's user "
          "account maintenance; then run again."),
    _rule(_REFUSED, r"invalid username or password", "login refused", Action.LOGIN, LoginRefused,
          "Check `username` and `password`; an account that can only sign in through single "
          "sign-on does not work with `auth_method: basic`."),
    _rule({403}, _HTML, "gateway refused", Action.STOP, ServerFault,
          "A firewall or gateway in front of Kinetic turned the request away; ask its "
          "administrator to let this machine read `api_url`."),
    _rule(_REFUSED, None, "login refused", Action.LOGIN, LoginRefused,
          "Check `auth_method`, `username`, `password` and `api_key`."),
    _rule({407}, None, "proxy login refused", Action.STOP, HostUnreachable, _PROXY_LOGIN),
    _rule({404, 414}, r"too long", "query refused", Action.STOP, QueryRefused,
          "The address is longer than this server takes: select fewer columns, or shorten "
          "`stream_options.<stream>.filter`."),
    _rule({404}, None, "not found", Action.STOP, NotFound,
          "Check `api_url` (https://host/instance) and that this tenant has the service."),
    _rule({400}, r"maximum users exceeded|LicenseAccessException", "no licence free", Action.WAIT,
          ServerFault, "Free a licence seat, choose another `claimed_license`, or raise "
          "`retry_deadline_seconds` to wait longer."),
    _rule({400, 500}, r"we apologi[sz]e|unexpected internal problem", "server error",
          Action.SHRINK, ServerFault, _ANOTHER_WAY),
    _rule({400}, r"BusinessObjectException|BLException", "server error", Action.STOP, ServerFault,
          "The service declines this read by a rule of its own; ask the administrator what its "
          "text means, or read the data through a BAQ."),
    _rule({400, 414}, None, "query refused", Action.STOP, QueryRefused,
          "Compare the column and its type with the service's $metadata; "
          "`stream_options.<stream>.replication_key` or `filter` chooses another."),
    _rule({408, 504}, None, "gateway time-out", Action.SHRINK, ServerFault,
          "Lower `page_size`, or raise `request_timeout_seconds` where a proxy allows it."),
    _rule({410}, None, "session gone", Action.LOGIN, ServerFault,
          "The server ended the session; run again."),
    _rule({429}, None, "too many requests", Action.WAIT, ServerFault,
          "Run at a quieter time, or raise `retry_deadline_seconds`."),
    _rule({503}, None, "server not ready", Action.WAIT, ServerFault,
          "The server is restarting or converting data; run again later."),
    _rule({500}, None, "server error", Action.SHRINK, ServerFault, _ANOTHER_WAY),
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


_NO_WAY_THROUGH = (
    (r"407", Fault("proxy login refused", Action.STOP, HostUnreachable, _PROXY_LOGIN)),
    (r"expired|not yet valid", Fault(
        "certificate refused", Action.STOP, HostUnreachable,
        "The server's administrator has to renew its certificate; check this machine's clock, too.",
    )),
    (r"hostname mismatch|not valid for|doesn't match|ip address mismatch", Fault(
        "certificate refused", Action.STOP, HostUnreachable,
        "Write in `api_url` the host name that the certificate was made for.",
    )),
    (r"", Fault(
        "certificate refused", Action.STOP, HostUnreachable,
        "Set `ca_bundle` to the PEM file of the authority that signed the server's certificate.",
    )),
)  # fmt: skip


def judge_refused_connection(words: str) -> Fault:
    """Decide about a connection that will fail in the same way each time: TLS, or a proxy."""
    found = (fault for text, fault in _NO_WAY_THROUGH if re.search(text, words, re.IGNORECASE))
    return next(found)


class _ErrorBody(msgspec.Struct):
    """Kinetic's own form, OData's (an object in `error`) and OAuth's (a word in `error`)."""

    ErrorMessage: str | None = None
    Message: str | None = None
    error: dict[str, object] | str | None = None
    error_description: str | None = None

    def words(self) -> str:
        if isinstance(self.error, dict):
            told = self.error.get("message")
            # OData 3 wraps the text once more: {"lang": "en-US", "value": "..."}.
            own = told.get("value") if isinstance(told, dict) else told
            return self.ErrorMessage or str(own or "")
        parts = (self.ErrorMessage or self.Message, self.error, self.error_description)
        return ": ".join(part for part in parts if part)


_BODY = msgspec.json.Decoder(_ErrorBody)
_XML_MESSAGE = re.compile(r"<(?:\w+:)?(ErrorMessage|Message)\b[^>]*>(.*?)</", re.DOTALL)
_NOT_TEXT = re.compile(r"<(style|script|head)\b.*?</\1>|<[^<>]*>", re.DOTALL | re.IGNORECASE)
_READ_LENGTH, _QUOTED_LENGTH = 20_000, 300


def server_words(body: bytes, redact: Callable[[str], str]) -> str:
    """The server's own explanation out of an error body, short; `""` where it gives none.

    Secrets go first: shortening could cut one in half, and half a secret is not recognised.
    """
    try:
        words = _BODY.decode(body).words()
    except (ValueError, RecursionError):  # of msgspec's, or text that is no UTF-8
        text = redact(body.decode("utf-8", "replace"))[:_READ_LENGTH]
        message = _XML_MESSAGE.search(text)
        words = unescape(message[2] if message else _NOT_TEXT.sub(" ", text))
    return redact(" ".join(redact(words).split()))[:_QUOTED_LENGTH]
