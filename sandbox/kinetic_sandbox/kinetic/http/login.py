"""Who may ask: user and password or a bearer token, and the API key on top."""

from __future__ import annotations

import base64
import binascii
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from kinetic_sandbox.kinetic.faults import key_refused, login_refused
from kinetic_sandbox.kinetic.http.answers import XML, Answer, json_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kinetic_sandbox.kinetic.http.vices import Vices

USERNAME = "manager"
PASSWORD = "Epicor123!x"  # noqa: S105 - made up, and meant to be recognised in leaks
API_KEY = "sbxkey-7f3a91c4e2d84b60"
CLIENT_ID = "kinetic-elt"
CLIENT_SECRET = "sbxsecret-52c07e91"  # noqa: S105 - as above

_LIFE_SECONDS = 3600


@dataclass
class TokenHabits:
    """How this installation's token endpoints differ from others'; may change while it runs."""

    instead: Answer | None = None
    """What both endpoints answer in place of a token."""
    always_xml: bool = False
    """`TokenResource.svc` answers in XML, whatever was asked for."""
    namespace: str = ""
    """The XML namespace of that answer."""
    life_field: str = "ExpiresIn"
    """What `TokenResource.svc` calls the seconds; empty: it does not tell them."""


@dataclass
class Login:
    """Checks credentials and hands out tokens."""

    companies: tuple[str, ...]
    vices: Vices
    habits: TokenHabits = field(default_factory=TokenHabits)
    trusted: list[Callable[[str], bool]] = field(default_factory=list)
    """Other issuers of tokens; each tells whether a token of its own still holds."""
    _tokens: dict[str, tuple[float, int]] = field(default_factory=dict)
    """Until when each token holds, and how often tokens had been expired when it was issued."""

    def check(self, headers: Mapping[str, str], query: Mapping[str, str], company: str) -> None:
        """Let a request pass or raise the 401 that it deserves: login first, then the key."""
        scheme, _, credential = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            token = credential.strip()
            is_known = self._is_current(token) or any(holds(token) for holds in self.trusted)
        else:
            is_known = not self.vices.get("refuse_login") and read_basic(headers) == (
                USERNAME,
                PASSWORD,
            )
        if not is_known:
            raise login_refused()
        key = headers.get("x-api-key") or query.get("api-key", "")
        # The key is looked up per company: an unknown company is told as a bad key.
        if self.vices.get("refuse_key") or key != API_KEY or company not in self.companies:
            raise key_refused(key, company)

    def token_resource(self, headers: Mapping[str, str]) -> Answer:
        """Exchange user and password, from Basic or from bare headers, for a token."""
        if self.habits.instead is not None:
            return self.habits.instead
        bare = (headers.get("username", ""), headers.get("password", ""))
        known = (USERNAME, PASSWORD)
        if known not in (read_basic(headers), bare) or self.vices.get("refuse_login"):
            raise login_refused()
        token, life = self._issue()
        fields: dict[str, str | float] = {"AccessToken": token, "TokenType": "Bearer"}
        if self.habits.life_field:
            fields[self.habits.life_field] = life
        if "json" in headers.get("accept", "") and not self.habits.always_xml:
            return json_answer(fields)
        inner = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
        namespace = f' xmlns="{self.habits.namespace}"' if self.habits.namespace else ""
        return Answer(200, f"<Token{namespace}>{inner}</Token>".encode(), XML)

    def client_credentials(self, headers: Mapping[str, str], body: str) -> Answer:
        """Exchange a client's secret for a token, as an identity provider does."""
        if self.habits.instead is not None:
            return self.habits.instead
        form = {name: values[-1] for name, values in parse_qs(body).items()}
        if form.get("grant_type") != "client_credentials":
            return json_answer({"error": "unsupported_grant_type"}, 400)
        posted = (form.get("client_id", ""), form.get("client_secret", ""))
        is_known = (CLIENT_ID, CLIENT_SECRET) in (read_basic(headers), posted)
        if not is_known or self.vices.get("refuse_login"):
            return json_answer({"error": "invalid_client"}, 401)
        token, life = self._issue()
        return json_answer({"access_token": token, "expires_in": life, "token_type": "Bearer"})

    def _issue(self) -> tuple[str, float]:
        life = self.vices.get("token_ttl") or _LIFE_SECONDS
        token = f"sbxtoken-{len(self._tokens) + 1:04d}-b1946ac92492d2347c6235b4d2611184"
        self._tokens[token] = (time.monotonic() + life, self.vices.times_done("expire_tokens"))
        return token, life

    def _is_current(self, token: str) -> bool:
        until, expiries = self._tokens.get(token, (0.0, 0))
        return until > time.monotonic() and expiries == self.vices.times_done("expire_tokens")


def read_basic(headers: Mapping[str, str]) -> tuple[str, str]:
    """User and password of a Basic header with a lower-case name; empty where there is none."""
    scheme, _, credential = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(credential, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password
