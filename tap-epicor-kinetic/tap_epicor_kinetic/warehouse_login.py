"""How a warehouse is logged in to: what its dialect does not take from the URL goes beside it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import sqlalchemy

from .errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_KEY_FILE = ("private_key_file", "private_key_file_pwd")
_KEY_VARIABLES = ("VERIFY_KEY_FILE", "VERIFY_KEY_PASSPHRASE")
_ACCOUNT = ("account_id", "account_host")
_CLOUD = re.compile(r"(cloud\.databricks\.com|gcp\.databricks\.com|azuredatabricks\.net)$")


def address(text: str, environment: Mapping[str, str]) -> sqlalchemy.URL:
    """A URL with the login of VERIFY_* variables, which may hold any characters.

    Raises:
        ArgumentError: it is no URL of SQLAlchemy.
        SettingsError: a password stands in it in a way that makes it part of the host.
    """
    url = sqlalchemy.make_url(text)
    if "@" in (url.host or ""):
        raise SettingsError(
            "`--database` has more than one @: write %40 for one that belongs to user or "
            "password, or give those as VERIFY_USER and VERIFY_PASSWORD."
        )
    key = dict(zip(_KEY_FILE, map(environment.get, _KEY_VARIABLES), strict=True))
    return url.set(
        username=environment.get("VERIFY_USER") or url.username,
        password=environment.get("VERIFY_PASSWORD") or url.password,
    ).update_query_dict({name: value for name, value in key.items() if value})


def engine(url: sqlalchemy.URL) -> sqlalchemy.Engine:
    """Makes the engine of a URL; connects nowhere.

    Raises:
        SettingsError: the URL lacks what the login needs.
        ImportError, NoSuchModuleError: a library is not installed.
    """
    kind = url.get_backend_name()
    if kind == "snowflake":
        # Its dialect wants what names a file beside the URL.
        beside = {name: url.query[name] for name in _KEY_FILE if name in url.query}
        return sqlalchemy.create_engine(url.difference_update_query(beside), connect_args=beside)
    if kind == "databricks":
        named: dict[str, Any] = {"user_agent_entry": "kinetic-elt", "enable_telemetry": False}
        if url.username not in (None, "", "token"):
            named["credentials_provider"] = _service_principal(url)
            url = url.set(username=None, password="")
        return sqlalchemy.create_engine(url.difference_update_query(_ACCOUNT), connect_args=named)
    return sqlalchemy.create_engine(url)


def _service_principal(url: sqlalchemy.URL) -> Callable[[], Callable[[], dict[str, str]]]:
    """User and password as a client's id and secret; Databricks' dialect itself knows tokens only.

    Tokens come from the workspace; with `account_id` behind the question mark, from the account.
    """
    # Its import takes a second, which is for those who need it.
    from databricks.sdk.core import Config, oauth_service_principal  # noqa: PLC0415

    account, account_host = (url.normalized_query.get(name, (None,))[-1] for name in _ACCOUNT)
    host = url.host
    if account:
        cloud = _CLOUD.search(url.host or "")
        host = account_host or (f"accounts.{cloud[1]}" if cloud else None)
    if not host:
        raise SettingsError(
            f"`--database` does not say which host gives the tokens of {url.username}: it needs a "
            "host that Databricks' clouds have, or `account_host` beside `account_id`."
        )

    def provider() -> Callable[[], dict[str, str]]:
        # The way in is named: the library would take others from DATABRICKS_* of the environment.
        config = Config(
            host=f"https://{host}",
            client_id=url.username,
            client_secret=url.password,
            account_id=account,
            auth_type="oauth-m2m",
        )
        headers: Callable[[], dict[str, str]] | None = oauth_service_principal(config)
        if headers is None:
            raise ValueError(f"{host} offers no OAuth for service principals")
        return headers

    return provider
