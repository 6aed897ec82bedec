"""Settings judged once: what the rest of the loader may rely on."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

from kinetic_batches.settings import ConfigError, Settings

from .settings import SETTINGS
from .statements import Name

if TYPE_CHECKING:
    from collections.abc import Mapping

LOADER = Settings("target-databricks", SETTINGS)
_ACCOUNT_HOSTS = {
    ".azuredatabricks.net": "accounts.azuredatabricks.net",
    ".gcp.databricks.com": "accounts.gcp.databricks.com",
    ".cloud.databricks.com": "accounts.cloud.databricks.com",
}


@dataclass(frozen=True)
class Login:
    """A token, or a service principal whose tokens come from `token_host`."""

    token: str | None = field(default=None, repr=False)
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    token_host: str = ""
    account_id: str | None = None


@dataclass(frozen=True)
class Config:
    """What a load needs to know; see `settings.py` for what each means."""

    host: str
    http_path: str
    login: Login
    catalog: str
    schema: str
    volume: str
    table_names: Mapping[str, str]
    append_streams: tuple[str, ...]
    hard_delete: bool
    cluster_by_key: bool
    partition_by: Mapping[str, str]
    batch_size_rows: int
    retry_deadline_seconds: int

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Config:
        """Judge the settings.

        Raises:
            ConfigError: naming the setting that is missing, unknown or wrong.
        """
        values = LOADER.judged(given)
        for name in ("host", "http_path", "catalog"):
            if not values[name]:
                raise ConfigError(f"`{name}` is missing: {LOADER.declared[name]['description']}")
        host = _host(values["host"])
        for name in ("catalog", "schema", "volume"):
            Name.checked(values[name], f"`{name}`")
        return cls(
            host=host,
            http_path=values["http_path"],
            login=_login(values, host),
            catalog=values["catalog"],
            schema=values["schema"],
            volume=values["volume"],
            table_names=values["table_names"],
            append_streams=tuple(values["append_streams"]),
            hard_delete=values["hard_delete"],
            cluster_by_key=values["cluster_by_key"],
            partition_by=values["partition_by"],
            batch_size_rows=values["batch_size_rows"],
            retry_deadline_seconds=values["retry_deadline_seconds"],
        )

    def table(self, stream: str) -> Name:
        """Where a stream goes."""
        name = self.table_names.get(stream, stream)
        Name.checked(name, f"the table of stream {stream} (`table_names` can give another)")
        return Name(self.catalog, self.schema, name)

    def appends(self, stream: str) -> bool:
        """Whether each record of a stream is a row of its own, whatever its key."""
        return any(fnmatch(stream, glob) for glob in self.append_streams)


def _host(text: str) -> str:
    """Without what an address line of a browser adds."""
    return text.strip().removeprefix("https://").partition("/")[0].partition("?")[0]


def _login(values: Mapping[str, Any], host: str) -> Login:
    given = [name for name in ("client_id", "client_secret") if values[name]]
    if values["token"]:
        if given:
            raise ConfigError(f"`token` and `{given[0]}` are both set; keep one way to log in")
        return Login(token=values["token"])
    if len(given) < 2:  # noqa: PLR2004 - id and secret
        raise ConfigError(
            "no login: set `client_id` and `client_secret` of a service principal, or `token`"
        )
    token_host = host
    if values["account_id"]:
        known = (account for end, account in _ACCOUNT_HOSTS.items() if host.endswith(end))
        token_host = _host(values["account_host"] or next(known, ""))
        if not token_host:
            raise ConfigError(f"`account_host` is missing: {host} does not tell which one it is")
    return Login(
        client_id=values["client_id"],
        client_secret=values["client_secret"],
        token_host=token_host,
        account_id=values["account_id"],
    )
