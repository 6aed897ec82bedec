"""The JSON web token with which a connected app vouches for a user."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import jwt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .config import ConnectedApp

_LIFE_SECONDS = 300
"""Tableau takes ten minutes at most."""


def web_token(app: ConnectedApp, scopes: Iterable[str], now: float) -> str:
    """A new one: Tableau takes each only once.

    Args:
        app: who signs it.
        scopes: what the session may do.
        now: seconds since 1970, by Tableau's clock.
    """
    return jwt.encode(
        {
            "iss": app.client_id,
            "sub": app.username,
            "aud": "tableau",
            "jti": str(uuid.uuid4()),
            "exp": int(now) + _LIFE_SECONDS,
            "scp": list(scopes),
        },
        app.secret,
        algorithm="HS256",
        headers={"kid": app.secret_id, "iss": app.client_id},
    )
