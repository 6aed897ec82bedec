"""The control plane: pass days, switch vices, look at truth and traffic."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from kinetic_sandbox.kinetic.http.answers import Answer, json_answer
from kinetic_sandbox.kinetic.http.vices import VICES, vices_from

if TYPE_CHECKING:
    from collections.abc import Callable

    from kinetic_sandbox.kinetic.edm import EntityFacts
    from kinetic_sandbox.kinetic.http.gateway import Request
    from kinetic_sandbox.kinetic.http.received import ReceivedRequest
    from kinetic_sandbox.kinetic.http.vices import Vices
    from kinetic_sandbox.kinetic.tenant import Tenant

PREFIX = "/_sandbox"


class Control:
    """Answers requests below `/_sandbox`, which are no tenant traffic."""

    def __init__(self, tenant: Tenant, vices: Vices, requests: list[ReceivedRequest]) -> None:
        self._tenant = tenant
        self._vices = vices
        self._requests = requests
        self._routes: dict[tuple[str, str], Callable[[Request], Any]] = {
            ("POST", "/day"): self._day,
            ("GET", "/vices"): self._list_vices,
            ("POST", "/vices"): self._set_vices,
            ("GET", "/requests"): self._list_requests,
            ("DELETE", "/requests"): self._forget_requests,
            ("GET", "/rows"): self._rows,
            ("GET", "/streams"): self._streams,
            ("POST", "/restore"): self._restore,
        }

    def answer(self, request: Request) -> Answer:
        """Answer a control request; what is wrong with it is told in a 400."""
        route = self._routes.get((request.method, request.path.removeprefix(PREFIX)))
        if route is None:
            known = sorted(f"{method} {PREFIX}{path}" for method, path in self._routes)
            return json_answer({"error": "unknown control request", "known": known}, 404)
        try:
            return json_answer(route(request))
        except (ValueError, KeyError) as error:
            return json_answer({"error": str(error)}, 400)

    def _day(self, request: Request) -> dict[str, Any]:
        return asdict(self._tenant.day_passes(int(request.query.get("n", "1"))))

    def _list_vices(self, _: Request) -> dict[str, Any]:
        return {
            "on": self._vices.active(),
            "known": {name: f"{vice.kind.__name__}: {vice.does}" for name, vice in VICES.items()},
        }

    def _set_vices(self, request: Request) -> dict[str, Any]:
        given = json.loads(request.body or "{}")
        if not isinstance(given, dict):
            raise ValueError('expected a JSON object of vices, such as {"page_cap": 100}')  # noqa: TRY004
        vices_from(given, self._vices)
        return {"on": self._vices.active()}

    def _list_requests(self, _: Request) -> list[dict[str, Any]]:
        return [request.as_dict() for request in list(self._requests)]

    def _forget_requests(self, _: Request) -> dict[str, Any]:
        self._requests.clear()
        return {}

    def _rows(self, request: Request) -> list[dict[str, Any]]:
        query = request.query
        return self._tenant.rows(query.get("stream", ""), query.get("company", ""))

    def _streams(self, _: Request) -> dict[str, Any]:
        return {stream: _described(self._tenant.entity(stream)) for stream in self._tenant.streams}

    def _restore(self, _: Request) -> dict[str, Any]:
        self._tenant.restore()
        return {}


def _described(facts: EntityFacts) -> dict[str, Any]:
    return {
        "service": facts.service,
        "entity_set": facts.entity_set,
        "key": facts.key,
        "closed": facts.closed,
        "closed_when": facts.closed_when,
        "child_of": facts.child_of,
        "columns": {name: column.type for name, column in facts.columns.items()},
    }
