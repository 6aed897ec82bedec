"""What an instance holds: plain values, changed by the calls and by tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Datagroup:
    """A caching policy; its notices are kept in `notices`, as they came."""

    id: str
    model_name: str
    name: str
    created_at: int
    stale_before: int | None = None
    triggered_at: int | None = None
    trigger_check_at: int | None = None
    trigger_error: str | None = None
    trigger_value: str | None = None
    notices: list[dict[str, int]] = field(default_factory=list)


@dataclass
class Model:
    """A model that was configured; its LookML may be there or not."""

    name: str
    project: str
    connections: list[str] = field(default_factory=list)


@dataclass
class Connection:
    """A way to a database.

    Attributes:
        schemas: tables and their columns that the database user of Looker sees, by schema.
        failing: message by the name of a test that fails.
    """

    name: str
    dialect: str = "postgres"
    schemas: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    failing: dict[str, str] = field(default_factory=dict)
    pdt_api_control: bool = True
    tests: tuple[str, ...] = ("connect", "kill", "query", "tmp_table", "cdt", "pdt")


@dataclass
class DerivedTable:
    """A persistent derived table.

    Attributes:
        takes: seconds of a build.
        error: how a build ends, empty for well.
        has_no_id: whether a start is answered with an empty id, as was seen.
    """

    model: str
    view: str
    connection: str
    takes: float = 3.0
    error: str = ""
    has_no_id: bool = False
    builds: list[str] = field(default_factory=list)


@dataclass
class Build:
    """A build of a derived table, done `takes` seconds after it began."""

    id: str
    table: DerivedTable
    began: float
    force: bool
    stopped: bool = False


@dataclass
class Plan:
    """A schedule; `runs` has the time of each delivery."""

    id: str
    name: str
    user_id: str
    look_id: str | None = None
    dashboard_id: str | None = None
    crontab: str | None = None
    runs: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class LookmlError:
    """What a validation finds."""

    message: str
    file_path: str | None = None
    line_number: int | None = None
    severity: str = "error"


@dataclass(frozen=True)
class LookmlTest:
    """A data test and what it comes to."""

    name: str
    model: str
    explore: str
    file: str
    line: int
    error: str = ""


@dataclass(frozen=True)
class Commit:
    """LookML at one point of its history."""

    ref: str
    errors: tuple[LookmlError, ...] = ()
    tests: tuple[LookmlTest, ...] = ()
    datagroups: tuple[tuple[str, str], ...] = ()
    """Model and name of each."""


@dataclass
class Project:
    """A LookML project with its remote repository.

    Attributes:
        branches: the remote's, each a list of commits, the newest last.
        production: the deployed commit.
        checked_out: branch and commit in each user's dev workspace.
    """

    id: str
    branches: dict[str, list[Commit]]
    production: Commit
    production_branch: str = "main"
    has_advanced_deploy: bool = True
    checked_out: dict[str, tuple[str, Commit]] = field(default_factory=dict)
    local_only: dict[str, int] = field(default_factory=dict)
    """How many commits of a user's workspace the remote does not have."""
    deploys: list[str] = field(default_factory=list)

    def push(self, branch: str, commit: Commit) -> None:
        """A commit arrives at the remote."""
        self.branches.setdefault(branch, []).append(commit)

    def find(self, ref: str) -> Commit | None:
        """The commit of a ref."""
        commits = (each for branch in self.branches.values() for each in branch)
        return next((each for each in commits if each.ref == ref), None)


def plain(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any of the above
    """For the control plane."""
    return dict(vars(value))
