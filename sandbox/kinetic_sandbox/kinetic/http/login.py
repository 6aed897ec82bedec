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
    from collections.abc import Mapping

    from kinetic_sandbox.kinetic.http.vices import Vices

USERNAME = "manager"
PASSWORD = "Epicor123!x"  # noqa: S105 - made up, and meant to be recognised in leaks
API_KEY = "sbxkey-7f3a91c4e2d84b60"
CLIENT_ID = "kinetic-elt"
CLIENT_SECRET = "sbxsecret-52c07e91"  # noqa: S105 - as above

_LIFE_SECONDS = 3600


@dataclass
class Login:
    """Checks credentials and hands out tokens."""

    companies: tuple[str, ...]
    vices: Vices
    _tokens: dict[str, tuple[float, int]] = field(default_factory=dict)
    """Until when each token holds, and how often tokens had been expired when it was issued."""

    def check(self, headers: Mapping[str, str], query: Mapping[str, str], company: str) -> None:
        """Let a request pass or raise the 401 that it deserves: login first, then the key."""
        scheme, _, credential = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            is_known = self._is_current(credential.strip())
        else:
            is_known = not self.vices.get("refuse_login") and _basic(headers) == (
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
        bare = (headers.get("username", ""), headers.get("password", ""))
        if (USERNAME, PASSWORD) not in (_basic(headers), bare) or self.vices.get("refuse_login"):
            raise login_refused()
        token, life = self._issue()
        if "json" in headers.get("accept", ""):
            return json_answer({"AccessToken": token, "ExpiresIn": life, "TokenType": "Bearer"})
        body = (
            f"<Token><AccessToken>{token}</AccessToken><ExpiresIn>{life}</ExpiresIn>"
            "<TokenType>Bearer</TokenType></Token>"
        )
        return Answer(200, body.encode(), XML)

    def client_credentials(self, headers: Mapping[str, str], body: str) -> Answer:
        """Exchange a client's secret for a token, as an identity provider does."""
        form = {name: values[-1] for name, values in parse_qs(body).items()}
        if form.get("grant_type") != "client_credentials":
            return json_answer({"error": "unsupported_grant_type"}, 400)
        posted = (form.get("client_id", ""), form.get("client_secret", ""))
        is_known = (CLIENT_ID, CLIENT_SECRET) in (_basic(headers), posted)
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


def _basic(headers: Mapping[str, str]) -> tuple[str, str]:
    scheme, _, credential = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(credential, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password
