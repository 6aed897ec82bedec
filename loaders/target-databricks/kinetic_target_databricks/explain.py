"""What Databricks, its libraries and the network say, as one sentence with the remedy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import urllib3
from databricks.sdk.errors import DatabricksError
from databricks.sql.exc import Error as SqlError
from databricks.sql.exc import RequestError

from .errors import LoadError, LoginError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .config import Config

_CLASS = re.compile(r"\[([A-Z][A-Z0-9_]+)(?:\.[A-Z0-9_]+)*\]|\b([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\b")
_PASSING_CLASS = re.compile(
    r"^(DELTA_CONCURRENT_|DELTA_METADATA_CHANGED|DELTA_PROTOCOL_CHANGED|INVALID_HANDLE|SESSION_)"
    r"|TEMPORARILY_UNAVAILABLE|REQUEST_LIMIT_EXCEEDED"
)
_LOST_SESSION = re.compile(r"invalid (session|operation)\s?handle", re.IGNORECASE)
_STAGING = re.compile(r"Staging operation over HTTP was unsuccessful: (\d{3})")
_NETWORK = (OSError, urllib3.exceptions.HTTPError)
_BUSY = {408, 425, 429, 500, 502, 503, 504}
_UNAUTHORISED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404
_PRIVILEGE = re.compile(
    r"(?:does not have|requires?|missing)(?: the)?(?: privileges?)? (?P<privilege>[A-Z][A-Z ,]*[A-Z])"
    r"(?: privileges?)? on (?P<kind>[A-Za-z]+) (?P<name>[`'\"]?[^\s]+?[`'\"]?)(?:[.,;]?(?:\s|$))"
)
_LONGEST = 500

EXPECTED = (LoadError, LoginError, SqlError, DatabricksError, *_NETWORK)
"""What a load may end with that is no fault of this program."""


def error_class(error: BaseException) -> str:
    """Databricks' name for an error, such as TABLE_OR_VIEW_NOT_FOUND; empty where it has none."""
    found = _CLASS.search(str(error))
    return (found[1] or found[2]) if found else ""


def first_line(error: BaseException) -> str:
    """What it says, without what follows for developers."""
    return " ".join((str(error) or type(error).__name__).partition("\n")[0].split())[:_LONGEST]


def is_passing(error: BaseException) -> bool:
    """Whether the same statement may well succeed a little later."""
    if isinstance(error, LoadError):
        return False
    if _PASSING_CLASS.search(error_class(error)) or _LOST_SESSION.search(str(error)):
        return True
    status = http_status(error)
    if status is not None:
        return status in _BUSY
    return any(isinstance(each, _NETWORK) for each in _chain(error))


def is_unauthorised(error: BaseException) -> bool:
    """Whether the login was refused, or has run out."""
    return http_status(error) == _UNAUTHORISED


def http_status(error: BaseException) -> int | None:
    """The status that an error tells of."""
    for each in _chain(error):
        if found := _STAGING.search(str(each)):
            return int(found[1])
        if isinstance(each, RequestError) and each.context.get("http-code"):
            return int(each.context["http-code"])
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, what it tells that it came from, and so on."""
    for _ in range(10):
        if error is None:
            return
        yield error
        told = error.context.get("original-exception") if isinstance(error, RequestError) else None
        error = told if isinstance(told, BaseException) else error.__cause__ or error.__context__


def explain(error: BaseException, config: Config) -> str:
    """One sentence: what happened, and what to do."""
    if isinstance(error, LoadError):
        return str(error)
    text = " | ".join(first_line(each) for each in _chain(error))
    said = first_line(error)
    status = http_status(error)
    code = error_class(error)
    login = "`token`" if config.login.token else "`client_id` and `client_secret`"
    if "invalid_client" in text or "invalid_request" in text:
        where = f"account {config.login.account_id}" if config.login.account_id else "workspace"
        return (
            f"{config.login.token_host} refused {login}: make a new OAuth secret for the service "
            f"principal, which has to be a member of the {where} ({said})"
        )
    if status == _UNAUTHORISED or "401" in said:
        return f"{config.host} refused {login}: expired, revoked or of another workspace ({said})"
    if code in {"PERMISSION_DENIED", "INSUFFICIENT_PERMISSIONS", "UNAUTHORIZED_ACCESS"}:
        return f"a right is missing: {_grant(said, config)} ({said})"
    if status == _FORBIDDEN:
        return (
            f"{config.host} allows this login nothing on {config.http_path}: give it CAN USE on "
            f"the SQL warehouse, and see whether an IP access list bars this machine ({said})"
        )
    if status == _NOT_FOUND:
        return f"`http_path`: {config.host} has no SQL warehouse {config.http_path} ({said})"
    for sign, remedy in _SIGNS:
        if sign in said.upper():
            return f"{remedy} ({said})"
    if isinstance(error, SqlError) and not any(isinstance(e, _NETWORK) for e in _chain(error)):
        return f"Databricks refused a statement: {said}"
    return (
        f"{config.host} could not be reached for {config.retry_deadline_seconds} s "
        f"(`retry_deadline_seconds`): look at `host`, the network and the proxy ({said})"
    )


_SIGNS = (
    ("QUOTA", "a quota is full: drop what is not needed, or have it raised in the account console"),
    ("RESOURCE_EXHAUSTED", "a limit of the workspace is reached: have it raised, then run again"),
    ("CATALOG_NOT_FOUND", "`catalog` does not exist, or its USE CATALOG is not granted"),
    ("NO_SUCH_CATALOG", "`catalog` does not exist, or its USE CATALOG is not granted"),
    ("VOLUME_DOES_NOT_EXIST", "`volume` is gone since the run began: run again, which makes it"),
    ("WAREHOUSE", "the SQL warehouse is stopped or cannot start: start it, or allow auto start"),
)


def _grant(said: str, config: Config) -> str:
    """The GRANT to run, where Databricks says which right it is."""
    who = f"`{config.login.client_id or '<principal of the token>'}`"
    if found := _PRIVILEGE.search(said):
        name = ".".join(f"`{part.strip(_QUOTES)}`" for part in found["name"].split("."))
        kind, privilege = found["kind"].upper(), found["privilege"].strip()
        return f"run GRANT {privilege} ON {kind} {name} TO {who}"
    return f"grant {who} what the page on Databricks lists"


_QUOTES = "`'\""
