"""Settings become a client: which login, which headers, which patience."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from . import __version__
from .errors import SettingsError
from .kinetic.budget import Budget
from .kinetic.client import KineticClient
from .kinetic.licence import licence_header
from .kinetic.login import BasicLogin, client_credentials, token_resource
from .kinetic.proxies import proxy_secrets
from .kinetic.redaction import Redactor
from .kinetic.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from .config import TapConfig
    from .kinetic.login import Login


def connect(
    settings: TapConfig,
    *,
    sleep: Callable[[float], None] = time.sleep,
    is_stopped: Callable[[], object] = lambda: None,
) -> KineticClient:
    """A client of the tenant; sends nothing yet.

    Args:
        settings: who and where.
        sleep: waits between two tries; may raise to stop.
        is_stopped: looked at while waiting for a slot; may raise to stop.

    Raises:
        SettingsError: when `ca_bundle` cannot be used.
    """
    secrets = (settings.api_key, settings.password, settings.oauth_client_secret)
    redactor = Redactor(*secrets, *proxy_secrets())
    license_header = licence_header(settings.claimed_license) if settings.claimed_license else {}
    client = KineticClient(
        settings.api_url,
        transport=_transport(settings),
        fixed_headers={
            "User-Agent": f"tap-epicor-kinetic/{__version__}",
            **({"x-api-key": settings.api_key} if settings.api_key else {}),
            **license_header,
        },
        redactor=redactor,
        deadline_seconds=settings.retry_deadline_seconds,
        budget=Budget(settings.max_concurrency, is_stopped),
        sleep=sleep,
    )
    client.login = _login(settings, client, redactor)
    return client


def _transport(settings: TapConfig) -> Transport:
    try:
        return Transport(
            settings.api_url,
            timeout_seconds=settings.request_timeout_seconds,
            ca_bundle=settings.ca_bundle,
            tls_verify=settings.tls_verify,
            connections=settings.max_concurrency,
        )
    except OSError as error:
        raise SettingsError(f"`ca_bundle` {settings.ca_bundle} cannot be used: {error}.") from error


def _login(settings: TapConfig, client: KineticClient, redactor: Redactor) -> Login:
    if settings.auth_method == "oauth2":
        return client_credentials(
            settings.oauth_token_url or "",
            settings.oauth_client_id or "",
            settings.oauth_client_secret or "",
            settings.oauth_scope,
            client.post,
            redactor,
        )
    username, password = settings.username or "", settings.password or ""
    if settings.auth_method == "token_resource":
        return token_resource(settings.api_url, username, password, client.post, redactor)
    return BasicLogin(username, password)
