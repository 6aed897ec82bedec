"""Persistent derived tables: builds that take their time."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

from kinetic_sandbox.looker.call import Call, Done, Refused, not_found
from kinetic_sandbox.looker.resources import Build

if TYPE_CHECKING:
    from kinetic_sandbox.looker.resources import DerivedTable


def started(call: Call) -> Done:
    """A build is queued."""
    call.needs("develop")
    call.needs("see_pdts")
    table = _found(call)
    if not call.looker.connections[table.connection].pdt_api_control:
        raise Refused(400, "PDT API control is not enabled for this connection.")
    if table.has_no_id:
        return Done({"materialization_id": "", "resp_text": None})
    force = call.query.get("force_rebuild") == "true"
    build = Build(secrets.token_hex(16), table, call.looker.now(), force)
    call.looker.builds[build.id] = build
    table.builds.append(build.id)
    return _told(build, {"status": "added"})


def checked(call: Call) -> Done:
    """How far a build is."""
    call.needs("develop")
    build = _build(call)
    if build.stopped:
        return _told(build, {"status": "killed", "message": "stopped by the API"})
    if call.looker.now() < build.began + build.table.takes:
        return _told(build, {"status": "running"})
    if build.table.error:
        return _told(build, {"status": "error", "message": build.table.error})
    return _told(build, {"status": "complete"})


def stopped(call: Call) -> Done:
    """A build is given up."""
    call.needs("develop")
    build = _build(call)
    build.stopped = True
    return _told(build, {"status": "killed"})


def _found(call: Call) -> DerivedTable:
    for each in call.looker.derived_tables:
        if (each.model, each.view) == (call.path["model_name"], call.path["view_name"]):
            return each
    raise not_found()


def _build(call: Call) -> Build:
    build = call.looker.builds.get(call.path["materialization_id"])
    if build is None:
        raise not_found()
    return build


def _told(build: Build, text: dict[str, Any]) -> Done:
    return Done({"materialization_id": build.id, "resp_text": json.dumps(text)})
