"""A site: its projects and what is in them, its jobs, and its limits."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field

from kinetic_sandbox.tableau.resources import (
    REFRESH,
    Content,
    DataSource,
    Job,
    Project,
    Task,
    Workbook,
)


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
