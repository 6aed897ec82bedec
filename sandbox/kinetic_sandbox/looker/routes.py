"""Which address is answered by what, and how it counts against the plan that was bought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kinetic_sandbox.looker import connections, datagroups, derived_tables, people, plans, projects
from kinetic_sandbox.looker.call import ROOT, Call, Done
from kinetic_sandbox.looker.instance import ADMINISTRATIVE, FREE, QUERY
from kinetic_sandbox.routes import Route

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Operation(Route):
    """An operation of the API; what needs no token has no `answer`."""

    kind: str
    answer: Callable[[Call], Done] | None


def _operation(
    method: str, path: str, answer: Callable[[Call], Done] | None, kind: str = ADMINISTRATIVE
) -> Operation:
    return Operation(method, ROOT + path, kind, answer)


LOGIN = _operation("POST", "/login", None, FREE)
LOGOUT = _operation("DELETE", "/logout", None, FREE)
VERSIONS = _operation("GET", "/versions", None, FREE)

ROUTES = (
    LOGIN,
    LOGOUT,
    VERSIONS,
    _operation("GET", "/user", people.me),
    _operation("GET", "/session", projects.session),
    _operation("PATCH", "/session", projects.workspace_chosen),
    _operation("GET", "/datagroups", datagroups.listed),
    _operation("GET", "/datagroups/{datagroup_id}", datagroups.one),
    _operation("PATCH", "/datagroups/{datagroup_id}", datagroups.updated),
    _operation("GET", "/connections/{connection_name}", connections.one),
    _operation("PUT", "/connections/{connection_name}/test", connections.tested),
    _operation("GET", "/connections/{connection_name}/schemas", connections.schemas),
    _operation("GET", "/connections/{connection_name}/tables", connections.tables),
    _operation("GET", "/connections/{connection_name}/columns", connections.columns),
    _operation("GET", "/derived_table/{model_name}/{view_name}/start", derived_tables.started),
    _operation("GET", "/derived_table/{materialization_id}/status", derived_tables.checked),
    _operation("GET", "/derived_table/{materialization_id}/stop", derived_tables.stopped),
    _operation("GET", "/scheduled_plans/{scheduled_plan_id}", plans.one, QUERY),
    _operation("POST", "/scheduled_plans/{scheduled_plan_id}/run_once", plans.run_once, QUERY),
    _operation("GET", "/lookml_models/{lookml_model_name}", projects.model),
    _operation("GET", "/projects/{project_id}", projects.one),
    _operation("GET", "/projects/{project_id}/git_branch", projects.branch),
    _operation("PUT", "/projects/{project_id}/git_branch", projects.checked_out),
    _operation("GET", "/projects/{project_id}/git_branch/{branch_name}", projects.find_branch),
    _operation("POST", "/projects/{project_id}/reset_to_remote", projects.reset_to_remote),
    _operation("POST", "/projects/{project_id}/validate", projects.validated),
    _operation("GET", "/projects/{project_id}/lookml_tests", projects.tests),
    _operation("GET", "/projects/{project_id}/lookml_tests/run", projects.tests_run),
    _operation("POST", "/projects/{project_id}/deploy_ref_to_production", projects.ref_deployed),
)
