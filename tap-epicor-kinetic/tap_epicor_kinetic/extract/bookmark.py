"""What STATE keeps for one stream of one company, and where the next run starts.

A mark is taken before the first data request: the highest row version over all rows, or the
server's clock. A bookmark never passes the mark, so that a row that changes or closes while the
run reads is met by the next one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from tap_epicor_kinetic.odata.timestamps import parse_timestamp

from .cursor import Cursor, CursorValue, higher, lower

if TYPE_CHECKING:
    from collections.abc import Mapping

Basis = dict[str, Any]
"""What decides which rows are sent: source, replication key, closed rule, mode, user's filter."""

_CLOCK = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Mark:
    """The server's time, and for a cursor of numbers its highest value then."""

    taken_at: datetime
    value: int | None = None

    def keep(self) -> list[Any]:
        """For STATE."""
        return [self.taken_at.strftime(_CLOCK), self.value]

    @staticmethod
    def read(kept: list[Any]) -> Mark:
        """From STATE."""
        moment = datetime.strptime(kept[0], _CLOCK).replace(tzinfo=timezone.utc)
        return Mark(moment, kept[1])


@dataclass
class OpenWalk:
    """A walk that was under way when STATE was written.

    Attributes:
        query: what was being read; another query starts anew.
        basis: under which settings; others start anew.
        position: the last row that was sent.
        mark: of the run that began the walk.
        seen: the highest replication key so far, as STATE keeps it.
    """

    query: str
    basis: Basis
    position: list[Any]
    mark: Mark
    seen: int | str | None


@dataclass
class Bookmark:
    """One partition of a stream's STATE.

    Attributes:
        replication_key: the column that `value` belongs to, None for a full table.
        value: how far the last complete read came.
        is_complete: a read has been completed, so later ones retract what has closed.
        basis: the settings under which rows were sent last.
        reads_whole: rows were sent under other settings, or before a database was restored; set
            until a read of everything is complete.
        marks: of row versions, oldest first.
        filter_proved: a child set's `$filter` was seen to look at the child's own columns.
        walk: of a run that was cut.
    """

    replication_key: str | None = None
    value: int | str | None = None
    is_complete: bool = False
    basis: Basis | None = None
    reads_whole: bool = False
    marks: list[Mark] = field(default_factory=list)
    filter_proved: bool = False
    walk: OpenWalk | None = None

    @staticmethod
    def read(kept: Mapping[str, Any]) -> Bookmark:
        """From STATE; fields that this version does not know are passed over."""
        walk = kept.get("walk") or {}
        return Bookmark(
            replication_key=kept.get("replication_key"),
            value=kept.get("replication_key_value"),
            is_complete=kept.get("is_complete", False),
            basis=kept.get("basis"),
            reads_whole=kept.get("reads_whole", False),
            marks=[Mark.read(mark) for mark in kept.get("marks", [])],
            filter_proved=kept.get("filter_proved", False),
            walk=OpenWalk(
                walk["query"],
                walk["basis"],
                walk["position"],
                Mark.read(walk["mark"]),
                walk.get("seen"),
            )
            if walk.keys() >= {"query", "basis", "position", "mark"}
            else None,
        )

    def keep(self) -> dict[str, Any]:
        """For STATE."""
        kept: dict[str, Any] = {
            "replication_key": self.replication_key,
            "replication_key_value": self.value,
            "is_complete": self.is_complete,
            "basis": self.basis,
            "reads_whole": self.reads_whole,
            "marks": [mark.keep() for mark in self.marks],
            "filter_proved": self.filter_proved,
        }
        if self.walk:
            walk = self.walk
            kept["walk"] = {
                "query": walk.query,
                "basis": walk.basis,
                "position": walk.position,
                "mark": walk.mark.keep(),
                "seen": walk.seen,
            }
        return kept

    def start(self, cursor: Cursor, lookback_seconds: int) -> CursorValue | None:
        """Where an incremental run begins; None where there is no bookmark.

        Times begin at the bookmark less the lookback. Row versions have no clock: what the
        previous run could be sure of is the newest mark that was `lookback_seconds` old when that
        run took its own, because versions are given at write and seen at commit. The oldest mark
        that was kept stands in where none is that old.
        """
        value = cursor.read(self.value)
        if value is None:
            return None
        if not cursor.is_number:
            return cursor.less(value, lookback_seconds)
        settled = self._settled(lookback_seconds)
        return lower(value, settled.value if settled else None)

    def finish(
        self, cursor: Cursor | None, seen: CursorValue | None, mark: Mark, lookback_seconds: int
    ) -> None:
        """Move behind a walk that is complete: the lower of the highest key seen and the mark."""
        self.walk = None
        self.is_complete = True
        self.reads_whole = False
        self.replication_key = cursor.column.name if cursor else None
        if cursor is None:
            self.value = None
            return
        reached = higher(cursor.read(self.value), seen)
        clock = parse_timestamp(mark.taken_at.strftime(_CLOCK))
        limit: CursorValue | None = mark.value if cursor.is_number else clock
        self.value = cursor.keep(None if reached is None else lower(reached, limit))
        if cursor.is_number and mark.value is not None:
            self.marks.append(mark)
            self._forget_old_marks(lookback_seconds)

    def forget(self) -> None:
        """Drop what was reached: another replication key, or a restored database."""
        self.value = None
        self.marks.clear()

    def _settled(self, lookback_seconds: int) -> Mark | None:
        if not self.marks:
            return None
        latest = self.marks[-1].taken_at - timedelta(seconds=lookback_seconds)
        old_enough = [mark for mark in self.marks if mark.taken_at <= latest]
        return old_enough[-1] if old_enough else self.marks[0]

    def _forget_old_marks(self, lookback_seconds: int) -> None:
        settled = self._settled(lookback_seconds)
        if settled is not None:
            del self.marks[: self.marks.index(settled)]
