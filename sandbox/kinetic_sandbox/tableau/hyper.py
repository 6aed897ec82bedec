"""What an update does to a published `.hyper` file, by Tableau's own engine where that is there."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_OPERATORS = {"eq": "=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}


class DoesNotFit(Exception):
    """The actions and the tables do not go together, or one of the files is no `.hyper`."""


def updated(file: bytes, actions: Sequence[Mapping[str, Any]], payload: bytes) -> bytes:
    """The file after the actions, all of them or none; without the engine it stays as it was.

    Raises:
        DoesNotFit: as the engine says it.
    """
    try:
        import tableauhyperapi as hyper  # type: ignore[import-untyped] # noqa: PLC0415
    except ImportError:
        return file
    silent = hyper.Telemetry.DO_NOT_SEND_USAGE_DATA_TO_TABLEAU
    with tempfile.TemporaryDirectory() as folder:
        target, source = Path(folder, "target.hyper"), Path(folder, "source.hyper")
        target.write_bytes(file)
        source.write_bytes(payload)
        try:
            with (
                hyper.HyperProcess(silent, parameters={"log_config": ""}) as engine,
                hyper.Connection(engine.endpoint) as connection,
            ):
                connection.catalog.attach_database(target, "target")
                connection.catalog.attach_database(source, "source")
                connection.execute_command("BEGIN TRANSACTION")
                for action in actions:
                    for statement in _statements(hyper, connection, action):
                        connection.execute_command(statement)
                connection.execute_command("COMMIT")
        except (hyper.HyperException, KeyError) as error:
            raise DoesNotFit(str(error)) from error
        return target.read_bytes()


def _statements(hyper: Any, connection: Any, action: Mapping[str, Any]) -> list[str]:  # noqa: ANN401 - the engine
    source, target = (
        hyper.TableName(side, action.get(f"{side}-schema", "Extract"), action[f"{side}-table"])
        for side in ("source", "target")
    )
    definition = connection.catalog.get_table_definition(source)
    names = [str(column.name) for column in definition.columns]
    columns = ", ".join(names)
    insert = f"INSERT INTO {target} ({columns}) SELECT {columns} FROM {source}"  # noqa: S608
    if action["action"] == "insert":
        return [insert]
    if action["action"] == "replace":
        return [f"DELETE FROM {target}", insert]  # noqa: S608
    fits = _condition(hyper, action["condition"])
    delete = f"DELETE FROM {target} AS t WHERE EXISTS (SELECT 1 FROM {source} AS s WHERE {fits})"  # noqa: S608
    if action["action"] == "delete":
        return [delete]
    if action["action"] == "upsert":
        return [delete, insert]
    values = ", ".join(f"{name} = s.{name}" for name in names)
    return [f"UPDATE {target} AS t SET {values} FROM {source} AS s WHERE {fits}"]  # noqa: S608


def _condition(hyper: Any, condition: Mapping[str, Any]) -> str:  # noqa: ANN401 - the engine
    kind = condition["op"]
    if kind in {"and", "or"}:
        return "(" + f" {kind} ".join(_condition(hyper, each) for each in condition["args"]) + ")"
    if kind == "not":
        return f"(NOT {_condition(hyper, condition['args'][0])})"
    left, right = (hyper.escape_name(condition[each]) for each in ("target-col", "source-col"))
    if kind == "is":
        return f"t.{left} IS NOT DISTINCT FROM s.{right}"
    return f"t.{left} {_OPERATORS[kind]} s.{right}"
