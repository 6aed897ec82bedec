"""Connections: their tests, and what Looker's database user sees through them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kinetic_sandbox.looker.call import Call, Done, not_found
from kinetic_sandbox.looker.instance import ADMIN

if TYPE_CHECKING:
    from kinetic_sandbox.looker.resources import Connection

_RIGHTS = (ADMIN, "manage_project_connections", "manage_project_connections_restricted")


def one(call: Call) -> Done:
    """What a connection is."""
    connection = _found(call)
    told = {
        "name": connection.name,
        "dialect": {"name": connection.dialect, "connection_tests": list(connection.tests)},
        "dialect_name": connection.dialect,
        "pdt_api_control_enabled": connection.pdt_api_control,
        "can": {"show": True},
    }
    wanted = call.query.get("fields")
    names = wanted.split(",") if wanted else list(told)
    return Done({name: value for name, value in told.items() if name in names})


def tested(call: Call) -> Done:
    """Each test that was asked for and that the dialect has."""
    connection = _found(call)
    wanted = call.query.get("tests")
    names = wanted.split(",") if wanted else connection.tests
    return Done(
        [_result(connection, name) for name in names if name in connection.tests],
    )


def schemas(call: Call) -> Done:
    """Those that the database user sees."""
    connection = _found(call)
    _needs_database(connection)
    return Done([{"name": name, "is_default": name == "public"} for name in connection.schemas])


def tables(call: Call) -> Done:
    """By schema."""
    connection = _found(call)
    _needs_database(connection)
    return Done(
        [
            {
                "name": schema,
                "is_default": schema == "public",
                "tables": [{"name": table, "schema_name": schema} for table in of_schema],
                "table_limit_hit": False,
            }
            for schema, of_schema in _wanted(call, connection)
        ]
    )


def columns(call: Call) -> Done:
    """By table."""
    connection = _found(call)
    _needs_database(connection)
    asked = call.query.get("table_names")
    return Done(
        [
            {
                "name": table,
                "schema_name": schema,
                "columns": [{"name": name, "schema_name": schema} for name in names],
            }
            for schema, of_schema in _wanted(call, connection)
            for table, names in of_schema.items()
            if not asked or table in asked.split(",")
        ]
    )


def _wanted(call: Call, connection: Connection) -> list[tuple[str, dict[str, list[str]]]]:
    name = call.query.get("schema_name")
    return [(each, held) for each, held in connection.schemas.items() if name in {None, each}]


def _found(call: Call) -> Connection:
    if not any(call.session.user.may(right) for right in _RIGHTS):
        raise call.looker.denied()
    connection = call.looker.connections.get(call.path["connection_name"])
    if connection is None:
        raise not_found()
    return connection


def _needs_database(connection: Connection) -> None:
    """Looker says 404 where the database does not let it in."""
    if "connect" in connection.failing:
        raise not_found()


def _result(connection: Connection, name: str) -> dict[str, Any]:
    failure = connection.failing.get(name)
    return {
        "name": name,
        "status": "error" if failure else "success",
        "message": failure or ("Can connect" if name == "connect" else f"Can run {name}"),
    }
