"""What a site holds: plain values, changed by the calls and by tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kinetic_sandbox.tableau.hyper import updated

if TYPE_CHECKING:
    from collections.abc import Callable

SUCCESS, FAILED, CANCELLED, COMPLETED = 0, 1, 2, 3
"""Finish codes of a job."""
REFRESH, PUBLISH, UPDATE = "RefreshExtract", "PublishDatasource", "UpdateUploadedFile"
"""Types of a job."""


@dataclass(frozen=True)
class Plan:
    """How a job goes: seconds in the queue, seconds of work, and how it ends."""

    queued: float = 0.1
    running: float = 0.3
    finish_code: int = SUCCESS
    notes: str = ""


@dataclass
class Project:
    """A project, perhaps within another."""

    id: str
    name: str
    parent: Project | None = None

    @property
    def path(self) -> str:
        """Names from the top, such as "Finance/Payables"."""
        return f"{self.parent.path}/{self.name}" if self.parent else self.name


@dataclass
class Content:
    """What can be refreshed.

    Attributes:
        plans: of the next jobs on it, first the next; then the deployment's plan goes on.
        created: seconds since 1970, as `updated`.
        owner_id: of the user whose it is, where that is shown.
    """

    id: str
    name: str
    project: Project
    has_extracts: bool = True
    created: float = 0
    updated: float = 0
    plans: list[Plan] = field(default_factory=list)
    owner_id: str = ""

    @property
    def path(self) -> str:
        """Names from the top project on."""
        return f"{self.project.path}/{self.name}"


@dataclass
class DataSource(Content):
    """A published data source.

    Attributes:
        kind: such as "hyper" or "postgres".
        files: what was published, as name and bytes; more than one after an append.
        updates: what was done to its data since, in order.
        connection_id: of its only connection.
    """

    kind: str = "postgres"
    description: str = ""
    files: list[tuple[str, bytes]] = field(default_factory=list, repr=False)
    updates: list[Update] = field(default_factory=list)
    connection_id: str = ""

    def apply(self, update: Update) -> None:
        """Do to the file what the update says; of several, to the last.

        Raises:
            DoesNotFit: the update asks for what is not there.
        """
        if self.kind == "hyper" and self.files:
            name, content = self.files[-1]
            self.files[-1] = (name, updated(content, update.actions, update.payload))
        self.updates.append(update)

    @property
    def is_live_to_hyper(self) -> bool:
        """Whether its data can be updated in place."""
        return self.kind in {"hyper", "parquet"}


@dataclass
class Workbook(Content):
    """A published workbook, with or without extracts of its own."""


@dataclass(frozen=True)
class Update:
    """What one request did to a data source's data."""

    request_id: str
    actions: list[dict[str, Any]]
    payload: bytes = field(repr=False)


@dataclass
class Task:
    """A scheduled refresh."""

    id: str
    target: Content
    schedule: str
    schedule_id: str
    is_incremental: bool = False
    failures: int = 0


@dataclass
class Job:
    """Something that takes time; how far it is follows from the clock.

    Attributes:
        effect: what happens when it ends well.
        cancelled: when somebody cancelled it.
    """

    id: str
    type: str
    target: Content
    created: float
    plan: Plan
    is_incremental: bool = False
    effect: Callable[[], None] | None = field(default=None, repr=False)
    cancelled: float | None = None

    @property
    def starts(self) -> float:
        """When it leaves the queue."""
        return self.created + self.plan.queued

    @property
    def ends(self) -> float:
        """When it is done."""
        return self.starts + self.plan.running if self.cancelled is None else self.cancelled

    def is_open(self, now: float) -> bool:
        """Whether it is queued or running."""
        return now < self.ends

    def finish_code(self, now: float) -> int | None:
        """How it ended, None before."""
        if self.is_open(now):
            return None
        return self.plan.finish_code if self.cancelled is None else CANCELLED

    def status(self, now: float) -> str:
        """As the list of jobs calls it."""
        code = self.finish_code(now)
        if code is None:
            return "Pending" if now < self.starts else "InProgress"
        return {SUCCESS: "Success", COMPLETED: "Success", CANCELLED: "Cancelled"}.get(
            code, "Failed"
        )
