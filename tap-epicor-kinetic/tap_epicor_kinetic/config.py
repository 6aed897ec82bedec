"""The settings, judged once at the edge, as a typed value; below this nobody sees a dict."""

from __future__ import annotations

import ipaddress
import logging
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from .errors import SettingsError
from .odata.timestamps import Timestamp, parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger("tap-epicor-kinetic")

_NEEDED_BY = {
    "basic": ("username", "password"),
    "token_resource": ("username", "password"),
    "oauth2": ("oauth_token_url", "oauth_client_id", "oauth_client_secret"),
}


@dataclass(frozen=True)
class StreamOptions:
    """What a user overrides for one stream; None leaves it to discovery."""

    service: str | None = None
    entity_set: str | None = None
    replication_key: str | None = None
    closed_when: str | None = None
    filter: str | None = None
    page_size: int | None = None


@dataclass(frozen=True)
class TapConfig:
    """Every setting that the tap acts on, spelled as in `settings.py`; secrets are not shown."""

    api_url: str
    companies: tuple[str, ...]
    auth_method: str
    closed_records: str
    decimal_format: str
    page_size: int
    lookback_seconds: int
    request_timeout_seconds: int
    retry_deadline_seconds: int
    tls_verify: bool
    api_key: str | None = field(default=None, repr=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    oauth_token_url: str | None = None
    oauth_client_id: str | None = None
    oauth_client_secret: str | None = field(default=None, repr=False)
    oauth_scope: str | None = None
    start_date: Timestamp | None = None
    ca_bundle: str | None = None
    stream_options: Mapping[str, StreamOptions] = field(default_factory=dict)
    run_log_path: str | None = None

    @property
    def leaves_closed_out(self) -> bool:
        """True where closed records are kept out and retracted."""
        return self.closed_records == "exclude"

    def options_of(self, stream: str) -> StreamOptions:
        """The overrides of one stream."""
        return self.stream_options.get(stream, StreamOptions())


def read_config(raw: Mapping[str, Any]) -> TapConfig:
    """Judge settings that passed the JSON schema.

    Raises:
        SettingsError: names the setting, what is wrong with it and what would be right.
    """
    companies = _companies(raw["companies"])
    missing = [name for name in _NEEDED_BY[raw["auth_method"]] if not raw.get(name)]
    if missing:
        names = " and ".join(f"`{name}`" for name in missing)
        raise SettingsError(f"`auth_method: {raw['auth_method']}` needs {names}: set it.")
    if not raw.get("api_key"):
        logger.warning("`api_key` is not set; Kinetic's REST v2 asks for one by default")
    if not raw["tls_verify"]:
        logger.warning("`tls_verify: false`: anyone on the way can read and change this traffic")
    kept = TapConfig.__dataclass_fields__.keys() & raw.keys()
    return TapConfig(
        **{
            **{name: raw[name] for name in kept},
            "api_url": _root(raw["api_url"], companies),
            "companies": companies,
            "start_date": _start_date(raw.get("start_date")),
            "stream_options": {
                name: StreamOptions(**options)
                for name, options in (raw.get("stream_options") or {}).items()
            },
        }
    )


def _companies(codes: list[str]) -> tuple[str, ...]:
    stripped = tuple(dict.fromkeys(code.strip() for code in codes))
    if not stripped or not all(stripped):
        raise SettingsError('`companies` needs at least one company code, such as ["EPIC06"].')
    return stripped


def _start_date(text: str | None) -> Timestamp | None:
    if not text:
        return None
    try:
        return parse_timestamp(text)
    except ValueError as error:
        raise SettingsError(f"`start_date`: {error}; write 2024-01-01T00:00:00Z.") from error


def _root(pasted: str, companies: tuple[str, ...]) -> str:
    """The root of the instance; `https://host/x/api/v2/odata/EPIC06/…` is cut before `/api/`."""
    parts = urlsplit(pasted.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        shown = "" if set("@?") & set(pasted) else f" {pasted!r}"  # may hold a login or key
        raise SettingsError(
            f"`api_url`{shown} is not an address; "
            "write https://host/instance, as in the address of the Kinetic client."
        )
    if parts.username or parts.password:
        raise SettingsError(
            "`api_url` holds a user or password; set `username` and `password` instead."
        )
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        logger.warning("`api_url` is http: login and data travel unencrypted; use https")
    path, _, below = f"{parts.path}/".partition("/api/")
    if match := re.match(r"v2/(?:odata|efx)/([^/]+)/", below):
        company = unquote(match[1])
        if company not in companies:
            raise SettingsError(
                f"`api_url` names company {company!r}, which is not in `companies` "
                f"({', '.join(companies)}); add it there or shorten the address."
            )
    return f"{parts.scheme}://{parts.netloc}{path.rstrip('/')}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
