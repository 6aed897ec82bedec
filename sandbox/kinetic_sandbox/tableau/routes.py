"""Which address is answered by what, since which version, and with which scope of a web token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kinetic_sandbox.routes import Route
from kinetic_sandbox.tableau import content, jobs, publishing, refreshes, uploads
from kinetic_sandbox.tableau.call import Call, Done, Version

if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST = Version(2, 0)
READ, RUN, JOBS = "tableau:content:read", "tableau:tasks:run", "tableau:jobs:read"
CREATE, CHANGE = "tableau:datasources:create", "tableau:datasources:update"
UPLOAD = "tableau:file_uploads:create"


@dataclass(frozen=True)
class Operation(Route):
    """An operation of the API; what needs no site has no `answer`.

    Attributes:
        template: what follows the version, or the site where there is one.
        scopes: any of them is enough.
    """

    scopes: tuple[str, ...]
    answer: Callable[[Call], Done] | None
    since: Version = _FIRST


_SITE = "/sites/{site}"


def _on_site(
    method: str, path: str, answer: Callable[[Call], Done], *scopes: str, since: str = "2.0"
) -> Operation:
    return Operation(method, _SITE + path, scopes, answer, Version.of(since))


SERVER_INFO = Operation("GET", "/serverInfo", (), None, Version(2, 4))
SIGN_IN = Operation("POST", "/auth/signin", (), None)
SIGN_OUT = Operation("POST", "/auth/signout", (), None)

ROUTES = (
    SERVER_INFO,
    SIGN_IN,
    SIGN_OUT,
    _on_site("GET", "/users/{user}", content.user, "tableau:users:read"),
    _on_site("GET", "/projects", content.projects, READ),
    _on_site("GET", "/datasources", content.datasources, READ),
    _on_site("GET", "/datasources/{datasource}", content.datasource, READ),
    _on_site("GET", "/datasources/{datasource}/connections", content.connections, READ),
    _on_site("POST", "/datasources/{datasource}/refresh", refreshes.datasource, RUN, since="2.8"),
    _on_site("POST", "/datasources", publishing.published, CREATE),
    _on_site("PATCH", "/datasources/{datasource}/data", publishing.updated, CHANGE, since="3.13"),
    _on_site(
        "PATCH",
        "/datasources/{datasource}/connections/{connection}/data",
        publishing.updated,
        CHANGE,
        since="3.13",
    ),
    _on_site("POST", "/fileUploads", uploads.begun, UPLOAD),
    _on_site("PUT", "/fileUploads/{upload}", uploads.appended, UPLOAD),
    _on_site("GET", "/workbooks", content.workbooks, READ),
    _on_site("GET", "/workbooks/{workbook}", content.workbook, READ),
    _on_site("POST", "/workbooks/{workbook}/refresh", refreshes.workbook, RUN, since="2.8"),
    _on_site("GET", "/tasks/extractRefreshes", content.tasks, "tableau:tasks:read", READ),
    _on_site("GET", "/tasks/extractRefreshes/{task}", content.task, "tableau:tasks:read", READ),
    _on_site("POST", "/tasks/extractRefreshes/{task}/runNow", refreshes.task, RUN, since="2.6"),
    _on_site("GET", "/jobs", jobs.listed, JOBS, since="3.1"),
    _on_site("GET", "/jobs/{job}", jobs.one, JOBS, since="2.6"),
    _on_site("PUT", "/jobs/{job}", jobs.cancelled, RUN, since="3.1"),
)
