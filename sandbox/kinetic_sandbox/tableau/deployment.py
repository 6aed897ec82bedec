"""A Tableau Server or Cloud: sites, users, sessions, a clock, and rules of its own."""

from __future__ import annotations

import secrets
import time
import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NoReturn

from kinetic_sandbox.tableau.call import Refused
from kinetic_sandbox.tableau.hyper import DoesNotFit
from kinetic_sandbox.tableau.people import ConnectedApp, Session, User
from kinetic_sandbox.tableau.resources import COMPLETED, FAILED, SUCCESS, Content, Job, Plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from kinetic_sandbox.tableau.sites import Site


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
