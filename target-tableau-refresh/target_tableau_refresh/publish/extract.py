"""The extract after a run: what it held and what has changed, in a file of its own."""

# Names come from schemas, in quotes; values never do.
# ruff: noqa: S608

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
from kinetic_batches.sink import DELETED_AT

from .changes import defined, fitted, same_key
from .columns import quoted, union
from .engine import TABLE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .changes import Changes
    from .engine import Engine
    from .folder import Folder

_OLD = "extract"
_NEW = "next"
CHANGED = "Changed"
REMOVED = "Removed"


def build(engine: Engine, folder: Folder, changes: Changes, *, keeps_marked: bool) -> Path:
    """Write a stream's next extract; the one in force stays as it is.

    Args:
        engine: writes it.
        folder: where it is.
        changes: what came; their file is attached.
        keeps_marked: whether rows that are marked as deleted stay, with their mark.

    Returns:
        The file.
    """
    place, file = folder.extract(changes.stream), folder.work(changes.stream, "hyper")
    stored = changes.extract_schema
    schema = union(str(place), stored, changes.schema)
    table = quoted(_NEW, *TABLE)
    engine.attach(file, _NEW, new=True)
    engine.run(f"CREATE TABLE {table} ({defined(schema)})")
    if stored.names:
        engine.attach(place, _OLD)
        known = _open_rows(stored.names, "o", keeps_marked=keeps_marked)
        if changes.keys and changes.has_rows:
            same = same_key(changes.keys, "c", "o")
            known += f" AND NOT EXISTS (SELECT FROM {changes.table} c WHERE {same})"
        engine.run(
            f"INSERT INTO {table} SELECT {fitted(schema, stored)} "
            f"FROM {quoted(_OLD, *TABLE)} o WHERE {known}"
        )
        engine.detach(_OLD)
    if changes.has_rows:
        engine.run(
            f"INSERT INTO {table} SELECT {fitted(schema, changes.schema)} FROM {changes.table} c "
            f"WHERE {_open_rows(changes.schema.names, 'c', keeps_marked=keeps_marked)}"
        )
    engine.detach(_NEW)
    return file


def build_update(
    engine: Engine, folder: Folder, changes: Changes, *, keeps_marked: bool
) -> tuple[Path, list[dict[str, Any]]]:
    """Write what a live-to-Hyper data source needs to become the next extract.

    Its rows have every column of the extract, in its order, as Tableau wants an upsert.

    Returns:
        The file, and the actions that tell Tableau what to do with it; none where nothing changed.
    """
    file = folder.work(changes.stream, "update.hyper")
    given, whole = changes.schema, changes.extract_schema
    is_open = _open_rows(given.names, "c", keeps_marked=keeps_marked)
    engine.attach(file, _NEW, new=True)
    actions = []
    for action, name, columns, condition in (
        ("delete", REMOVED, pa.schema([whole.field(key) for key in changes.keys]),
         f"NOT ({is_open})"),
        ("upsert", CHANGED, whole, is_open),
    ):  # fmt: skip
        table = quoted(_NEW, TABLE[0], name)
        engine.run(f"CREATE TABLE {table} ({defined(columns)})")
        if engine.run(
            f"INSERT INTO {table} SELECT {fitted(columns, given)} FROM {changes.table} c "
            f"WHERE {condition}"
        ):
            actions.append(_action(action, name, changes.keys))
    engine.detach(_NEW)
    return file, actions


def _open_rows(names: Sequence[str], alias: str, *, keeps_marked: bool) -> str:
    """The condition of rows that stand in an extract."""
    if keeps_marked or DELETED_AT not in names:
        return "TRUE"
    return f"{alias}.{quoted(DELETED_AT)} IS NULL"


def _action(action: str, table: str, keys: Sequence[str]) -> dict[str, Any]:
    same = [{"op": "eq", "source-col": key, "target-col": key} for key in keys]
    return {
        "action": action,
        "source-schema": TABLE[0],
        "source-table": table,
        "target-schema": TABLE[0],
        "target-table": TABLE[1],
        "condition": same[0] if len(same) == 1 else {"op": "and", "args": same},
    }
