"""The console script: the community's own main, with the guard's parts in place."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import target_duckdb

from kinetic_target_duckdb.db_sync import ExactDbSync, GuardError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# Bound before main() puts the guard's own in their place.
community_connect = target_duckdb.duckdb_connect
community_persist_lines = target_duckdb.persist_lines
community_emit_state = target_duckdb.emit_state


class StateWatch:
    """Passes lines on and remembers the last STATE in; passes STATE on, but none twice."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = lines
        self._emitted: object = None
        self.last: object = None

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            if '"STATE"' in line and (message := json.loads(line)).get("type") == "STATE":
                self.last = message["value"]
            yield line

    def emit(self, state: object) -> None:
        """Write a STATE line unless it repeats the one before."""
        if state != self._emitted:
            community_emit_state(state)
            self._emitted = state


def persist_lines(
    connection: duckdb.DuckDBPyConnection,
    config: Mapping[str, Any],
    lines: Iterable[str],
) -> None:
    """Load everything, then emit the last STATE, which the community sometimes forgets.

    All streams are flushed together: only then are the rows before a STATE committed when
    it is emitted, whichever stream filled the batch.
    """
    watch = StateWatch(lines)
    target_duckdb.emit_state = watch.emit
    community_persist_lines(connection, {**config, "flush_all_streams": True}, watch)
    watch.emit(watch.last)


def connect(config: Mapping[str, Any]) -> duckdb.DuckDBPyConnection:
    """Open the file, or say in one sentence why it cannot be opened."""
    path = str(config.get("path") or config.get("filepath") or "")
    folder = Path(path).parent
    is_local = not path.startswith(("md:", "motherduck:", ":memory:"))
    if is_local and not folder.is_dir():
        raise GuardError(f"filepath {path}: the folder {folder} does not exist, create it first")
    try:
        connection: duckdb.DuckDBPyConnection = community_connect(config)
    except duckdb.IOException as error:
        if "Conflicting lock" in str(error):
            reason = "another process has it open, close that one and run again"
            raise GuardError(f"filepath {path}: {reason} ({_first_line(error)})") from error
        raise GuardError(f"filepath {path}: {_first_line(error)}") from error
    return connection


def main() -> None:
    """Run the community's main; every failure is exit 1 with one sentence."""
    if "--version" in sys.argv[1:]:
        print(f"kinetic-target-duckdb {version('kinetic-target-duckdb')}")  # noqa: T201
        return
    target_duckdb.DbSync = ExactDbSync
    target_duckdb.duckdb_connect = connect
    target_duckdb.persist_lines = persist_lines
    try:
        target_duckdb.main()
    except (GuardError, duckdb.Error, OSError) as error:
        sys.exit(f"kinetic-target-duckdb: {_first_line(error)}")
    except json.JSONDecodeError as error:
        sys.exit(f"kinetic-target-duckdb: a line of the input is not JSON: {error}")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
