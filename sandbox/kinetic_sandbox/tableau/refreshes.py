"""Extract refreshes: of a data source, of a workbook, of a scheduled task now."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kinetic_sandbox.tableau.call import Call, Done, Refused, Version
from kinetic_sandbox.tableau.content import find_datasource, find_task, find_workbook
from kinetic_sandbox.tableau.jobs import begun
from kinetic_sandbox.tableau.resources import REFRESH, Job
from kinetic_sandbox.tableau.xml import Element, element

if TYPE_CHECKING:
    from kinetic_sandbox.tableau.resources import Content

_HOUR = 3600
_INCREMENTAL_SINCE = Version(3, 25)


def datasource(call: Call) -> Done:
    """Of a published data source."""
    return Done((_answered(call, find_datasource(call)),), 202)


def workbook(call: Call) -> Done:
    """Of a workbook's own extracts."""
    return Done((_answered(call, find_workbook(call)),), 202)


def task(call: Call) -> Done:
    """Of a scheduled task; the answer names nothing but the job."""
    scheduled = find_task(call)
    job = _started(call, scheduled.target, is_incremental=scheduled.is_incremental)
    return Done((element("job", id=job.id, mode="Asynchronous", type=job.type),))


def _answered(call: Call, target: Content) -> Element:
    return begun(_started(call, target, is_incremental=_is_incremental(call)))


def _is_incremental(call: Call) -> bool:
    """As the body says it; servers before 3.25 do not know of it."""
    request = None if call.body.xml is None else call.body.xml.find("extractRefresh")
    if request is None:
        return False
    if call.version < _INCREMENTAL_SINCE:
        raise Refused("400000", "extractRefresh is not expected here")
    return request.get("incremental") == "true"


def _started(call: Call, target: Content, *, is_incremental: bool) -> Job:
    call.needs("refresh")
    _keep_the_pace(call)
    if not target.has_extracts:
        raise Refused("409090", target.name)
    now = call.tableau.now()
    for job in call.site.jobs:
        if job.type == REFRESH and job.target is target and job.is_open(now):
            raise Refused("409093", target.name)
    return call.tableau.start(call.site, REFRESH, target, is_incremental=is_incremental)


def _keep_the_pace(call: Call) -> None:
    site, now = call.site, call.tableau.now()
    if site.refreshes_per_hour is None:
        return
    starts = [job.created for job in site.jobs if job.type == REFRESH and job.created > now - _HOUR]
    if len(starts) < site.refreshes_per_hour:
        return
    wait = (starts[-site.refreshes_per_hour] if site.refreshes_per_hour else now) + _HOUR - now
    seconds = math.ceil(wait) if site.tells_retry_after else None
    raise Refused("429000", str(math.ceil(wait / 60)), retry_after=seconds)
