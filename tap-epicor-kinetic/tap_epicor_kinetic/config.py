"""The settings, judged once at the edge, as a typed value; below this nobody sees a dict."""

from __future__ import annotations

import ipaddress
import logging
import re
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from .audit import AUDIT_STREAM
from .business_objects import BUSINESS_OBJECTS, ROW_IDENT
from .errors import SettingsError
from .odata.timestamps import Timestamp, parse_timestamp
from .settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

logger = logging.getLogger("tap-epicor-kinetic")

_NEEDED_BY = {
    "basic": ("username", "password"),
    "token_resource": ("username", "password"),
    "oauth2": ("oauth_token_url", "oauth_client_id", "oauth_client_secret"),
}


_LICENSES = ("default", "web_service", "data_collection")
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_STREAM_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
_STREAM_NAME_RULE = "letters, digits and underscores, a letter first, at most 63 of them"


@dataclass(frozen=True)
class StreamOptions:
    """What a user sets for one stream; None leaves it to discovery."""

    service: str | None = None
    entity_set: str | None = None
    replication_key: str | None = None
    primary_keys: tuple[str, ...] | None = None
    closed_when: str | None = None
    filter: str | None = None
    page_size: int | None = None
    select: tuple[str, ...] | None = None
    read_method: str | None = None
    table: str | None = None


@dataclass(frozen=True)
class OwnObject:
    """An entry of `business_objects`; `options` hold service and entity set as well."""

    name: str
    service: str
    entity_set: str
    options: StreamOptions

    @property
    def setting(self) -> str:
        """Where a user finds it."""
        return f"business_objects.{self.name}"


@dataclass(frozen=True)
class Baq:
    """An entry of `baqs`.

    Attributes:
        id: as Epicor has it.
        primary_keys: columns of the BAQ that tell its rows apart.
        name: the stream.
        parameters: name and value pairs; a list repeats the name.
        replication_key: None reads the BAQ whole each time.
        bookmark_parameter: takes the replication key's value from which a run reads.
    """

    id: str
    primary_keys: tuple[str, ...]
    name: str
    parameters: tuple[tuple[str, str], ...] = ()
    replication_key: str | None = None
    bookmark_parameter: str | None = None

    @property
    def setting(self) -> str:
        """Where a user finds it."""
        return f"baqs.{self.id}"

    @property
    def options(self) -> StreamOptions:
        """What it has in common with any stream."""
        return StreamOptions(primary_keys=self.primary_keys, replication_key=self.replication_key)


_BAQ_STREAM_OPTIONS = ("filter", "page_size", "select")
"""What `stream_options` may say about a BAQ; the rest stands in `baqs` or has no meaning there."""


@dataclass(frozen=True)
class TapConfig:
    """Every setting that the tap acts on, spelled as in `settings.py`; secrets are not shown."""

    api_url: str
    companies: tuple[str, ...]
    auth_method: str
    closed_records: str
    column_naming: str
    decimal_format: str
    page_size: int
    max_concurrency: int
    lookback_seconds: int
    request_timeout_seconds: int
    retry_deadline_seconds: int
    tls_verify: bool
    sweep_every_hours: int
    sweep_limit_percent: int
    api_key: str | None = field(default=None, repr=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    oauth_token_url: str | None = None
    oauth_client_id: str | None = None
    oauth_client_secret: str | None = field(default=None, repr=False)
    oauth_scope: str | None = None
    start_date: Timestamp | None = None
    claimed_license: str | None = None
    ca_bundle: str | None = None
    business_objects: tuple[OwnObject, ...] = ()
    baqs: tuple[Baq, ...] = ()
    stream_options: Mapping[str, StreamOptions] = field(default_factory=dict)
    sensitive_columns: tuple[str, ...] = ()
    replay_since: Timestamp | None = None
    replay_until: Timestamp | None = None
    sweep_streams: tuple[str, ...] = ()
    sweep_path: str | None = None
    run_log_path: str | None = None
    sent_keys_path: str | None = None

    @property
    def leaves_closed_out(self) -> bool:
        """True where closed records are kept out and retracted."""
        return self.closed_records == "exclude"

    @property
    def has_snake_case_columns(self) -> bool:
        """True where columns are not sent under their source's names."""
        return self.column_naming == "snake_case"

    @property
    def own_streams(self) -> tuple[OwnObject | Baq, ...]:
        """The streams that the settings add, in their order."""
        return (*self.business_objects, *self.baqs)

    def options_of(self, stream: str) -> StreamOptions:
        """What was set for one stream: `stream_options` over the stream's own entry."""
        own = next((each.options for each in self.own_streams if each.name == stream), None)
        over = self.stream_options.get(stream, StreamOptions())
        if own is None:
            return over
        return replace(own, **dict(_given(over)))

    def where(self, stream: str, option: str) -> str:
        """How a user spells one option of a stream: `stream_options.vendors.filter`."""
        over = self.stream_options.get(stream, StreamOptions())
        own = next((each.setting for each in self.own_streams if each.name == stream), None)
        if own is None or getattr(over, option) is not None:
            return f"stream_options.{stream}.{option}"
        return f"{own}.{option}"


def with_defaults(given: Mapping[str, Any]) -> TapConfig:
    """Judge settings that passed the JSON schema; what is not given has its default.

    Raises:
        SettingsError: names the setting, what is wrong with it and what would be right.
    """
    properties = SETTINGS["properties"]
    defaults = {n: schema["default"] for n, schema in properties.items() if "default" in schema}
    return read_config({**defaults, **{n: v for n, v in given.items() if v is not None}})


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
    since, until = (_moment(raw, name) for name in ("replay_since", "replay_until"))
    _check_replay(since, until)
    if raw.get("sweep_streams") and not raw.get("sweep_path"):
        raise SettingsError("`sweep_streams` needs `sweep_path`, a folder that outlives the run.")
    own = tuple(map(_own_object, raw.get("business_objects") or ()))
    baqs = tuple(map(_baq, raw.get("baqs") or ()))
    _check_names((*own, *baqs))
    kept = TapConfig.__dataclass_fields__.keys() & raw.keys()
    return TapConfig(
        **{
            **{name: raw[name] for name in kept},
            "api_url": _root(raw["api_url"], companies),
            "companies": companies,
            "claimed_license": _license(raw.get("claimed_license")),
            "start_date": _moment(raw, "start_date"),
            "business_objects": own,
            "baqs": baqs,
            "stream_options": _stream_options(raw.get("stream_options") or {}, baqs),
            "sensitive_columns": tuple(raw.get("sensitive_columns") or ()),
            "replay_since": since,
            "replay_until": until,
            "sweep_streams": tuple(raw.get("sweep_streams") or ()),
        }
    )


def _companies(codes: list[str]) -> tuple[str, ...]:
    stripped = tuple(dict.fromkeys(code.strip() for code in codes))
    if not stripped or not all(stripped):
        raise SettingsError('`companies` needs at least one company code, such as ["EPIC06"].')
    return stripped


def _moment(raw: Mapping[str, Any], setting: str) -> Timestamp | None:
    text = raw.get(setting)
    if not text:
        return None
    try:
        return parse_timestamp(text)
    except ValueError as error:
        raise SettingsError(f"`{setting}`: {error}; write 2024-01-01T00:00:00Z.") from error


def _check_replay(since: Timestamp | None, until: Timestamp | None) -> None:
    if until is None:
        return
    if since is None:
        raise SettingsError("`replay_until` needs `replay_since`: set both, or neither.")
    if until <= since:
        raise SettingsError(
            f"`replay_until` ({until.text()}) has to lie after `replay_since` ({since.text()})."
        )


def _license(text: str | None) -> str | None:
    claimed = (text or "").strip()
    if claimed and claimed not in _LICENSES and not _GUID.fullmatch(claimed):
        raise SettingsError(
            f"`claimed_license` is {claimed!r}; write {', '.join(_LICENSES)} or a licence's GUID "
            "(8-4-4-4-12 hexadecimal digits)."
        )
    return claimed or None


def _stream_options(
    given: Mapping[str, Mapping[str, Any]], baqs: tuple[Baq, ...]
) -> dict[str, StreamOptions]:
    of_baqs = {baq.name: baq for baq in baqs}
    options = {}
    for stream, entry in given.items():
        baq = of_baqs.get(stream)
        possible = _BAQ_STREAM_OPTIONS if baq else _OPTION_NAMES
        hint = f" for a BAQ; `{baq.setting}` has the rest" if baq else ""
        _refuse_unknown(f"stream_options.{stream}", entry, possible, hint)
        options[stream] = _options(entry)
    return options


_OPTION_NAMES = tuple(each.name for each in fields(StreamOptions))


def _own_object(entry: Mapping[str, Any]) -> OwnObject:
    names = {name: str(entry[name]).strip() for name in ("name", "service", "entity_set")}
    setting = f"business_objects.{names['name']}"
    _refuse_unknown(setting, entry, ("name", *_OPTION_NAMES))
    _refuse_empty(setting, names)
    return OwnObject(options=_options({**entry, **names}), **names)


def _baq(entry: Mapping[str, Any]) -> Baq:
    query_id = str(entry["id"]).strip()
    setting = f"baqs.{query_id}"
    _refuse_unknown(setting, entry, [each.name for each in fields(Baq)])
    _refuse_empty(setting, {"id": query_id, "primary_keys": entry["primary_keys"]})
    if "/" in query_id:
        raise SettingsError(f"`{setting}.id` is {query_id!r}; a BAQ's id has no slash.")
    if ROW_IDENT in entry["primary_keys"]:
        raise SettingsError(
            f"`{setting}.primary_keys` names {ROW_IDENT}, which Kinetic makes up anew on each run; "
            "name the columns that tell the rows apart."
        )
    if entry.get("bookmark_parameter") and not entry.get("replication_key"):
        raise SettingsError(
            f"`{setting}.bookmark_parameter` needs `replication_key`, the column whose bookmark "
            "the parameter takes: set both, or neither."
        )
    return Baq(
        id=query_id,
        primary_keys=tuple(entry["primary_keys"]),
        name=entry.get("name") or _stream_name(query_id),
        parameters=tuple(_parameters(setting, entry.get("parameters") or {})),
        replication_key=entry.get("replication_key") or None,
        bookmark_parameter=entry.get("bookmark_parameter") or None,
    )


def _stream_name(query_id: str) -> str:
    """`KIN_VendorSpend` of `KIN-VendorSpend`: loaders read a hyphen as schema-table."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", query_id).strip("_")
    return name if name[:1].isalpha() else f"baq_{name}"


def _parameters(setting: str, given: Mapping[str, str | list[str]]) -> Iterable[tuple[str, str]]:
    for name, value in given.items():
        if not name or name.startswith("$"):
            raise SettingsError(
                f"`{setting}.parameters` names {name!r}, which is no parameter of a BAQ; "
                "`stream_options` has `filter`, `select` and `page_size`."
            )
        yield from ((name, each) for each in ([value] if isinstance(value, str) else value))


def _options(entry: Mapping[str, Any]) -> StreamOptions:
    given = {name: entry[name] for name in _OPTION_NAMES if entry.get(name) is not None}
    lists = {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
    return StreamOptions(**{**given, **lists})


def _given(options: StreamOptions) -> Iterable[tuple[str, Any]]:
    pairs = ((name, getattr(options, name)) for name in _OPTION_NAMES)
    return ((name, value) for name, value in pairs if value is not None)


def _refuse_unknown(
    setting: str, entry: Mapping[str, Any], possible: Collection[str], hint: str = ""
) -> None:
    unknown = [name for name in entry if name not in possible]
    if unknown:
        raise SettingsError(
            f"`{setting}` has {', '.join(unknown)}; possible are {', '.join(possible)}{hint}."
        )


def _refuse_empty(setting: str, given: Mapping[str, object]) -> None:
    empty = [name for name, value in given.items() if not value]
    if empty:
        raise SettingsError(f"`{setting}.{empty[0]}` is empty: set it.")


def _check_names(own: tuple[OwnObject | Baq, ...]) -> None:
    """Warehouses fold case, so names that differ in case only would share a table."""
    taken = {facts.name: "a stream of the tap" for facts in BUSINESS_OBJECTS}
    taken[AUDIT_STREAM] = "the tap's audit stream"
    for each in own:
        if not _STREAM_NAME.fullmatch(each.name):
            raise SettingsError(
                f"`{each.setting}.name` is {each.name!r}; a stream's name is made of "
                f"{_STREAM_NAME_RULE}."
            )
        if each.name.lower() in taken:
            raise SettingsError(
                f"`{each.setting}.name` is {each.name}, which is {taken[each.name.lower()]}; "
                "choose another name."
            )
        taken[each.name.lower()] = f"also named in `{each.setting}`"


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
