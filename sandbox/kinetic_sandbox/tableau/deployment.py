"""A Tableau Server or Cloud: sites, users, sessions, a clock, and rules of its own."""

from __future__ import annotations

import secrets
import time
import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NoReturn

from kinetic_sandbox.tableau.call import Refused
from kinetic_sandbox.tableau.hyper import DoesNotFit
from kinetic_sandbox.tableau.resources import (
    COMPLETED,
    FAILED,
    REFRESH,
    SUCCESS,
    Content,
    DataSource,
    Job,
    Plan,
    Project,
    Task,
    Workbook,
)

if TYPE_CHECKING:
    from collections.abc import Callable

HOUR = 3600
ALL = frozenset({"read", "refresh", "publish", "list jobs", "cancel"})
"""What a user may be able to do."""


def luid(*names: str) -> str:
    """An id that is the same in every run."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(("tableau.sandbox", *names))))


@dataclass
class Site:
    """One of a deployment's sites.

    Attributes:
        content_url: as in addresses; empty for the default site of a Server.
        refreshes_per_hour: starts that are allowed in any hour; None is no limit, as on a Server.
        tells_retry_after: whether a 429 has the header beside its text.
        uploads: files that are on their way, by session.
    """

    content_url: str
    name: str
    refreshes_per_hour: int | None = None
    tells_retry_after: bool = True
    projects: list[Project] = field(default_factory=list)
    datasources: list[DataSource] = field(default_factory=list)
    workbooks: list[Workbook] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    uploads: dict[str, bytearray] = field(default_factory=dict, repr=False)
    requests: dict[str, Job] = field(default_factory=dict, repr=False)
    """Of updates of data, by the id that the client gave."""

    @property
    def id(self) -> str:
        """Its LUID."""
        return luid("site", self.content_url)

    @property
    def refreshes(self) -> list[str]:
        """What was refreshed so far, such as "Finance/AP Invoices"; who lost is not in it."""
        return [
            job.target.path + (" (incremental)" if job.is_incremental else "")
            for job in self.jobs
            if job.type == REFRESH
        ]

    def add_project(self, path: str) -> Project:
        """Find or add a project, and those above it."""
        above, _, name = path.rpartition("/")
        found = next((each for each in self.projects if each.path == path), None)
        if found is None:
            parent = self.add_project(above) if above else None
            found = Project(luid(self.content_url, "project", path), name, parent)
            self.projects.append(found)
        return found

    def add_datasource(
        self, path: str, *, has_extracts: bool = True, kind: str = "postgres"
    ) -> DataSource:
        """Add a data source at a path such as "Finance/AP Invoices"."""
        project, _, name = path.rpartition("/")
        added = DataSource(
            luid(self.content_url, "datasource", path), name, self.add_project(project),
            has_extracts, time.time(), time.time(), kind=kind,
            connection_id=luid(self.content_url, "connection", path),
        )  # fmt: skip
        self.datasources.append(added)
        return added

    def add_workbook(self, path: str, *, has_extracts: bool = True) -> Workbook:
        """Add a workbook at a path."""
        project, _, name = path.rpartition("/")
        added = Workbook(
            luid(self.content_url, "workbook", path), name, self.add_project(project),
            has_extracts, time.time(), time.time(),
        )  # fmt: skip
        self.workbooks.append(added)
        return added

    def add_task(self, target: Content, schedule: str, *, is_incremental: bool = False) -> Task:
        """Schedule a refresh."""
        added = Task(
            luid(self.content_url, "task", target.id, schedule), target, schedule,
            luid(self.content_url, "schedule", schedule), is_incremental,
        )  # fmt: skip
        self.tasks.append(added)
        return added

    def find(self, path: str) -> Content:
        """A data source, or else a workbook, by its path or its id.

        Raises:
            KeyError: there is none.
        """
        for each in (*self.datasources, *self.workbooks):
            if path in {each.path, each.id}:
                return each
        raise KeyError(f"{path!r} is no data source or workbook of the site {self.name}")


@dataclass
class User:
    """Somebody who may sign in.

    Attributes:
        tokens: secrets of personal access tokens by their names.
        may_do: of `ALL`.
        projects: paths of the only projects that are open to him; None is all.
        sites: content URLs of the only sites that he is on; None is all.
        site_role: on each of them; only shown, `may_do` decides.
    """

    name: str
    password: str = field(repr=False)
    tokens: dict[str, str] = field(default_factory=dict, repr=False)
    may_do: set[str] = field(default_factory=lambda: set(ALL))
    projects: set[str] | None = None
    sites: set[str] | None = None
    site_role: str = "SiteAdministratorCreator"

    @property
    def id(self) -> str:
        """His LUID."""
        return luid("user", self.name)

    def sees(self, project: Project) -> bool:
        """Whether a project is open to him."""
        return self.projects is None or project.path in self.projects


@dataclass
class ConnectedApp:
    """What signs JSON web tokens."""

    client_id: str
    secrets: dict[str, str] = field(repr=False)
    """Values by their ids."""
    is_enabled: bool = True


@dataclass
class Session:
    """What a credentials token stands for.

    Attributes:
        access_token: name of the personal access token that began it, if one did.
        scopes: of the JSON web token; None is no limit.
        calls: how many came so far.
    """

    token: str = field(repr=False)
    user: User
    site: Site
    used: float
    access_token: str | None = None
    scopes: frozenset[str] | None = None
    calls: int = 0


@dataclass
class Tableau:
    """The state behind the API; tests look at it and change it.

    Attributes:
        api_version: the highest that it speaks.
        language: of its messages: "en" or "de".
        plan: how jobs go where their target has no plan of its own.
        session_seconds: a session that is idle so long is over.
        calls_per_session: after so many calls it is over, too; None is never.
        takes_passwords: Cloud does not, where more than a password is asked for.
        used_tokens: ids of the JSON web tokens that came; none is taken twice.
    """

    sites: list[Site]
    users: list[User]
    apps: list[ConnectedApp] = field(default_factory=list)
    api_version: str = "3.29"
    product_version: str = "2026.2.0"
    build: str = "20262.26.0101.0000"
    language: str = "en"
    plan: Plan = field(default_factory=Plan)
    session_seconds: float = 240 * 60
    calls_per_session: int | None = None
    takes_passwords: bool = True
    used_tokens: set[str] = field(default_factory=set, repr=False)
    _sessions: dict[str, Session] = field(default_factory=dict, repr=False)
    _ahead: float = 0

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time() + self._ahead

    def let_pass(self, seconds: float) -> None:
        """Move the clock; sessions end and jobs go on."""
        self._ahead += seconds
        self.settle()

    def site(self, content_url: str = "") -> Site:
        """By its content URL.

        Raises:
            Refused: 404.
        """
        for each in self.sites:
            if each.content_url == content_url:
                return each
        raise Refused("404000", content_url)

    def open_session(
        self,
        user: User,
        site: Site,
        access_token: str | None = None,
        scopes: frozenset[str] | None = None,
    ) -> Session:
        """Begin a session; another one of the same personal access token ends."""
        if access_token is not None:
            for other in list(self._sessions.values()):
                if (other.user, other.access_token) == (user, access_token):
                    del self._sessions[other.token]
        opened = Session(
            f"{secrets.token_urlsafe(16)}|{secrets.token_hex(16)}|{site.id}",
            user, site, self.now(), access_token, scopes,
        )  # fmt: skip
        self._sessions[opened.token] = opened
        return opened

    def close_session(self, session: Session) -> None:
        """Sign out."""
        self._sessions.pop(session.token, None)

    def session(self, token: str) -> Session:
        """What a token stands for; the call counts.

        Raises:
            Refused: 401, where it is over or never was.
        """
        if not token:
            raise Refused("401000")
        found = self._sessions.get(token)
        if found is None:
            raise Refused("401002")
        found.calls += 1
        is_idle = found.used + self.session_seconds <= self.now()
        is_used_up = self.calls_per_session is not None and found.calls > self.calls_per_session
        if is_idle or is_used_up:
            self._over(found)
        found.used = self.now()
        return found

    def _over(self, session: Session) -> NoReturn:
        self.close_session(session)
        raise Refused("401002")

    @property
    def open_sessions(self) -> int:
        """Sessions that nobody ended."""
        return len(self._sessions)

    def expire_sessions(self) -> None:
        """End every session before its time."""
        self._sessions.clear()

    def start(
        self,
        site: Site,
        kind: str,
        target: Content,
        effect: Callable[[], None] | None = None,
        *,
        is_incremental: bool = False,
    ) -> Job:
        """Queue a job."""
        plan = target.plans.pop(0) if target.plans else self.plan
        job = Job(str(uuid.uuid4()), kind, target, self.now(), plan, is_incremental, effect)
        site.jobs.append(job)
        return job

    def settle(self) -> None:
        """Let happen what the jobs that ended well bring about."""
        now = self.now()
        for job in (each for site in self.sites for each in site.jobs if each.effect):
            code = job.finish_code(now)
            if code is not None:
                effect, job.effect = job.effect, None
                if code in {SUCCESS, COMPLETED} and effect is not None:
                    try:
                        effect()
                    except DoesNotFit as error:
                        job.plan = replace(job.plan, finish_code=FAILED, notes=str(error))
