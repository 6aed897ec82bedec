"""What the control plane can set and show of an instance."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from kinetic_sandbox.looker.resources import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from kinetic_sandbox.looker.instance import Looker


def controls(looker: Looker) -> dict[tuple[str, str], Callable[[Any], Any]]:
    """What is done for which method and path."""
    return {
        ("POST", "/tables"): lambda given: _tables(looker, given),
        ("GET", "/state"): lambda _: _state(looker),
    }


def _tables(looker: Looker, given: dict[str, Any]) -> dict[str, Any]:
    """What the database user sees: connection, schema, and tables with their columns."""
    connection = looker.connections[given["connection"]]
    tables = given["tables"]
    held = {name: [] for name in tables} if isinstance(tables, list) else dict(tables)
    connection.schemas[given["schema"]] = held
    return connection.schemas


def _state(looker: Looker) -> dict[str, Any]:
    return {
        "datagroups": [plain(each) for each in looker.datagroups],
        "connections": [plain(each) for each in looker.connections.values()],
        "derived_tables": [plain(each) for each in looker.derived_tables],
        "plans": [plain(each) for each in looker.plans.values()],
        "projects": [asdict(each) for each in looker.projects.values()],
        "calls": looker.calls,
        "open_sessions": looker.open_sessions,
    }
