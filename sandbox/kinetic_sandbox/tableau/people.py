"""Who signs in: users, connected apps, and the sessions that they have."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kinetic_sandbox.tableau.sites import Site, luid

if TYPE_CHECKING:
    from kinetic_sandbox.tableau.resources import Project

ALL = frozenset({"read", "refresh", "publish", "list jobs", "cancel"})
"""What a user may be able to do."""


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
