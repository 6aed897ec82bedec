"""What Databricks, its libraries and the network say, as one sentence with the remedy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import urllib3
from databricks.sql.exc import Error as SqlError
from databricks.sql.exc import MaxRetryDurationError, RequestError
from kinetic_batches.errors import LoadError

from .errors import LoginError

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
    r"(?:does not have|requires?|missing)(?: the)?(?: privileges?)? "
    r"(?P<privilege>[A-Z][A-Z ,]*[A-Z])"
    r"(?: privileges?)? on (?P<kind>[A-Za-z]+) (?P<name>[`'\"]?[^\s]+?[`'\"]?)(?:[.,;]?(?:\s|$))"
)
_LONGEST = 500

EXPECTED = (LoadError, LoginError, SqlError, *_NETWORK)
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
    kinds = (MaxRetryDurationError, *_NETWORK)
    return any(isinstance(each, kinds) for each in _chain(error))


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
        told = next((each for each in error.args if isinstance(each, BaseException)), None)
        error = told or error.__cause__ or error.__context__


@dataclass(frozen=True)
class _Seen:
    """What is known of an error."""

    error: BaseException
    config: Config

    @property
    def said(self) -> str:
        """Its own words."""
        return first_line(self.error)

    @property
    def everything(self) -> str:
        """The words of all that it came from."""
        return " | ".join(first_line(each) for each in _chain(self.error))

    @property
    def login(self) -> str:
        """The settings that log in."""
        return "`token`" if self.config.login.token else "`client_id` and `client_secret`"


def explain(error: BaseException, config: Config) -> str:
    """One sentence: what happened, and what to do."""
    if isinstance(error, LoadError):
        return str(error)
    seen = _Seen(error, config)
    remedy = next(told for rule in _RULES if (told := rule(seen)))
    return f"{remedy} ({seen.said})"


def _of_login(seen: _Seen) -> str | None:
    login, host = seen.config.login, seen.config.host
    if "invalid_client" in seen.everything or "invalid_request" in seen.everything:
        where = f"account {login.account_id}" if login.account_id else "workspace"
        return (
            f"{login.token_host} refused {seen.login}: make a new OAuth secret for the service "
            f"principal, which has to be a member of the {where}"
        )
    if is_unauthorised(seen.error):
        return f"{host} refused {seen.login}: expired, revoked or of another workspace"
    return None


def _of_rights(seen: _Seen) -> str | None:
    """The GRANT to run, where Databricks says which right it is."""
    if error_class(seen.error) not in _NO_RIGHT:
        return None
    who = f"`{seen.config.login.client_id or '<principal of the token>'}`"
    found = _PRIVILEGE.search(seen.said)
    if not found:
        return f"a right is missing: grant {who} what the page on Databricks lists"
    name = ".".join(f"`{part.strip(_QUOTES)}`" for part in found["name"].split("."))
    what = f"{found['privilege']} ON {found['kind'].upper()} {name}"
    return f"a right is missing: run GRANT {what} TO {who}"


def _of_status(seen: _Seen) -> str | None:
    host, path = seen.config.host, seen.config.http_path
    status = http_status(seen.error)
    if _STAGING.search(seen.everything) and status not in _BUSY:
        return (
            "the storage behind `volume` refused a file: grant WRITE VOLUME, and let this machine "
            f"reach the storage's host, which is not {host}"
        )
    if status == _FORBIDDEN:
        return (
            f"{host} allows this login nothing on {path}: give it CAN USE on the SQL warehouse, "
            "and see whether an IP access list bars this machine"
        )
    if status == _NOT_FOUND:
        return f"`http_path`: {host} has no SQL warehouse {path}"
    return None


def _of_words(seen: _Seen) -> str | None:
    words = seen.said.upper()
    return next((remedy for sign, remedy in _SIGNS if sign in words), None)


def _of_anything(seen: _Seen) -> str:
    if isinstance(seen.error, SqlError) and not is_passing(seen.error):
        return "Databricks refused a statement"
    return (
        f"{seen.config.host} could not be reached for {seen.config.retry_deadline_seconds} s "
        "(`retry_deadline_seconds`): look at `host`, the network and the proxy"
    )


_NO_RIGHT = {"PERMISSION_DENIED", "INSUFFICIENT_PERMISSIONS", "UNAUTHORIZED_ACCESS"}
_NO_CATALOG = "`catalog` does not exist, or its USE CATALOG is not granted"
_SIGNS = (
    ("QUOTA", "a quota is full: drop what is not needed, or have it raised in the account console"),
    ("RESOURCE_EXHAUSTED", "a limit of the workspace is reached: have it raised, then run again"),
    ("CATALOG_NOT_FOUND", _NO_CATALOG),
    ("NO_SUCH_CATALOG", _NO_CATALOG),
    ("VOLUME_DOES_NOT_EXIST", "`volume` is gone since the run began: run again, which makes it"),
    ("WAREHOUSE", "the SQL warehouse is stopped or cannot start: start it, or allow auto start"),
)
_RULES = (_of_login, _of_rights, _of_status, _of_words, _of_anything)
_QUOTES = "`'\""
