"""Jobs: listed, looked at, cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinetic_sandbox.tableau.call import Call, Done, Refused
from kinetic_sandbox.tableau.content import named
from kinetic_sandbox.tableau.filters import page
from kinetic_sandbox.tableau.resources import CANCELLED, PUBLISH, REFRESH, SUCCESS, DataSource, Job
from kinetic_sandbox.tableau.xml import Element, element, timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator

_LISTED = {PUBLISH: "publish_datasource", REFRESH: "refresh_extracts"}
_FIELDS = {
    "createdAt": "createdAt", "startedAt": "startedAt", "completedAt": "endedAt",
    "jobType": "jobType", "priority": "priority", "status": "status", "subtitle": "subtitle",
    "title": "title",
}  # fmt: skip
_NOTES = {SUCCESS: "Finished refresh of extracts (new extract id:{}).", CANCELLED: "Cancelled."}


def listed(call: Call) -> Done:
    """Jobs of the site, the newest first; only the title tells what each one is about."""
    call.needs("list jobs")
    now = call.tableau.now()
    newest_first = [_listed(job, now) for job in reversed(call.site.jobs)]
    return page(call, "backgroundJobs", newest_first, _FIELDS)


def one(call: Call) -> Done:
    """A job in detail."""
    return Done((told(_found(call), call.tableau.now()),))


def cancelled(call: Call) -> Done:
    """A job that is queued or running ends."""
    call.needs("cancel")
    job = _found(call)
    now = call.tableau.now()
    if not job.is_open(now):
        raise Refused("400031", job.id)
    job.cancelled = now
    return Done()


def begun(job: Job) -> Element:
    """A job in the answer that began it."""
    if job.type == PUBLISH:
        # The vendor's fixture has a finish code here, long before it is finished.
        return element(
            "job", id=job.id, mode="Asynchronous", type=job.type, progress=0,
            createdAt=timestamp(job.created), finishCode=1,
        )  # fmt: skip
    return element(
        "job", _about(job), id=job.id, mode="Asynchronous", type=job.type,
        createdAt=timestamp(job.created),
    )  # fmt: skip


def told(job: Job, now: float) -> Element:
    """A job as far as it is."""
    code = job.finish_code(now)
    is_started = now >= job.starts and job.starts < job.ends
    return element(
        "job",
        _about(job, _notes(job, now)),
        id=job.id,
        mode="Asynchronous",
        type=job.type,
        progress=_progress(job, now),
        createdAt=timestamp(job.created),
        startedAt=timestamp(job.starts) if is_started else None,
        completedAt=None if code is None else timestamp(job.ends),
        finishCode=code,
    )


def _found(call: Call) -> Job:
    wanted = call.path["job"]
    for each in call.site.jobs:
        if each.id == wanted and call.session.user.sees(each.target.project):
            return each
    raise Refused("404031", wanted)


def _progress(job: Job, now: float) -> int:
    if not job.is_open(now):
        return 100
    return max(0, min(99, int(100 * (now - job.starts) / (job.plan.running or 1))))


def _notes(job: Job, now: float) -> str | None:
    code = job.finish_code(now)
    if code is None:
        return None
    return job.plan.notes or _NOTES.get(code, "The job failed.").format(job.id.upper())


def _about(job: Job, notes: str | None = None) -> Iterator[Element]:
    noted = () if notes is None else (element("notes", text=notes),)
    if job.type == REFRESH:
        yield element("extractRefreshJob", (*noted, named(job.target)))
    elif isinstance(job.target, DataSource) and job.type != PUBLISH:
        of = element("connectionLuid", text=job.target.connection_id)
        yield element("updateUploadedFileJob", (named(job.target), of, *noted))


def _listed(job: Job, now: float) -> Element:
    kind = _LISTED.get(job.type, "update_uploaded_file")
    is_started = now >= job.starts and job.starts < job.ends
    return element(
        "backgroundJob",
        id=job.id,
        status=job.status(now),
        createdAt=timestamp(job.created),
        startedAt=timestamp(job.starts) if is_started else None,
        endedAt=None if job.is_open(now) else timestamp(job.ends),
        priority=50,
        jobType="increment_extracts" if job.is_incremental else kind,
        title=job.target.name,
        subtitle="Data Source" if isinstance(job.target, DataSource) else "Workbook",
    )
