"""What there is on a site, and what is done with it: found, refreshed, published."""

from __future__ import annotations

import contextlib
import logging
import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .config import ConnectedApp
from .errors import Refused, TableauError
from .session import Missing, NoExtract, Queued, Session, tsc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from .clock import Clock
    from .config import Config, Rule, Site

_LOGGER = logging.getLogger("target-tableau-refresh.tableau")

INCREMENTAL_SINCE = (3, 25)
_FILTERED = re.compile(r"[,&:\[\]*]")
"""What a filter's value cannot have: the API knows no way to write it."""
_MAY_REFRESH_ALL = ("ServerAdministrator", "SiteAdministratorCreator", "SiteAdministratorExplorer")
_MAY_REFRESH_NONE = ("Guest", "Unlicensed", "Viewer")
"""Site roles; of the others it depends on the content."""
RUNNING, SUCCEEDED, FAILED, CANCELLED = "running", "succeeded", "failed", "cancelled"
_ENDS = {0: SUCCEEDED, 1: FAILED, 2: CANCELLED, 3: SUCCEEDED}
"""By finish code."""


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


class Tableau(Session):
    """A site through a session on it."""

    def __init__(self, config: Config, site: Site, clock: Clock) -> None:
        super().__init__(config, site, clock)
        self._paths: dict[str, str] | None = None
        """Of projects, by id."""

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
        except Queued:
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

    # Publishing.

    def publish(self, project_id: str, name: str, file: Path) -> str:
        """Begin to put a file in a data source's place, or to make it; the job's id."""
        item, mode = tsc.DatasourceItem(project_id, name), tsc.Server.PublishMode.Overwrite
        return self._begun(lambda sources: sources.publish(item, str(file), mode, as_job=True))

    def update(
        self, datasource_id: str, request_id: str, actions: Sequence[dict[str, Any]], file: Path
    ) -> str:
        """Begin to change a data source's rows; the job's id. A request id is done once."""
        return self._begun(
            lambda sources: sources.update_hyper_data(
                datasource_id, request_id=request_id, actions=actions, payload=str(file)
            )
        )

    def _begun(self, ask: Callable[[Any], Any]) -> str:
        return str(self.call(lambda server: ask(server.datasources)).id)


def _where(field: str, value: str) -> Any:  # noqa: ANN401
    options = tsc.RequestOptions()
    options.filter.add(tsc.Filter(field, tsc.RequestOptions.Operator.Equals, value))
    return options


def _endpoint(server: Any, kind: str) -> Any:  # noqa: ANN401
    return server.workbooks if kind == "workbook" else server.datasources
