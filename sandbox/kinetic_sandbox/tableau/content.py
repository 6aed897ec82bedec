"""Projects, data sources, workbooks and extract tasks: looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from kinetic_sandbox.tableau.call import Call, Done, Refused
from kinetic_sandbox.tableau.filters import page
from kinetic_sandbox.tableau.resources import Content, DataSource, Task, Workbook
from kinetic_sandbox.tableau.xml import Element, element, timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kinetic_sandbox.tableau.resources import Project

_Found = TypeVar("_Found", DataSource, Workbook, Task)
_SAME = ("name", "contentUrl", "createdAt", "updatedAt", "hasExtracts")
_FIELDS = {name: name for name in _SAME}
_ABOVE = {"projectName": "project"}


def projects(call: Call) -> Done:
    """Those that the user sees."""
    call.needs("read")
    seen = [each for each in call.site.projects if call.session.user.sees(each)]
    fields = {name: name for name in ("name", "parentProjectId", "topLevelProject")}
    return page(call, "projects", [_project(each, in_full=True) for each in seen], fields)


def datasources(call: Call) -> Done:
    """Those that the user sees."""
    call.needs("read")
    seen = [told(each) for each in call.site.datasources if _sees(call, each)]
    return page(call, "datasources", seen, {**_FIELDS, "type": "type"}, _ABOVE)


def datasource(call: Call) -> Done:
    """One."""
    call.needs("read")
    return Done((told(find_datasource(call)),))


def connections(call: Call) -> Done:
    """The only one of a data source."""
    call.needs("read")
    found = find_datasource(call)
    one = element("connection", id=found.connection_id, type=found.kind)
    return Done((element("connections", (one,)),))


def workbooks(call: Call) -> Done:
    """Those that the user sees."""
    call.needs("read")
    seen = [told(each) for each in call.site.workbooks if _sees(call, each)]
    return page(call, "workbooks", seen, _FIELDS, _ABOVE)


def workbook(call: Call) -> Done:
    """One."""
    call.needs("read")
    return Done((told(find_workbook(call)),))


def tasks(call: Call) -> Done:
    """Scheduled refreshes, all on one page."""
    call.needs("read")
    seen = [_task(each) for each in call.site.tasks if _sees(call, each.target)]
    return Done((element("tasks", seen),))


def task(call: Call) -> Done:
    """One."""
    call.needs("read")
    return Done((_task(find_task(call)),))


def user(call: Call) -> Done:
    """One; who may read sees all."""
    call.needs("read")
    wanted = call.path["user"]
    for each in call.tableau.users:
        if each.id == wanted:
            return Done((element("user", id=each.id, name=each.name, siteRole=each.site_role),))
    raise Refused("404002", wanted)


def find_datasource(call: Call) -> DataSource:
    """Of the path.

    Raises:
        Refused: 404004, also where the user may not see it.
    """
    return _found(call, "datasource", call.site.datasources, "404004")


def find_workbook(call: Call) -> Workbook:
    """Of the path.

    Raises:
        Refused: 404006, also where the user may not see it.
    """
    return _found(call, "workbook", call.site.workbooks, "404006")


def find_task(call: Call) -> Task:
    """Of the path.

    Raises:
        Refused: 404027, also where the user may not see what it refreshes.
    """
    return _found(call, "task", call.site.tasks, "404027")


def _found(call: Call, place: str, those: Iterable[_Found], code: str) -> _Found:
    wanted = call.path[place]
    for each in those:
        if each.id == wanted and _sees(call, each.target if isinstance(each, Task) else each):
            return each
    raise Refused(code, wanted)


def told(content: Content) -> Element:
    """A data source or a workbook with all that is known of it."""
    common: dict[str, Any] = {
        "id": content.id,
        "name": content.name,
        "contentUrl": content.name.replace(" ", ""),
        "createdAt": timestamp(content.created),
        "updatedAt": timestamp(content.updated),
        "hasExtracts": content.has_extracts,
    }
    owner = (element("owner", id=content.owner_id),) if content.owner_id else ()
    children = (_project(content.project), *owner, element("tags"))
    if isinstance(content, DataSource):
        described = content.description or None
        return element("datasource", children, **common, type=content.kind, description=described)
    return element("workbook", children, **common)


def named(content: Content) -> Element:
    """A data source or a workbook as jobs mention it."""
    kind = "datasource" if isinstance(content, DataSource) else "workbook"
    return element(kind, id=content.id, name=content.name)


def _sees(call: Call, content: Content) -> bool:
    return call.session.user.sees(content.project)


def _project(project: Project, *, in_full: bool = False) -> Element:
    if not in_full:
        return element("project", id=project.id, name=project.name)
    return element(
        "project", id=project.id, name=project.name, description="",
        contentPermissions="ManagedByOwner", topLevelProject=project.parent is None,
        parentProjectId=project.parent.id if project.parent else None,
    )  # fmt: skip


def _task(scheduled: Task) -> Element:
    target = element(named(scheduled.target).tag, id=scheduled.target.id)
    schedule = element(
        "schedule", id=scheduled.schedule_id, name=scheduled.schedule, state="Active",
        priority=50, type="Extract", frequency="Daily",
    )  # fmt: skip
    kind = "IncrementExtractTask" if scheduled.is_incremental else "RefreshExtractTask"
    refresh = element(
        "extractRefresh", (schedule, target), id=scheduled.id, priority=50, type=kind,
        consecutiveFailedCount=scheduled.failures,
    )  # fmt: skip
    return element("task", (refresh,))
