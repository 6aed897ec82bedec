"""Which address is answered by what, and how it counts against the plan that was bought."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from kinetic_sandbox.looker import connections, datagroups, derived_tables, people, plans, projects
from kinetic_sandbox.looker.call import ROOT, Call, Done
from kinetic_sandbox.looker.instance import ADMINISTRATIVE, FREE, QUERY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class Route:
    """An operation of the API; what needs no token has no `answer`."""

    method: str
    template: str
    kind: str
    answer: Callable[[Call], Done] | None

    def match(self, method: str, path: str) -> Mapping[str, str] | None:
        """What stands in the places of the template, None where it is another address."""
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.template)
        found = re.fullmatch(pattern, path) if method == self.method else None
        return {name: unquote(text) for name, text in found.groupdict().items()} if found else None


def find(method: str, path: str) -> tuple[Route, Mapping[str, str]] | None:
    """The operation of a request."""
    for route in ROUTES:
        places = route.match(method, path)
        if places is not None:
            return route, places
    return None


def _route(
    method: str, path: str, answer: Callable[[Call], Done] | None, kind: str = ADMINISTRATIVE
) -> Route:
    return Route(method, ROOT + path, kind, answer)


LOGIN = _route("POST", "/login", None, FREE)
LOGOUT = _route("DELETE", "/logout", None, FREE)
VERSIONS = _route("GET", "/versions", None, FREE)

ROUTES = (
    LOGIN,
    LOGOUT,
    VERSIONS,
    _route("GET", "/user", people.me),
    _route("GET", "/session", projects.session),
    _route("PATCH", "/session", projects.workspace_chosen),
    _route("GET", "/datagroups", datagroups.listed),
    _route("GET", "/datagroups/{datagroup_id}", datagroups.one),
    _route("PATCH", "/datagroups/{datagroup_id}", datagroups.updated),
    _route("GET", "/connections/{connection_name}", connections.one),
    _route("PUT", "/connections/{connection_name}/test", connections.tested),
    _route("GET", "/connections/{connection_name}/schemas", connections.schemas),
    _route("GET", "/connections/{connection_name}/tables", connections.tables),
    _route("GET", "/connections/{connection_name}/columns", connections.columns),
    _route("GET", "/derived_table/{model_name}/{view_name}/start", derived_tables.started),
    _route("GET", "/derived_table/{materialization_id}/status", derived_tables.checked),
    _route("GET", "/derived_table/{materialization_id}/stop", derived_tables.stopped),
    _route("GET", "/scheduled_plans/{scheduled_plan_id}", plans.one, QUERY),
    _route("POST", "/scheduled_plans/{scheduled_plan_id}/run_once", plans.run_once, QUERY),
    _route("GET", "/lookml_models/{lookml_model_name}", projects.model),
    _route("GET", "/projects/{project_id}", projects.one),
    _route("GET", "/projects/{project_id}/git_branch", projects.branch),
    _route("PUT", "/projects/{project_id}/git_branch", projects.checked_out),
    _route("GET", "/projects/{project_id}/git_branch/{branch_name}", projects.find_branch),
    _route("POST", "/projects/{project_id}/reset_to_remote", projects.reset_to_remote),
    _route("POST", "/projects/{project_id}/validate", projects.validated),
    _route("GET", "/projects/{project_id}/lookml_tests", projects.tests),
    _route("GET", "/projects/{project_id}/lookml_tests/run", projects.tests_run),
    _route("POST", "/projects/{project_id}/deploy_ref_to_production", projects.ref_deployed),
)
