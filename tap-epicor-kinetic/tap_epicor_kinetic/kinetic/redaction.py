"""Takes secrets out of text: Kinetic echoes the API key in its 401, so all its words pass here."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from html import escape
from urllib.parse import quote, quote_plus

_MASK = "***"
_SHORTEST = 4
"""Shorter secrets would blank out ordinary words; the patterns below still catch them."""

_PATTERNS = (
    (re.compile(r"(Invalid API Key )[^\s<\"\\]+?(?=\.?(?:\\r|\\n|\s|\"|<|$))"), rf"\1{_MASK}"),
    (re.compile(r"(api-?key[\"']?\s*[=:]\s*[\"']?)[^\s&\"',}]+", re.IGNORECASE), rf"\1{_MASK}"),
    (re.compile(r"\b(Basic|Bearer)\s+[A-Za-z0-9+/=._~-]{8,}"), rf"\1 {_MASK}"),
    (re.compile(r"(//[^/\s:@]*:)[^/\s]+@"), rf"\1{_MASK}@"),
)

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_ESCAPES = re.compile(r"%[0-9A-F]{2}")


class Redactor:
    """Knows the secrets of one run, in the spellings in which they travel."""

    def __init__(self, *secrets: str | None) -> None:
        self._spellings: set[str] = set()
        for secret in secrets:
            self.learn(secret)

    def learn(self, secret: str | None) -> None:
        """Add a secret that was found out later, such as an access token."""
        if not secret or len(secret) < _SHORTEST:
            return
        percent = {quote(secret, safe=""), quote_plus(secret)}
        self._spellings |= {
            secret,
            b64encode(secret.encode()).decode(),
            json.dumps(secret)[1:-1],
            escape(secret),
            *percent,
            *(_ESCAPES.sub(lambda found: found[0].lower(), text) for text in percent),
        }

    def __call__(self, text: str) -> str:
        """The text without secrets, and without what a terminal would act on."""
        for spelling in sorted(self._spellings, key=len, reverse=True):
            text = text.replace(spelling, _MASK)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return _CONTROLS.sub(" ", text)
