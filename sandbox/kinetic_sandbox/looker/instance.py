"""A Looker instance: users, sessions, a clock, and all that it holds."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kinetic_sandbox.looker.call import Refused, not_found

if TYPE_CHECKING:
    from kinetic_sandbox.looker.resources import (
        Build,
        Connection,
        Datagroup,
        DerivedTable,
        Model,
        Plan,
        Project,
    )

ADMIN = "administer"
QUERY, ADMINISTRATIVE, FREE = "query", "administrative", "free"
"""How a call counts against the plan that was bought."""


@dataclass
class User:
    """Somebody with API keys.

    Attributes:
        permissions: as in a permission set; `administer` stands for all of them.
        models: of the role's model set; None is all.
    """

    id: str
    name: str
    client_id: str
    client_secret: str = field(repr=False)
    permissions: set[str]
    models: set[str] | None = None

    def may(self, permission: str, model: str | None = None) -> bool:
        """Whether a role gives a permission, for one model where one is named."""
        if ADMIN in self.permissions:
            return True
        is_of_model = model is None or self.models is None or model in self.models
        return permission in self.permissions and is_of_model


@dataclass
class Session:
    """What a token stands for."""

    user: User
    ends: float
    workspace: str = "production"


@dataclass
class Looker:
    """The state behind the API; tests look at it and change it.

    Attributes:
        token_life: seconds.
        denial: 404 or 403; Looker knows both for a missing permission.
        quota: calls that are left by kind; a kind that is not named has no limit.
        calls: calls so far by kind.
    """

    users: list[User]
    datagroups: list[Datagroup] = field(default_factory=list)
    models: dict[str, Model] = field(default_factory=dict)
    connections: dict[str, Connection] = field(default_factory=dict)
    derived_tables: list[DerivedTable] = field(default_factory=list)
    builds: dict[str, Build] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)
    projects: dict[str, Project] = field(default_factory=dict)
    token_life: float = 3600
    denial: int = 404
    quota: dict[str, int] = field(default_factory=dict)
    quota_returns_after: int | None = None
    calls: dict[str, int] = field(default_factory=lambda: dict.fromkeys((QUERY, ADMINISTRATIVE), 0))
    _sessions: dict[str, Session] = field(default_factory=dict, repr=False)
    _ahead: float = 0

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time() + self._ahead

    def let_pass(self, seconds: float) -> None:
        """Move the clock; tokens end and builds go on."""
        self._ahead += seconds

    def log_in(self, client_id: str, client_secret: str) -> str:
        """A new token, with a session of its own.

        Raises:
            Refused: 404, as Looker does for keys that it does not know.
        """
        for user in self.users:
            if (user.client_id, user.client_secret) == (client_id, client_secret):
                token = secrets.token_hex(20)
                self._sessions[token] = Session(user, self.now() + self.token_life)
                return token
        raise not_found()

    def log_out(self, token: str) -> None:
        """End a token."""
        self._sessions.pop(token, None)

    def session(self, token: str) -> Session:
        """What a token stands for.

        Raises:
            Refused: 401 where it ended, or never was.
        """
        found = self._sessions.get(token)
        if found is None or found.ends <= self.now():
            raise Refused(401, "Requires authentication.")
        return found

    @property
    def open_sessions(self) -> int:
        """Tokens that are neither ended nor expired."""
        return sum(session.ends > self.now() for session in self._sessions.values())

    def expire_tokens(self) -> None:
        """End every token before its time."""
        self._sessions.clear()

    def count(self, kind: str) -> None:
        """Count a call.

        Raises:
            Refused: 429 where the plan's calls are used up.
        """
        if kind == FREE:
            return
        if self.quota.get(kind, 1) <= 0:
            raise Refused(429, f"The quota of {kind} API calls of this instance is used up.")
        if kind in self.quota:
            self.quota[kind] -= 1
        self.calls[kind] += 1

    def denied(self) -> Refused:
        """What a user without a permission is told."""
        return Refused(self.denial, "Not found" if self.denial == 404 else "Forbidden")  # noqa: PLR2004

    def datagroup(self, model: str, name: str) -> Datagroup:
        """By its name.

        Raises:
            KeyError: when there is none.
        """
        for each in self.datagroups:
            if (each.model_name, each.name) == (model, name):
                return each
        raise KeyError(f"{model}::{name}")
