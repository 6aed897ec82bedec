"""An identity provider on a host of its own: client credentials for tokens, at one address."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote_plus

from kinetic_sandbox.kinetic.http.answers import Answer, html_answer, json_answer, wire_bytes
from kinetic_sandbox.kinetic.http.login import CLIENT_ID, CLIENT_SECRET, read_basic
from kinetic_sandbox.loopback import LoopbackServer, LoopbackService

_PATH = "/contoso/oauth2/v2.0/token"


@dataclass(frozen=True)
class TokenRequest:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    form: dict[str, str]
    status: int


@dataclass
class Habits:
    """What providers differ in; may change while it runs."""

    credentials_in: str = "body or header"
    """Where the client's secret is taken from: `body`, `header`, or both."""
    scope: str | None = None
    """The scope that has to be asked for."""
    refusal_status: int = 401
    life_seconds: float = 3600
    instead: Answer | None = None
    """What is answered in place of a token."""


@dataclass
class IdentityProvider(LoopbackService):
    """Issues tokens from entering the context until leaving it; `holds` goes to those who trust it.

    Args:
        habits: see `Habits`.
    """

    habits: Habits = field(default_factory=Habits)
    requests: list[TokenRequest] = field(default_factory=list)
    _until: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        server = _HttpServer(("127.0.0.1", 0), _Handler)
        server.owner = self
        super().__init__(server)

    @property
    def token_url(self) -> str:
        """The address of the token endpoint."""
        return f"http://127.0.0.1:{self.port}{_PATH}"

    def holds(self, token: str) -> bool:
        """Whether a token was issued here and has not expired."""
        return self._until.get(token, 0.0) > time.monotonic()

    def revoke(self) -> None:
        """Let every token that was issued so far expire at once."""
        self._until.clear()

    def answer(self, method: str, path: str, headers: dict[str, str], body: str) -> Answer:
        """Answer one request and keep it."""
        form = {name: values[-1] for name, values in parse_qs(body).items()}
        answer = self._judged(method, path, headers, form)
        self.requests.append(TokenRequest(method, path, headers, form, answer.status))
        return answer

    def _judged(
        self, method: str, path: str, headers: dict[str, str], form: dict[str, str]
    ) -> Answer:
        habits = self.habits
        if habits.instead is not None:
            return habits.instead
        if method != "POST" or path != _PATH:
            return html_answer(404, "There is nothing here.")
        if form.get("grant_type") != "client_credentials":
            return json_answer({"error": "unsupported_grant_type"}, 400)
        # The header's two parts are form-encoded before they are joined (RFC 6749, 2.3.1).
        user, secret = map(unquote_plus, read_basic(headers))
        offers = {
            "header": (user, secret),
            "body": (form.get("client_id", ""), form.get("client_secret", "")),
        }
        taken = [offer for place, offer in offers.items() if place in habits.credentials_in]
        if (CLIENT_ID, CLIENT_SECRET) not in taken:
            return json_answer({"error": "invalid_client"}, habits.refusal_status)
        if habits.scope is not None and form.get("scope") != habits.scope:
            return json_answer({"error": "invalid_scope"}, 400)
        token = f"idptoken-{len(self.requests) + 1:04d}-5eb63bbbe01eeed093cb22bb8f5acdc3"
        self._until[token] = time.monotonic() + habits.life_seconds
        return json_answer({"access_token": token, "expires_in": habits.life_seconds})


class _HttpServer(LoopbackServer):
    owner: IdentityProvider


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _HttpServer

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode() if length else ""
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.owner.answer(self.command, self.path, headers, body)
        if answer.status:
            self.wfile.write(wire_bytes(answer, datetime.now(timezone.utc)))
        else:
            self.close_connection = True

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing; what was asked stands in `requests`."""
