"""Signing in: by personal access token, by a connected app's JSON web token, by password."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from typing import TYPE_CHECKING, Any

from kinetic_sandbox.tableau.call import Done, Refused
from kinetic_sandbox.tableau.xml import Element, element

if TYPE_CHECKING:
    from kinetic_sandbox.tableau.deployment import Tableau
    from kinetic_sandbox.tableau.people import ConnectedApp, Session, User
    from kinetic_sandbox.tableau.sites import Site

LONGEST = 600
"""Seconds that a JSON web token may live."""


def signed_in(tableau: Tableau, request: Element | None) -> tuple[Session, Done]:
    """Begin a session.

    Raises:
        Refused: 401001 without a reason, as the server does; 404 for an unknown site.
    """
    credentials = None if request is None else request.find("credentials")
    place = None if credentials is None else credentials.find("site")
    if credentials is None or place is None:
        raise Refused("400000", "credentials with a site are expected")
    site = tableau.site(place.get("contentUrl") or "")
    opened = _opened(tableau, site, credentials)
    hours, rest = divmod(int(tableau.session_seconds), 3600)
    told = element(
        "credentials",
        (element("site", id=site.id, contentUrl=site.content_url),
         element("user", id=opened.user.id)),
        token=opened.token,
        estimatedTimeToExpiration=f"{hours:02}:{rest // 60:02}:{rest % 60:02}",
    )  # fmt: skip
    return opened, Done((told,))


def _opened(tableau: Tableau, site: Site, credentials: Element) -> Session:
    if name := credentials.get("personalAccessTokenName"):
        secret = credentials.get("personalAccessTokenSecret") or ""
        for user in tableau.users:
            if _is_on(user, site) and _same(user.tokens.get(name), secret):
                return tableau.open_session(user, site, access_token=name)
        raise Refused("401001")
    if token := credentials.get("jwt"):
        user, scopes = _of_token(tableau, site, token)
        return tableau.open_session(user, site, scopes=scopes)
    if tableau.takes_passwords:
        for user in tableau.users:
            password = credentials.get("password") or ""
            is_him = user.name == credentials.get("name") and _same(user.password, password)
            if is_him and _is_on(user, site):
                return tableau.open_session(user, site)
    raise Refused("401001")


def _is_on(user: User, site: Site) -> bool:
    return user.sites is None or site.content_url in user.sites


def _same(known: str | None, given: str) -> bool:
    return known is not None and secrets.compare_digest(known.encode(), given.encode())


def _of_token(tableau: Tableau, site: Site, token: str) -> tuple[User, frozenset[str]]:
    parts = token.split(".")
    try:
        header, claims = (json.loads(_decoded(each)) for each in parts[:2])
        signature = _decoded(parts[2])
    except (ValueError, IndexError, binascii.Error):
        raise Refused("401001") from None
    issuer = claims.get("iss", header.get("iss"))
    app = next((each for each in tableau.apps if each.client_id == issuer), None)
    user = next((each for each in tableau.users if each.name == claims.get("sub")), None)
    if app is None or user is None or not _is_on(user, site):
        raise Refused("401001")
    is_signed = _is_signed(app, header, ".".join(parts[:2]).encode(), signature)
    is_current = _is_current(claims, tableau.now())
    token_id = claims.get("jti")
    if not (is_signed and is_current and token_id) or token_id in tableau.used_tokens:
        raise Refused("401001")
    tableau.used_tokens.add(token_id)
    return user, frozenset(claims.get("scp", ()))


def _is_signed(app: ConnectedApp, header: dict[str, Any], signed: bytes, signature: bytes) -> bool:
    secret = app.secrets.get(header.get("kid", ""))
    if secret is None or not app.is_enabled:
        return False
    expected = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return hmac.compare_digest(expected, signature)


def _is_current(claims: dict[str, Any], now: float) -> bool:
    ends, audience = claims.get("exp"), claims.get("aud")
    is_ours = audience == "tableau" or (isinstance(audience, list) and "tableau" in audience)
    return is_ours and isinstance(ends, (int, float)) and 0 < ends - now <= LONGEST + 1


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
