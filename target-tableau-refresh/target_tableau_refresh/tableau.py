"""Tableau's REST API, through its own client: the only module that knows tableauserverclient."""

from __future__ import annotations

import contextlib
import logging
import random
import re
from dataclasses import dataclass, replace
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar
from xml.etree.ElementTree import ParseError

import requests
import tableauserverclient
from tableauserverclient.server.endpoint import exceptions as client_errors
from tableauserverclient.server.exceptions import EndpointUnavailableError

from .config import OLDEST_VERSION, ConnectedApp, Password, Token
from .errors import Away, ConfigError, Refused, TableauError, Throttled, safe
from .web_token import web_token
from .wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from .clock import Clock
    from .config import Config, Rule, Site

T = TypeVar("T")
tsc: Any = tableauserverclient
"""Half of the client has no types."""

_LOGGER = logging.getLogger("target-tableau-refresh.tableau")
logging.getLogger("TSC").setLevel(logging.ERROR)

INCREMENTAL_SINCE = (3, 25)
_TRIES = 5
_FIRST_PAUSE = 1.0
_DEFAULT_WAIT = 60.0
"""Seconds, where a 429 names none."""
_MINUTES = re.compile(r"(\d+)\s*(?:min|分)", re.IGNORECASE)
_FILTERED = re.compile(r"[,&:\[\]*]")
"""What a filter's value cannot have: the API knows no way to write it."""
_SCOPES = ("tableau:content:read", "tableau:tasks:run", "tableau:tasks:read", "tableau:jobs:read")
_PUBLISHING = ("tableau:datasources:create", "tableau:datasources:update",
               "tableau:file_uploads:create")  # fmt: skip
_SESSION_OVER = "401002"
_ALREADY_QUEUED = "409093"
_NO_EXTRACT = "409090"
_PASSING = (
    client_errors.InternalServerError, requests.ConnectionError, requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
)  # fmt: skip
_MAY_REFRESH_ALL = ("ServerAdministrator", "SiteAdministratorCreator", "SiteAdministratorExplorer")
_MAY_REFRESH_NONE = ("Guest", "Unlicensed", "Viewer")
"""Site roles; of the others it depends on the content."""
RUNNING, SUCCEEDED, FAILED, CANCELLED = "running", "succeeded", "failed", "cancelled"
_ENDS = {0: SUCCEEDED, 1: FAILED, 2: CANCELLED, 3: SUCCEEDED}
"""By finish code."""


class NoExtract(Refused):
    """There is nothing to refresh in it."""


class Missing(Refused):
    """There is no such thing, or it is not shown to this user."""


@dataclass(frozen=True)
class Target:
    """What can be refreshed.

    Attributes:
        kind: datasource, workbook or task.
        id: its LUID.
        path: of project and name; of a task, of what it refreshes.
        has_extracts: None where Tableau does not say.
        content_kind, content_id: of what a job on it names.
        owner_id: of the user whose it is, where Tableau says that.
    """

    kind: str
    id: str
    path: str
    has_extracts: bool | None
    content_kind: str
    content_id: str
    owner_id: str = ""


@dataclass(frozen=True)
class Job:
    """A refresh in Tableau.

    Attributes:
        status: RUNNING (or queued), SUCCEEDED, FAILED or CANCELLED.
        queued_at, started_at, finished_at: by Tableau's clock; None where it does not say.
        notes: its own words, without secrets.
        about: kind and LUID of what it refreshes.
    """

    id: str
    status: str
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    notes: str
    about: tuple[str, str] | None


class Tableau:
    """A session on one site.

    Args:
        config: the settings.
        site: whose session it is.
        clock: for waits.
    """

    def __init__(self, config: Config, site: Site, clock: Clock) -> None:
        self.site = site
        self._config = config
        self._clock = clock
        self._wire = Wire(config.server_url, config.ca_bundle, clock)
        self._server = tsc.Server(
            config.server_url,
            http_options={"timeout": config.timeout_seconds},
            session_factory=self._wire.session,
        )
        self._paths: dict[str, str] | None = None
        """Of projects, by id."""

    @property
    def place(self) -> str:
        """Server and site, for people."""
        return f"{self._config.server_url}, {self.site}"

    @property
    def version(self) -> tuple[int, int]:
        """Of the REST API that is spoken."""
        major, _, minor = str(self._server.version).partition(".")
        return int(major), int(minor)

    @property
    def clock_ahead(self) -> float:
        """Seconds by which Tableau's clock is ahead of this machine's."""
        return self._wire.ahead

    # Signing in and out.

    def open(self) -> None:
        """Find the version to speak, and sign in.

        Raises:
            Refused: Tableau does not take the login.
            TableauError: it is out of reach, or too old.
        """
        self._server.version = self._config.api_version or self._newest_version()
        self.call(self._sign_in)

    def _newest_version(self) -> str:
        # `use_server_version` would swallow a failure and speak 2.4.
        info = self.call(lambda server: server.server_info.get())
        text = str(info.rest_api_version) if info else ""
        if not re.fullmatch(r"\d+\.\d+", text):
            raise TableauError(
                f"{self._config.server_url} does not say which version it is: correct "
                "`server_url`, or set `api_version`"
            )
        if tuple(map(int, text.split("."))) < OLDEST_VERSION:
            raise TableauError(
                f"{self._config.server_url} speaks REST API {text}; "
                f"{'.'.join(map(str, OLDEST_VERSION))} (Tableau 2021.4) is the oldest that works"
            )
        return text

    def _sign_in(self, server: Any) -> None:  # noqa: ANN401
        login, place = self.site.login, self.site.content_url
        credentials: Any
        match login:
            case Token():
                credentials = tsc.PersonalAccessTokenAuth(login.name, login.secret, place)
            case ConnectedApp():
                credentials = tsc.JWTAuth(
                    web_token(login, self._scopes, self._wire.time), site_id=place
                )
            case Password():
                credentials = tsc.TableauAuth(login.username, login.secret, place)
        server.auth.sign_in(credentials)

    @property
    def _scopes(self) -> Iterable[str]:
        return _SCOPES + (_PUBLISHING if self._config.mode == "publish" else ())

    def close(self) -> None:
        """Sign out, if that can be done."""
        with contextlib.suppress(
            requests.RequestException, client_errors.TableauError, TableauError, ConfigError
        ):
            self._server.auth.sign_out()
        self._server.close()

    # Asking.

    def call(self, ask: Callable[[Any], T]) -> T:
        """Ask Tableau; again where that makes sense: after short failures, or a new sign-in.

        Args:
            ask: is given the client's server.

        Raises:
            Throttled: it wants to be left alone.
            Away: it cannot be asked now.
            Refused: the login, the right or the thing is missing.
            TableauError: anything else.
        """
        has_renewed = False
        pause = _FIRST_PAUSE
        for left in reversed(range(_TRIES)):
            try:
                return ask(self._server)
            except tsc.FailedSignInError as error:
                if error.code != _SESSION_OVER or has_renewed or not self._server.is_signed_in():
                    raise self._refusal(error, has_renewed=has_renewed) from None
                _LOGGER.info("%s: the session is over, signing in again", self.site)
                has_renewed = True
                self._sign_in_again()
            except (client_errors.InternalServerError, requests.RequestException) as error:
                if left == 0 or not _is_passing(error):
                    raise self._away(error) from None
                self._clock.pause(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
                pause *= 2
            except (tsc.ServerResponseError, client_errors.NonXMLResponseError) as error:
                raise self._answered(error) from None
            except EndpointUnavailableError as error:
                raise TableauError(f"`api_version` is too old: {error}") from None
            except (ParseError, AttributeError) as error:
                raise Away(
                    f"{self._config.server_url} answers with something that is not Tableau's XML: "
                    "correct `server_url`, or see what stands before Tableau there"
                ) from error
        raise AssertionError  # pragma: no cover - the last try returns or raises

    def _sign_in_again(self) -> None:
        self._server._clear_auth()  # noqa: SLF001 - signing out would ask a session that is over
        self.call(self._sign_in)

    def _refusal(self, error: Any, *, has_renewed: bool) -> Refused:  # noqa: ANN401
        login = self.site.login
        if not has_renewed and error.code != _SESSION_OVER:
            return Refused(
                f"{self.place} does not take the login ({error.code}): correct {login.settings}, "
                "see that it has not expired or been revoked, and that `site` is the one it is for"
            )
        why = {
            Token: f"another program signs in with token {getattr(login, 'name', '')}, which ends "
                   "this session: give each its own",
            ConnectedApp: "the connected app or its user may not do that: see its access level and "
                          f"the scopes {', '.join(self._scopes)}",
            Password: "see that the user may sign in more than once",
        }[type(login)]  # fmt: skip
        return Refused(f"{self.place} refuses a session that has just begun ({error.code}): {why}")

    def _away(self, error: Exception) -> TableauError:
        url = self._config.server_url
        if isinstance(error, requests.exceptions.SSLError):
            return Away(
                f"the certificate of {url} is not trusted: name the file of its authority with "
                f"`ca_bundle` ({_reason(error)})"
            )
        if isinstance(error, client_errors.InternalServerError):
            return Away(
                f"{url} answers {error.code} and nothing else: Tableau, or a gateway before it, is "
                "down or starting; run again later"
            )
        return Away(
            f"{url} cannot be reached ({_reason(error)}): see `server_url`, name, port, proxy and "
            "firewall, or run again later"
        )

    def _answered(self, error: Any) -> Exception:  # noqa: ANN401
        """What an error answer means; its code counts, since its words are translated."""
        code = str(getattr(error, "code", "") or self._wire.status)
        told = [getattr(error, name, None) or "" for name in ("summary", "detail")]
        words = self.cleaned(": ".join(part for part in told if part)) or "without a word"
        said = f"Tableau says {code}, {words}"
        status = int(code[:3]) if code[:3].isdigit() else self._wire.status
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return Throttled(said, self._wait(words))
        if code == _ALREADY_QUEUED:
            return _Queued(said)
        if code == _NO_EXTRACT:
            return NoExtract(f"it has no extract that could be refreshed ({code})")
        if status == HTTPStatus.NOT_FOUND:
            return Missing(said)
        if status == HTTPStatus.FORBIDDEN:
            return Refused(
                f"{said}: whoever signs in ({self.user}) needs the right to do that, as its owner, "
                "as leader of its project, or as administrator of the site"
            )
        return TableauError(said)

    @property
    def user(self) -> str:
        """Who signs in, for people."""
        login = self.site.login
        return f"token {login.name}" if isinstance(login, Token) else login.username

    def _wait(self, words: str) -> float:
        if self._wire.retry_after is not None:
            return self._wire.retry_after
        found = _MINUTES.search(words)
        return 60.0 * int(found[1]) if found else _DEFAULT_WAIT

    def cleaned(self, text: str) -> str:
        """A server's words, without secrets."""
        return safe(text, self._config.secrets)

    # Finding.

    def find(self, rule: Rule) -> Target:
        """What a rule refreshes.

        Raises:
            Refused: there is none, more than one, or it has no extract.
        """
        if rule.kind == "task":
            found = self._task(rule.id)
        elif rule.id:
            found = self._by_id(rule.kind, rule.id)
        else:
            found = self._by_path(rule)
        if found.has_extracts is False:
            raise NoExtract(
                "it has no extract, so there is nothing to refresh: extract its data in Tableau, "
                "or take the rule away"
            )
        return found

    def _by_path(self, rule: Rule) -> Target:
        all_named = self._content(rule.kind, rule.target)
        found = [each for each in all_named if each.path == f"{rule.project}/{rule.target}"]
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(each.id for each in found)
            raise Refused(f"there are {len(found)}: give its `id`, one of {ids}")
        if all_named:
            places = ", ".join(sorted(each.path for each in all_named))
            raise Missing(f"it is not in that project: correct `project`; there is {places}")
        raise Missing(
            f"there is none of that name that is shown to {self.user}: correct `target`, or give "
            "that user the right to see it"
        )

    def _by_id(self, kind: str, luid: str) -> Target:
        try:
            item = self.call(lambda server: _endpoint(server, kind).get_by_id(luid))
        except Missing:
            raise Missing(
                f"there is no {kind} of that id that is shown to {self.user}: correct `id`, or "
                "give that user the right to see it"
            ) from None
        return self._target(kind, item)

    def _task(self, luid: str) -> Target:
        try:
            task = self.call(lambda server: server.tasks.get_by_id(luid))
        except Missing:
            raise Missing(
                f"there is no task of that id that is shown to {self.user}: correct `id`; "
                "`tableau-refresh list` shows the ids"
            ) from None
        return self._task_target(task)

    def _task_target(self, task: Any) -> Target:  # noqa: ANN401
        content = self._by_id(task.target.type, task.target.id)
        return replace(content, kind="task", id=task.id)

    def content(self) -> Iterator[Target]:
        """Everything with extracts that this user sees, and the tasks that refresh it."""
        seen = {each.id: each for kind in ("datasource", "workbook") for each in
                self._content(kind)}  # fmt: skip
        yield from (each for each in seen.values() if each.has_extracts is not False)
        for task in self.call(lambda server: list(tsc.Pager(server.tasks.get))):
            if task.target and (on := seen.get(task.target.id)):
                yield replace(on, kind="task", id=task.id)

    def _content(self, kind: str, name: str | None = None) -> list[Target]:
        options = tsc.RequestOptions()
        if name is not None and not _FILTERED.search(name):
            options = _where("name", name)
        # Not `.filter(...)`: iterating over that takes an error for the end of the list.
        items = self.call(lambda server: list(tsc.Pager(_endpoint(server, kind).get, options)))
        return [self._target(kind, item) for item in items if name in {None, item.name}]

    def _target(self, kind: str, item: Any) -> Target:  # noqa: ANN401
        project = self._project_path(item.project_id) or item.project_name or ""
        has_extracts = getattr(item, "has_extracts", None)
        path = f"{project}/{item.name}"
        return Target(kind, item.id, path, has_extracts, kind, item.id, item.owner_id or "")

    def _project_path(self, luid: str) -> str:
        return self.projects().get(luid, "")

    def projects(self) -> dict[str, str]:
        """Paths of the projects that this user sees, by id."""
        if self._paths is None:
            projects = self.call(lambda server: list(tsc.Pager(server.projects.get)))
            by_id = {each.id: each for each in projects}
            self._paths = {}
            for each in projects:
                names, above = [each.name], by_id.get(each.parent_id)
                while above is not None:
                    names.append(above.name)
                    above = by_id.get(above.parent_id)
                self._paths[each.id] = "/".join(reversed(names))
        return self._paths

    def datasource(self, project: str, name: str) -> Target | None:
        """A data source by its project's path and its name; None where there is none."""
        found = self._content("datasource", name)
        return next((each for each in found if each.path == f"{project}/{name}"), None)

    def may_refresh(self, target: Target) -> bool | None:
        """Whether who signs in may refresh it; None where only a refresh would show that."""
        if target.owner_id == self._server.user_id:
            return True
        role = self._site_role
        if role in _MAY_REFRESH_ALL or role in _MAY_REFRESH_NONE:
            return role in _MAY_REFRESH_ALL
        return None

    @cached_property
    def _site_role(self) -> str:
        if isinstance(self.site.login, ConnectedApp):
            return ""  # that would need a scope more
        try:
            user = self.call(lambda server: server.users.get_by_id(server.user_id))
        except (Refused, TableauError):
            return ""
        return str(user.site_role)

    # Refreshing.

    def start(self, target: Target, *, incremental: bool) -> Job | None:
        """Queue a refresh; None where one of others is queued or running already.

        Raises:
            Throttled, Refused, TableauError: as `call`.
        """
        is_incremental = incremental and self.can_refresh_incrementally
        asked_at = int(self._wire.time)
        tries = 0

        def ask(server: Any) -> Any:  # noqa: ANN401
            nonlocal tries
            tries += 1
            if target.kind == "task":
                answer = server.tasks.run(tsc.TaskItem(target.id, "extractRefresh", 50))
                return tsc.JobItem.from_response(answer, server.namespace)[0]
            return _endpoint(server, target.kind).refresh(target.id, incremental=is_incremental)

        try:
            item = self.call(ask)
        except _Queued:
            item = None
        if item is not None:
            return self._job(item)
        job = self.open_job(target) if tries > 1 else None
        # The answer to the first try was lost, and the second one met what that had begun.
        is_ours = job and job.queued_at and job.queued_at.timestamp() >= asked_at
        return job if is_ours else None

    @property
    def can_refresh_incrementally(self) -> bool:
        """Whether the server knows how to."""
        return self.version >= INCREMENTAL_SINCE

    def job(self, job_id: str) -> Job:
        """A job as it is now.

        Raises:
            Missing: Tableau does not know it, or not any more.
        """
        return self._job(self.call(lambda server: server.jobs.get_by_id(job_id)))

    def open_job(self, target: Target) -> Job | None:
        """The job that is queued or running on a target, as far as this user may see it."""
        for status in ("InProgress", "Pending"):
            try:
                listed = self._jobs(status)
            except Refused as error:
                _LOGGER.info("%s: jobs cannot be listed: %s", self.site, error)
                return None
            name = target.path.rpartition("/")[2]
            for each in listed:
                # A job tells what it is about only when it is looked at by itself.
                if each.title in {None, name}:
                    with contextlib.suppress(Missing):
                        job = self.job(each.id)
                        if job.about == (target.content_kind, target.content_id):
                            return job
        return None

    def _jobs(self, status: str) -> list[Any]:
        return self.call(lambda server: list(tsc.Pager(server.jobs.get, _where("status", status))))

    def lists_jobs(self) -> bool:
        """Whether this user may see which jobs there are."""
        try:
            self._jobs("InProgress")
        except Refused:
            return False
        return True

    def cancel(self, job_id: str) -> None:
        """Ask Tableau to end a job."""
        self.call(lambda server: server.jobs.cancel(job_id))

    def _job(self, item: Any) -> Job:  # noqa: ANN401
        about = None
        if item.datasource_id or item.workbook_id:
            kind = "datasource" if item.datasource_id else "workbook"
            about = (kind, item.datasource_id or item.workbook_id)
        notes = [*(item.notes or ()), *(note.get("text") for note in item.status_notes)]
        return Job(
            id=item.id,
            status=self._status(item),
            queued_at=item.created_at,
            started_at=item.started_at,
            finished_at=item.completed_at,
            notes=self.cleaned("; ".join(note for note in notes if note)),
            about=about,
        )

    def _status(self, item: Any) -> str:  # noqa: ANN401
        if item.completed_at is None and str(item.progress) != "100":
            return RUNNING
        if item.finish_code not in _ENDS:
            raise TableauError(
                f"job {item.id} ended with the finish code {item.finish_code}, which nobody knows: "
                "see it in Tableau (Jobs)"
            )
        return _ENDS[item.finish_code]


class _Queued(TableauError):
    """A refresh of this is queued or running already."""


def _where(field: str, value: str) -> Any:  # noqa: ANN401
    options = tsc.RequestOptions()
    options.filter.add(tsc.Filter(field, tsc.RequestOptions.Operator.Equals, value))
    return options


def _endpoint(server: Any, kind: str) -> Any:  # noqa: ANN401
    return server.workbooks if kind == "workbook" else server.datasources


def _is_passing(error: Exception) -> bool:
    return isinstance(error, _PASSING) and not isinstance(error, requests.exceptions.SSLError)


def _reason(error: BaseException) -> str:
    """The innermost reason, which does not repeat the request."""
    while inner := (error.__cause__ or error.__context__ or getattr(error, "reason", None)):
        if not isinstance(inner, BaseException):
            break
        error = inner
    return safe(str(error))
