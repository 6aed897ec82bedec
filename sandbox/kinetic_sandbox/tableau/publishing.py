"""Data sources that are published, and published data that is updated in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kinetic_sandbox.tableau.call import Call, Done, Refused
from kinetic_sandbox.tableau.content import find_datasource, told
from kinetic_sandbox.tableau.jobs import begun
from kinetic_sandbox.tableau.resources import PUBLISH, UPDATE, DataSource, Update
from kinetic_sandbox.tableau.sites import luid
from kinetic_sandbox.tableau.uploads import LARGEST, MEGABYTE, uploaded

if TYPE_CHECKING:
    from kinetic_sandbox.tableau.resources import Project

_KINDS = {"hyper", "tdsx", "tds", "parquet", "tde"}
_BY_ROW = {"update", "upsert", "delete"}
_ACTIONS = {"insert", "replace", *_BY_ROW}


def published(call: Call) -> Done:
    """A data source: new, in another's place, or appended to it; at once or as a job."""
    wanted = None if call.body.xml is None else call.body.xml.find("datasource")
    name = None if wanted is None else wanted.get("name")
    place = None if wanted is None else wanted.find("project")
    if wanted is None or place is None or not name:
        raise Refused("400003", "a data source with a name and a project is expected")
    project = _project(call, place.get("id", ""))
    file = _file(call, name)
    source = _target(call, project, name)
    source.description = wanted.get("description", source.description)

    def put() -> None:
        source.files = [*(source.files if "append" in call.query else ()), file]
        source.updated = call.tableau.now()
        source.kind = call.query.get("datasourceType", "hyper")
        # What comes as a file has no upstream that a refresh could ask.
        source.has_extracts = not source.is_live_to_hyper
        if source not in call.site.datasources:
            call.site.datasources.append(source)

    if call.query.get("asJob") == "true":
        return Done((begun(call.tableau.start(call.site, PUBLISH, source, put)),), 202)
    put()
    return Done((told(source),), 201)


def updated(call: Call) -> Done:
    """Actions on the data of a live-to-Hyper connection; one request id is one job."""
    source = find_datasource(call)
    if call.path.get("connection", source.connection_id) != source.connection_id:
        raise Refused("404003", call.path["connection"])
    call.needs("publish")
    request_id = call.headers.get("requestid", "")
    if not request_id:
        raise Refused("400000", "the header RequestID is missing")
    if not source.is_live_to_hyper:
        raise Refused("400003", f"'{source.name}' has no live-to-Hyper connection")
    key = f"{source.id} {request_id}"
    if key not in call.site.requests:
        update = Update(request_id, _actions(call), uploaded(call) or b"")
        call.site.requests[key] = call.tableau.start(
            call.site, UPDATE, source, lambda: source.apply(update)
        )
    return Done((begun(call.site.requests[key]),), 202)


def _project(call: Call, project_id: str) -> Project:
    for each in call.site.projects:
        if each.id == project_id and call.session.user.sees(each):
            call.needs("publish")
            return each
    raise Refused("404005", project_id)


def _file(call: Call, name: str) -> tuple[str, bytes]:
    """Its name and its bytes, as one part of this request or uploaded before."""
    kind = call.query.get("datasourceType", "")
    content = uploaded(call)
    if content is not None and kind in _KINDS:
        return f"{name}.{kind}", content
    file_name, content = call.body.files.get("tableau_datasource", ("", b""))
    if not content or file_name.rpartition(".")[2].lower() not in _KINDS:
        raise Refused("400011", file_name)
    if len(content) > LARGEST * MEGABYTE:
        raise Refused("413000", str(LARGEST))
    return file_name, content


def _target(call: Call, project: Project, name: str) -> DataSource:
    """What stands there, or what will."""
    path = f"{project.path}/{name}"
    found = next((each for each in call.site.datasources if each.path == path), None)
    modes = {mode for mode in ("overwrite", "append", "replace") if mode in call.query}
    if found is not None:
        if not modes:
            raise Refused("409006", name)
        return found
    if "append" in modes:
        raise Refused("404004", name)
    site, now = call.site.content_url, call.tableau.now()
    return DataSource(
        luid(site, "datasource", path), name, project, created=now,
        connection_id=luid(site, "connection", path),
    )  # fmt: skip


def _actions(call: Call) -> list[dict[str, Any]]:
    sent = call.body.json
    actions = sent.get("actions") if isinstance(sent, dict) else None
    if not isinstance(actions, list) or not actions:
        raise Refused("400000", "actions are expected")
    for each in actions:
        kind = each.get("action")
        if kind not in _ACTIONS:
            raise Refused("400000", f"{kind!r} is no action")
        if "target-table" not in each or "source-table" not in each:
            raise Refused("400000", f"the action {kind} needs a source-table and a target-table")
        if (kind in _BY_ROW) != ("condition" in each):
            raise Refused("400000", f"the action {kind} and a condition do not fit")
    if "uploadSessionId" not in call.query:
        raise Refused("400000", "an uploadSessionId is expected")
    return actions
