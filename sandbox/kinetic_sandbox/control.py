"""The control plane of a stand-in: faults, time, the record of calls, and what is its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from kinetic_sandbox.faults import KINDS, Fault, Faults
from kinetic_sandbox.kinetic.http.answers import Answer, json_answer
from kinetic_sandbox.service import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Call(Protocol):
    """A call in the record."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, without secrets."""


class Controlled(Protocol):
    """What can be controlled."""

    faults: Faults
    violations: list[str]

    @property
    def calls(self) -> list[Any]:
        """The record, of `Call`."""

    def now(self) -> float:
        """Seconds since 1970."""

    def let_pass(self, seconds: float) -> None:
        """Move the clock."""


class Control:
    """Answers requests below `/_sandbox`, which are no calls of the API.

    Args:
        service: what is controlled.
        more: what it can do beside, by method and path.
    """

    def __init__(
        self, service: Controlled, more: Mapping[tuple[str, str], Callable[[Any], Any]]
    ) -> None:
        self._service = service
        self._routes: dict[tuple[str, str], Callable[[Any], Any]] = {
            ("GET", "/requests"): lambda _: [each.as_dict() for each in list(service.calls)],
            ("DELETE", "/requests"): self._forget,
            ("GET", "/faults"): lambda _: {"set": service.faults.active(), "known": KINDS},
            ("POST", "/faults"): self._add_fault,
            ("DELETE", "/faults"): self._clear_faults,
            ("POST", "/time"): self._time,
            ("GET", "/violations"): lambda _: list(service.violations),
            **more,
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
        self._service.calls.clear()
        return {}

    def _add_fault(self, given: dict[str, Any]) -> dict[str, Any]:
        self._service.faults.add(Fault(**given))
        return {"set": self._service.faults.active()}

    def _clear_faults(self, _: object) -> dict[str, Any]:
        self._service.faults.clear()
        return {"set": []}

    def _time(self, given: dict[str, Any]) -> dict[str, Any]:
        self._service.let_pass(float(given["seconds"]))
        return {"now": self._service.now()}
