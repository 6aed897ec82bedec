"""Changes whose transaction is still open: stamped now, visible later."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from threading import RLock

    from kinetic_sandbox.kinetic.database import Database
    from kinetic_sandbox.kinetic.store import Key, Row, RowTable


@dataclass
class Held:
    """Drafts that took their row version and time stamp when they were made."""

    database: Database
    table: RowTable
    company: str
    lock: RLock
    drafts: dict[Key, Row] = field(default_factory=dict)

    @property
    def keys(self) -> list[Key]:
        """The rows that will change."""
        return list(self.drafts)

    def commit(self) -> None:
        """Show the changes, with their old stamps; rows rewritten or deleted since stay so."""
        with self.lock:
            for key, draft in self.drafts.items():
                row = self.table.by_key.get(key)
                if row is not None and row.revision < draft.revision:
                    self.database.settle(self.table, self.company, row, draft)
            self.drafts = {}


def hold(
    database: Database, table: RowTable, company: str, rows: Iterable[Row], lock: RLock
) -> Held:
    """Draft a change of the remark of these rows."""
    held = Held(database, table, company, lock)
    for row in rows:
        given = {
            table.facts.remark: "committed late"[
                : table.facts.columns[table.facts.remark].max_length
            ]
        }
        held.drafts[table.key_of(row.values)] = database.drafted(table, row, given)
    return held
