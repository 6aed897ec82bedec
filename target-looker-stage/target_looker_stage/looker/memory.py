"""What Looker was told already of runs that still wait: the table `_looker_done`.

A telling of several steps can fail half way. The next one does only what is left, so that nobody
gets a mail twice.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow as pa
from kinetic_batches.columns import MOMENT

from target_looker_stage.table import Table

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.engine import Connection

    from target_looker_stage.warehouse import Warehouse

DONE = "_looker_done"
_COLUMNS = pa.schema({"run_id": pa.string(), "step": pa.string(), "done_at": MOMENT})


class Memory:
    """Reads and writes the table, which is made when there is something to remember.

    Args:
        warehouse: where it is.
    """

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._table = Table(warehouse.dialect, DONE, _COLUMNS, ("run_id", "step"))

    def left(self, step: str, runs: Collection[str]) -> set[str]:
        """The runs for which a step has still to be done."""
        return set(runs) - self._known[step]

    def add(self, step: str, runs: Collection[str]) -> None:
        """A step is done, or is about to be."""
        at = datetime.now(timezone.utc)
        rows = [{"run_id": run, "step": step, "done_at": at} for run in sorted(runs)]
        self._warehouse.attempt(lambda connection: self._write(connection, rows))
        self._known[step] |= set(runs)

    def take_back(self, step: str, runs: Collection[str]) -> None:
        """It was not done after all."""
        self._delete("run_id = :run AND step = :step", runs, step=step)
        self._known[step] -= set(runs)

    def forget(self, runs: Collection[str]) -> None:
        """Nothing of these runs waits any more."""
        if self._known:
            self._delete("run_id = :run", runs)

    @cached_property
    def _known(self) -> dict[str, set[str]]:
        """Runs by step."""
        known: dict[str, set[str]] = defaultdict(set)
        if self._warehouse.columns(DONE):
            for run, step in self._warehouse.execute(f"SELECT run_id, step FROM {self._name}"):
                known[str(step)].add(str(run))
        return known

    @property
    def _name(self) -> str:
        return self._warehouse.dialect.qualified(DONE)

    def _delete(self, condition: str, runs: Collection[str], **values: str) -> None:
        for run in runs:
            statement = f"DELETE FROM {self._name} WHERE {condition}"
            self._warehouse.execute(statement, {"run": run, **values})

    def _write(self, connection: Connection, rows: list[dict[str, object]]) -> None:
        fitted = self._table.fit(connection)
        self._table.write(connection, pa.Table.from_pylist(rows, _COLUMNS).cast(fitted))
