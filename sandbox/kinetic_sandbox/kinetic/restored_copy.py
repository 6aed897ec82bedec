"""What a refreshed copy of a database looks like to a client that knew the original."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from kinetic_sandbox.kinetic.spelling import day_of, day_text, instant, moment_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from kinetic_sandbox.kinetic.database import Database
    from kinetic_sandbox.kinetic.store import Row, RowTable

AGE = timedelta(days=120)


def age(database: Database) -> None:
    """Number all rows anew from low, in their old order, and set their change stamps back."""
    database.stamper.restart()
    pairs = [(row.revision, table, row) for table in database.tables() for row in table.rows()]
    pairs.sort(key=lambda pair: pair[0])
    fresh = {id(row): database.stamper.next_revision() for _, _, row in pairs}
    for table in database.tables():
        table.rebuild(_rejuvenator(table, fresh))


def _rejuvenator(table: RowTable, fresh: dict[int, int]) -> Callable[[Row], None]:
    facts, position = table.facts, table.position

    def change(row: Row) -> None:
        row.revision = fresh[id(row)]
        values = list(row.values)
        if "SysRevID" in position:
            values[position["SysRevID"]] = row.revision
        for column in facts.changes:
            index = position[column.name]
            text = values[index]
            if text and column.how == "moment":
                values[index] = moment_text(instant(text) - AGE)
            elif text and column.how == "day":
                values[index] = day_text(day_of(text) - AGE, facts.midnight)
        row.values = values

    return change
