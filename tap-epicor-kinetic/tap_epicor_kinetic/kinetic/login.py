"""The ways in: what goes into each request's headers, and how a login is renewed."""

from __future__ import annotations

import time
from base64 import b64encode
from threading import Lock
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlencode

import msgspec
from defusedxml import ElementTree

from tap_epicor_kinetic.errors import LoginLost, LoginRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from .redaction import Redactor
    from .transport import Answer

    Post = Callable[[str, dict[str, str], bytes], Answer]

_EARLY_SECONDS = 60
"""A token is renewed this long before its end: a request may be slow, clocks differ."""
_DEFAULT_LIFE_SECONDS = 1200
"""Assumed where the answer names no `ExpiresIn`; sources speak of 20 minutes to 8 hours."""
_OK = 200


class Login(Protocol):
    """What the client asks of a way in."""

    def headers(self) -> dict[str, str]:
        """The headers that carry this login; may talk to a token endpoint first."""

    def renew(self) -> bool:
        """Forget a login that was just refused; False where a new one would be the same."""


class BasicLogin:
    """User and password on each call; works for native Epicor users only."""

    def __init__(self, username: str, password: str) -> None:
        self._header = _basic(username, password)

    def headers(self) -> dict[str, str]:
        """The same header each time."""
        return {"Authorization": self._header}

    def renew(self) -> bool:
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
        redactor: learns each token.
        advice: what to check when the endpoint refuses.
    """

    def __init__(self, fetch: Callable[[], Answer], redactor: Redactor, advice: str) -> None:
        self._fetch = fetch
        self._redactor = redactor
        self._advice = advice
        self._lock = Lock()
        self._token: str | None = None
        self._renew_at = 0.0
        self._has_worked = False

    def headers(self) -> dict[str, str]:
        """The current token, or a new one."""
        with self._lock:
            if self._token is None or time.monotonic() >= self._renew_at:
                self._token, life = self._new()
                # A short-lived token is used for half its life rather than never.
                self._renew_at = time.monotonic() + max(life - _EARLY_SECONDS, life / 2)
            return {"Authorization": f"Bearer {self._token}"}

    def renew(self) -> bool:
        """The next call fetches a new token."""
        with self._lock:
            self._token = None
        return True

    def _new(self) -> tuple[str, float]:
        answer = self._fetch()
        if answer.status != _OK:
            refused = LoginLost if self._has_worked else LoginRefused
            raise refused(f"The token endpoint answered HTTP {answer.status}. {self._advice}")
        token = _read_token(answer.body)
        value = token.AccessToken or token.access_token
        if not value:
            raise LoginRefused(f"The token endpoint's answer holds no access token. {self._advice}")
        self._has_worked = True
        self._redactor.learn(value)
        return value, token.ExpiresIn or token.expires_in or _DEFAULT_LIFE_SECONDS


def token_resource(
    root: str, username: str, password: str, post: Post, redactor: Redactor
) -> TokenLogin:
    """Epicor's own `TokenResource.svc`: a Basic login for a bearer token."""
    headers = {"Authorization": _basic(username, password), "Accept": "application/json"}
    return TokenLogin(
        lambda: post(f"{root}/TokenResource.svc/", headers, b""),
        redactor,
        "Check `username` and `password`.",
    )


def client_credentials(
    token_url: str, client_id: str, secret: str, scope: str | None, post: Post, redactor: Redactor
) -> TokenLogin:
    """OAuth 2 client credentials (Epicor Identity, Entra ID)."""
    form = {"grant_type": "client_credentials", "client_id": client_id}
    if scope:
        form["scope"] = scope
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}

    def fetch() -> Answer:
        """The secret in the body first, then as a Basic header: servers take one or the other."""
        in_body = urlencode({**form, "client_secret": secret}).encode()
        answer = post(token_url, headers, in_body)
        if answer.status == _OK:
            return answer
        in_header = {**headers, "Authorization": _basic(client_id, secret)}
        return post(token_url, in_header, urlencode(form).encode())

    return TokenLogin(
        fetch,
        redactor,
        "Check `oauth_token_url`, `oauth_client_id`, `oauth_client_secret` and `oauth_scope`.",
    )


def _read_token(body: bytes) -> _Token:
    """A token answer is JSON, or `<Token><AccessToken>` XML from older servers."""
    try:
        return msgspec.json.decode(body, type=_Token, strict=False)
    except msgspec.DecodeError:
        pass
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        return _Token()
    fields = {node.tag.rpartition("}")[2]: node.text for node in root.iter()}
    expires = fields.get("ExpiresIn")
    return _Token(
        AccessToken=fields.get("AccessToken"),
        ExpiresIn=float(expires) if expires and expires.strip().isdigit() else None,
    )


def _basic(username: str, password: str) -> str:
    return "Basic " + b64encode(f"{username}:{password}".encode()).decode()
