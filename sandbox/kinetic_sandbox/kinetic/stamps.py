"""What the server writes on a row by itself: row version, change columns, row id."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from uuid import UUID

from kinetic_sandbox.kinetic.spelling import TENANT_ZONE, day_text, moment_text

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from datetime import datetime

    from kinetic_sandbox.kinetic.edm import ChangeColumn, EntityFacts

FIRST_ROW_VERSION = 6_000_000_000
"""Well above 32 bits, as in any database of some age."""
FIRST_AFTER_RESTORE = 4_000


class Stamper:
    """Hands out row versions and fills the columns that tell of a change."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self._last = FIRST_ROW_VERSION

    def restart(self) -> None:
        """Begin again with low row versions, as a restored copy does."""
        self._last = FIRST_AFTER_RESTORE

    def next_revision(self) -> int:
        """Return the next row version of the database."""
        self._last += 1
        return self._last

    def stamp(
        self, facts: EntityFacts, values: dict[str, Any], *, at: datetime | None = None
    ) -> int:
        """Write a fresh row version and change columns into the values; return the version."""
        revision = self.next_revision()
        if "SysRevID" in facts.columns:
            values["SysRevID"] = revision
        moment = at or self.clock()
        for change in facts.changes:
            values[change.name] = _stamped(change, facts, moment)
        return revision


def _stamped(change: ChangeColumn, facts: EntityFacts, moment: datetime) -> str | int:
    local = moment.astimezone(TENANT_ZONE)
    if change.how == "moment":
        return moment_text(moment)
    if change.how == "day":
        return day_text(local.date(), facts.midnight)
    if change.how == "seconds":
        return local.hour * 3600 + local.minute * 60 + local.second
    return "manager"


def row_id(rng: random.Random) -> str:
    """Draw a row id."""
    return str(UUID(int=rng.getrandbits(128), version=4))


def ud_row_version(revision: int) -> str:
    """Spell a side table's row version: eight bytes, base64."""
    return base64.b64encode(revision.to_bytes(8, "big")).decode()
