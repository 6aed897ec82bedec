"""Settings judged once: what the rest may rely on."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from kinetic_batches.settings import ConfigError, Settings, address, existing_file, of_file

from .settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

REFRESH = Settings("target-tableau-refresh", SETTINGS)
OLDEST_VERSION = (3, 13)
"""Of the REST API."""
_VERSION = re.compile(r"(\d+)\.(\d+)")
_SITE_ADDRESS = re.compile(r"#?/?site/([^/]+)")
_SHORTEST_SECRET = 3
"""A shorter text would be cut out of words."""
_JOB_TIMEOUT_MINUTES = 60


@dataclass(frozen=True)
class Token:
    """A personal access token."""

    name: str
    secret: str = field(repr=False)
    settings: ClassVar = "`token_name` and `token_secret`"


@dataclass(frozen=True)
class ConnectedApp:
    """A connected app that vouches for a user."""

    client_id: str
    secret_id: str
    secret: str = field(repr=False)
    username: str
    settings: ClassVar = "`client_id`, `secret_id`, `secret_value` and `username`"


@dataclass(frozen=True)
class Password:
    """A user of Tableau Server."""

    username: str
    secret: str = field(repr=False)
    settings: ClassVar = "`username` and `password`"


Login = Token | ConnectedApp | Password


@dataclass(frozen=True)
class Site:
    """A site and who signs in to it.

    Attributes:
        name: as rules call it; empty for the one of the settings themselves.
        content_url: as addresses have it; empty for the default site.
    """

    name: str
    content_url: str
    login: Login

    def __str__(self) -> str:
        return f"site {self.content_url}" if self.content_url else "the default site"


@dataclass(frozen=True)
class Rule:
    """Which streams refresh what.

    Attributes:
        site: name of one of `Config.sites`.
        project: path of a project, "" where `id` is given.
        on_error: fail, warn or ignore.
    """

    name: str
    streams: tuple[str, ...]
    kind: str
    project: str
    target: str
    id: str
    site: str
    always: bool
    min_interval_minutes: int
    after: tuple[str, ...]
    on_error: str
    incremental: bool
    job_timeout_minutes: int

    @property
    def title(self) -> str:
        """What it refreshes, as people call it."""
        path = "/".join(part for part in (self.project, self.target) if part)
        return f"{self.kind} {path or self.id}" + (f" of site {self.site}" if self.site else "")


@dataclass(frozen=True)
class Config:
    """What a run needs to know; see `settings.py` for what each means."""

    server_url: str
    api_version: str
    ca_bundle: str
    timeout_seconds: int
    sites: Mapping[str, Site]
    """By name; none where nobody signs in."""
    rules: tuple[Rule, ...]
    run_log_path: Path | None
    marks_path: Path
    audit_path: Path
    deadline_minutes: int
    poll_seconds: int
    max_concurrent: int
    cancel_on_stop: bool
    mode: str
    publish_folder: Path | None
    publish_project: str
    publish_as: str
    publish_deleted: str

    @property
    def secrets(self) -> tuple[str, ...]:
        """What may stand in no log."""
        held = (site.login.secret for site in self.sites.values())
        return tuple(each for each in held if len(each) > _SHORTEST_SECRET)

    @classmethod
    def read(cls, file: Path | None, environment: Mapping[str, str]) -> Config:
        """Settings of a JSON file and of TARGET_TABLEAU_REFRESH_* variables, which win.

        Raises:
            ConfigError: naming what is wrong.
        """
        given = of_file(file) if file else {}
        return cls.of({**given, **REFRESH.of_environment(environment)}, environment)

    @classmethod
    def of(cls, given: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> Config:
        """Judge the settings.

        Args:
            given: by name.
            environment: holds the secrets that `sites` names.

        Raises:
            ConfigError: naming the setting that is missing, unknown or wrong.
        """
        values = REFRESH.judged(given)
        sites = _sites(values, environment)
        return cls(
            server_url=_server_url(values),
            api_version=_api_version(values["api_version"]),
            ca_bundle=existing_file(values, "ca_bundle"),
            timeout_seconds=values["timeout_seconds"],
            sites=sites,
            rules=_rules(values["rules"], sites),
            run_log_path=Path(values["run_log_path"]) if values["run_log_path"] else None,
            marks_path=Path(values["marks_path"]),
            audit_path=Path(values["audit_path"]),
            deadline_minutes=values["deadline_minutes"],
            poll_seconds=values["poll_seconds"],
            max_concurrent=values["max_concurrent"],
            cancel_on_stop=values["cancel_on_stop"],
            mode=values["mode"],
            publish_folder=Path(values["publish_folder"]) if values["publish_folder"] else None,
            publish_project=(values["publish_project"] or "").strip("/"),
            publish_as=values["publish_as"],
            publish_deleted=values["publish_deleted"],
        )

    def need_server(self) -> None:
        """See that there is somebody to ask.

        Raises:
            ConfigError: naming what is missing.
        """
        if not self.server_url:
            raise ConfigError(
                "`server_url` is missing: https://host of Tableau, as in the address of its pages"
            )
        if "" not in self.sites and any(not rule.site for rule in self.rules):
            raise ConfigError(_NO_LOGIN)


_NO_LOGIN = (
    "there is no login: give `token_name` and `token_secret`; or `client_id`, `secret_id`, "
    "`secret_value` and `username` of a connected app; or `username` and `password`"
)


def _server_url(values: Mapping[str, Any]) -> str:
    parts = address(values, "server_url")
    if not parts:
        return ""
    if found := _SITE_ADDRESS.search(parts.fragment or parts.path):
        raise ConfigError(
            f"`server_url` is the address of a page: give https://{parts.netloc}, and "
            f"{found[1]} as `site`"
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _api_version(text: str | None) -> str:
    if not text:
        return ""
    found = _VERSION.fullmatch(text)
    if not found or (int(found[1]), int(found[2])) < OLDEST_VERSION:
        raise ConfigError(
            f"`api_version` has to be {'.'.join(map(str, OLDEST_VERSION))} or later, such as 3.24, "
            f"unlike {text!r}"
        )
    return text


def _sites(values: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Site]:
    own = _login(values, "")
    sites = {"": Site("", values["site"], own)} if own else {}
    for name, given in (values["sites"] or {}).items():
        if not name:
            raise ConfigError("`sites`: a name is empty")
        login = _login(_with_secrets(name, given, environment), f"`sites`, {name}: ") or own
        if login is None:
            raise ConfigError(f"`sites`, {name}: {_NO_LOGIN}")
        sites[name] = Site(name, given["site"], login)
    _check_tokens(sites.values())
    return sites


def _with_secrets(
    name: str, given: Mapping[str, Any], environment: Mapping[str, str]
) -> dict[str, Any]:
    """A site's login, its secrets taken from the variables that are named."""
    values = dict(given)
    for setting in ("token_secret", "secret_value", "password"):
        if variable := values.pop(f"{setting}_env", None):
            if not environment.get(variable):
                raise ConfigError(
                    f"`sites`, {name}: the variable {variable} that `{setting}_env` names is not "
                    "set"
                )
            values[setting] = environment[variable]
    return values


def _login(values: Mapping[str, Any], where: str) -> Login | None:
    """Who signs in; None where nothing of it is given.

    Raises:
        ConfigError: a part is missing.
    """

    def whole(*names: str) -> list[str]:
        if missing := [name for name in names if not values.get(name)]:
            raise ConfigError(f"{where}`{missing[0]}` is missing, which `{names[0]}` needs")
        return [values[name] for name in names]

    ways = [name for name in ("token_name", "client_id", "password") if values.get(name)]
    if len(ways) > 1:
        raise ConfigError(f"{where}`{ways[0]}` and `{ways[1]}` are two logins; take one away")
    match ways:
        case ["token_name"]:
            return Token(*whole("token_name", "token_secret"))
        case ["client_id"]:
            return ConnectedApp(*whole("client_id", "secret_id", "secret_value", "username"))
        case ["password"]:
            password, username = whole("password", "username")
            return Password(username, password)
    for name in ("token_secret", "secret_id", "secret_value"):
        if values.get(name):
            needed = "token_name" if name == "token_secret" else "client_id"
            raise ConfigError(f"{where}`{needed}` is missing, which `{name}` needs")
    if values.get("username"):
        raise ConfigError(f"{where}`password` is missing, which `username` needs")
    return None


def _check_tokens(sites: Iterable[Site]) -> None:
    """Tableau ends the session of a token when the token signs in again."""
    users: dict[Login, Site] = {}
    for site in sites:
        if isinstance(site.login, Token):
            other = users.setdefault(site.login, site)
            if other is not site:
                raise ConfigError(
                    f"{other} and {site} would sign in with one personal access token "
                    f"({site.login.name}), and each would end the other's session: give `sites`, "
                    f"{site.name} a token of its own"
                )


def _rules(given: Iterable[Mapping[str, Any]], sites: Mapping[str, Site]) -> tuple[Rule, ...]:
    rules = tuple(_rule(each, sites) for each in given or ())
    names = [rule.name for rule in rules]
    if doubled := next((name for name in names if names.count(name) > 1), None):
        raise ConfigError(f"`rules`: two are called {doubled}; give one of them another name")
    for rule in rules:
        if unknown := set(rule.after) - set(names):
            raise ConfigError(
                f"`rules`, rule {rule.name}: `after` names {min(unknown)}, which is no rule"
            )
    return rules


def _rule(given: Mapping[str, Any], sites: Mapping[str, Site]) -> Rule:
    where = f"`rules`, rule {given['name']}"
    rule = Rule(
        name=given["name"],
        streams=tuple(given.get("streams") or ()),
        kind=given.get("kind") or "datasource",
        project=(given.get("project") or "").strip("/"),
        target=given.get("target") or "",
        id=given.get("id") or "",
        site=given.get("site") or "",
        always=bool(given.get("always")),
        min_interval_minutes=given.get("min_interval_minutes") or 0,
        after=tuple(given.get("after") or ()),
        on_error=given.get("on_error") or "fail",
        incremental=bool(given.get("incremental")),
        job_timeout_minutes=given.get("job_timeout_minutes") or _JOB_TIMEOUT_MINUTES,
    )
    if not rule.streams and not rule.always:
        raise ConfigError(f'{where}: `streams` is missing, such as ["ap_*"]; or set `always`')
    if rule.kind == "task" and not rule.id:
        raise ConfigError(f"{where}: a task needs its `id`; `tableau-refresh list` shows it")
    if bool(rule.id) == bool(rule.target):
        raise ConfigError(f"{where}: give either `target`, a name, or `id`")
    if rule.target and not rule.project:
        raise ConfigError(
            f"{where}: `project` is missing, the path of {rule.target}'s project such as Finance/AP"
        )
    if rule.kind == "task" and rule.incremental:
        raise ConfigError(f"{where}: whether a task is incremental is said in Tableau")
    if rule.site and rule.site not in sites:
        raise ConfigError(f"{where}: `site` names {rule.site}, which is not in `sites`")
    return rule
