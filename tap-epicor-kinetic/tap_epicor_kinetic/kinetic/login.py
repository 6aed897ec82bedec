"""The ways in: what goes into each request's headers, and how a login is renewed."""

from __future__ import annotations

import re
import time
from base64 import b64encode
from threading import Lock
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote_plus, urlencode

import msgspec

from tap_epicor_kinetic.errors import HostUnreachable, LoginLost, LoginRefused, ServerFault

from .faults import server_words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .redaction import Redactor
    from .transport import Answer

    Post = Callable[[str, dict[str, str], bytes], Answer]

_EARLY_SECONDS = 60
"""A token is renewed this long before its end: a request may be slow, clocks differ."""
_DEFAULT_LIFE_SECONDS = 1200
"""Assumed where the answer names no `ExpiresIn`; sources speak of 20 minutes to 8 hours."""
_OK = 200
_BAD_REQUEST, _UNAUTHORIZED, _SERVER_SIDE = 400, 401, 500


_TOKEN = re.compile(r"[!-~]{1,65536}")
"""What can stand in a header."""


class Login(Protocol):
    """What the client asks of a way in."""

    def headers(self) -> dict[str, str]:
        """The headers that carry this login; may talk to a token endpoint first."""

    def renew(self, refused: Mapping[str, str] | None = None) -> bool:
        """Forget a login that was just refused; False where a new one would be the same.

        Args:
            refused: the headers that carried it. Where several requests are refused together, a
                login that came later is kept.
        """


class BasicLogin:
    """User and password on each call; works for native Epicor users only."""

    def __init__(self, username: str, password: str) -> None:
        self._header = _basic(username, password)

    def headers(self) -> dict[str, str]:
        """The same header each time."""
        return {"Authorization": self._header}

    def renew(self, refused: Mapping[str, str] | None = None) -> bool:  # noqa: ARG002
        """There is nothing to renew."""
        return False


class _Token(msgspec.Struct):
    AccessToken: str | None = None
    ExpiresIn: float | None = None
    access_token: str | None = None
    expires_in: float | None = None


class TokenLogin:
    """A bearer token, fetched when first needed, before its end, and after a refusal.

    Args:
        fetch: returns the token endpoint's answer.
        redactor: learns each token, and cleans the endpoint's words.
        endpoint: what to call it: `oauth_token_url` or `TokenResource.svc`.
        advice: which settings to check when it refuses.
    """

    def __init__(
        self, fetch: Callable[[], Answer], redactor: Redactor, endpoint: str, advice: str
    ) -> None:
        self._fetch = fetch
        self._redact = redactor
        self._endpoint = endpoint
        self._advice = advice
        self._lock = Lock()
        self._token: str | None = None
        self._renew_at = 0.0
        self._has_worked = False

    def headers(self) -> dict[str, str]:
        """The current token, or a new one."""
        with self._lock:
            if self._token is None or time.monotonic() >= self._renew_at:
                asked_at = time.monotonic()
                self._token, life = self._new()
                # A short-lived token is used for half its life rather than never.
                self._renew_at = asked_at + max(life - _EARLY_SECONDS, life / 2)
            return _bearer(self._token)

    def renew(self, refused: Mapping[str, str] | None = None) -> bool:
        """The next call fetches a new token, unless another request has brought one already."""
        with self._lock:
            if refused is None or self._token is None or refused == _bearer(self._token):
                self._token = None
        return True

    def _new(self) -> tuple[str, float]:
        try:
            answer = self._fetch()
        except HostUnreachable as error:
            raise HostUnreachable(f"{self._endpoint}: {error}") from error
        if answer.status != _OK:
            words = server_words(answer.body, self._redact)
            problem = f"answered HTTP {answer.status}" + (f": {words}" if words else "")
            raise self._refused(problem, is_down=answer.status >= _SERVER_SIDE)
        token = _read_token(answer.body)
        value = token.AccessToken or token.access_token
        if not value or not _TOKEN.fullmatch(value):
            raise self._refused("answered HTTP 200, but without an access token")
        self._has_worked = True
        self._redact.learn(value)
        life = token.ExpiresIn or token.expires_in
        return value, life if life and life > 0 else _DEFAULT_LIFE_SECONDS

    def _refused(self, problem: str, *, is_down: bool = False) -> LoginRefused | ServerFault:
        if is_down:
            return ServerFault(f"{self._endpoint} {problem}. Check that it is up, then run again.")
        kind = LoginLost if self._has_worked else LoginRefused
        return kind(f"{self._endpoint} {problem}. {self._advice}")


def token_resource(
    root: str, username: str, password: str, post: Post, redactor: Redactor
) -> TokenLogin:
    """Epicor's own `TokenResource.svc`: a Basic login for a bearer token."""
    headers = {"Authorization": _basic(username, password), "Accept": "application/json"}
    return TokenLogin(
        lambda: post(f"{root}/TokenResource.svc/", headers, b""),
        redactor,
        "The token endpoint TokenResource.svc",
        "Check `username` and `password`, and that `api_url` is the root of the instance.",
    )


def client_credentials(
    token_url: str, client_id: str, secret: str, scope: str | None, post: Post, redactor: Redactor
) -> TokenLogin:
    """OAuth 2 client credentials (Epicor Identity, Entra ID)."""
    return TokenLogin(
        _ClientCredentials(token_url, client_id, secret, scope, post),
        redactor,
        "The token endpoint of `oauth_token_url`",
        "Check `oauth_token_url`, `oauth_client_id`, `oauth_client_secret` and `oauth_scope`.",
    )


class _ClientCredentials:
    """Asks for a token: the secret in the body first, then as a Basic header; some take only one.

    The way that worked is kept, so that a renewal costs one request.
    """

    def __init__(
        self, token_url: str, client_id: str, secret: str, scope: str | None, post: Post
    ) -> None:
        self._url = token_url
        self._post = post
        form = {"grant_type": "client_credentials", **({"scope": scope} if scope else {})}
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        # RFC 6749, 2.3.1: one way at a time, and both parts of the header form-encoded.
        in_header = {**headers, "Authorization": _basic(quote_plus(client_id), quote_plus(secret))}
        in_body = {**form, "client_id": client_id, "client_secret": secret}
        self._ways = [(headers, _encoded(in_body)), (in_header, _encoded(form))]

    def __call__(self) -> Answer:
        """The endpoint's answer, a refusal only when no way worked."""
        first: Answer | None = None
        for way in self._ways:
            answer = self._post(self._url, *way)
            if answer.status == _OK:
                self._ways = [way]
                return answer
            first = first or answer
            if answer.status not in {_BAD_REQUEST, _UNAUTHORIZED}:
                break  # not a matter of where the secret stands
        assert first is not None  # noqa: S101 - there is always a way left
        return first


def _encoded(form: dict[str, str]) -> bytes:
    return urlencode(form).encode()


def _read_token(body: bytes) -> _Token:
    """A token answer is JSON, or `<Token><AccessToken>` XML from older servers."""
    try:
        return msgspec.json.decode(body, type=_Token, strict=False)
    except (ValueError, RecursionError):  # of msgspec's, or text that is no UTF-8
        pass
    from defusedxml import DefusedXmlException, ElementTree  # noqa: PLC0415 - rarely needed

    try:
        root = ElementTree.fromstring(body)
    except (ElementTree.ParseError, DefusedXmlException, LookupError, ValueError):
        return _Token()
    fields = {node.tag.rpartition("}")[2]: (node.text or "").strip() for node in root.iter()}
    try:
        return msgspec.convert(
            {name: value for name, value in fields.items() if value}, _Token, strict=False
        )
    except msgspec.ValidationError:  # a life that is no number; the token counts all the same
        return _Token(AccessToken=fields.get("AccessToken"))


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _basic(username: str, password: str) -> str:
    return "Basic " + b64encode(f"{username}:{password}".encode()).decode()
