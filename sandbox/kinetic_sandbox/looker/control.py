"""The control plane: faults, time, state, and the record of calls."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from kinetic_sandbox.faults import KINDS, Fault
from kinetic_sandbox.kinetic.http.answers import Answer, json_answer
from kinetic_sandbox.looker.resources import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from kinetic_sandbox.looker.server import LookerServer

PREFIX = "/_sandbox"


class Control:
    """Answers requests below `/_sandbox`, which are no calls of the API."""

    def __init__(self, server: LookerServer) -> None:
        self._server = server
        self._routes: dict[tuple[str, str], Callable[[Any], Any]] = {
            ("GET", "/requests"): lambda _: [each.as_dict() for each in list(server.calls)],
            ("DELETE", "/requests"): self._forget,
            ("GET", "/faults"): lambda _: {"set": server.faults.active(), "known": KINDS},
            ("POST", "/faults"): self._add_fault,
            ("DELETE", "/faults"): self._clear_faults,
            ("POST", "/time"): self._time,
            ("POST", "/tables"): self._tables,
            ("GET", "/state"): lambda _: self._state(),
            ("GET", "/violations"): lambda _: list(server.violations),
        }

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        """Answer a control request; what is wrong with it is told in a 400."""
        route = self._routes.get((method, path.removeprefix(PREFIX)))
        if route is None:
            known = sorted(f"{verb} {PREFIX}{rest}" for verb, rest in self._routes)
            return json_answer({"error": "unknown control request", "known": known}, 404)
        try:
            return json_answer(route(json.loads(body or b"{}")))
        except (ValueError, KeyError, TypeError) as error:
            return json_answer({"error": str(error)}, 400)

    def _forget(self, _: object) -> dict[str, Any]:
        self._server.calls.clear()
        return {}

    def _add_fault(self, given: dict[str, Any]) -> dict[str, Any]:
        self._server.faults.add(Fault(**given))
        return {"set": self._server.faults.active()}

    def _clear_faults(self, _: object) -> dict[str, Any]:
        self._server.faults.clear()
        return {"set": []}

    def _time(self, given: dict[str, Any]) -> dict[str, Any]:
        self._server.looker.let_pass(float(given["seconds"]))
        return {"now": self._server.looker.now()}

    def _tables(self, given: dict[str, Any]) -> dict[str, Any]:
        """What the database user sees: connection, schema, and tables with their columns."""
        connection = self._server.looker.connections[given["connection"]]
        tables = given["tables"]
        held = {name: [] for name in tables} if isinstance(tables, list) else dict(tables)
        connection.schemas[given["schema"]] = held
        return connection.schemas

    def _state(self) -> dict[str, Any]:
        looker = self._server.looker
        return {
            "datagroups": [plain(each) for each in looker.datagroups],
            "connections": [plain(each) for each in looker.connections.values()],
            "derived_tables": [plain(each) for each in looker.derived_tables],
            "plans": [plain(each) for each in looker.plans.values()],
            "projects": [asdict(each) for each in looker.projects.values()],
            "calls": looker.calls,
            "open_sessions": looker.open_sessions,
        }
