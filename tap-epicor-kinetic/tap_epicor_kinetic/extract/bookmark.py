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
_OLDEST = 25
"""Marks older than 2**25 seconds, about a year, are dropped."""


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
        return Mark(_read_clock(kept[0]), kept[1])


@dataclass
class OpenWalk:
    """A walk that was under way when STATE was written.

    Attributes:
        query: what was being read; another query starts anew.
        basis: under which settings; others start anew.
        ranges: what is left, as pairs of the last key that was sent and the last key of the range.
        mark: of the run that began the walk.
        seen: the highest replication key so far, as STATE keeps it.
        is_part: of a read that several readers share, as `api` hands it out.
    """

    query: str
    basis: Basis
    ranges: list[list[Any]]
    mark: Mark
    seen: int | str | None
    is_part: bool = False

    @staticmethod
    def read(kept: Mapping[str, Any]) -> OpenWalk | None:
        """From STATE; earlier versions kept a single position."""
        if not kept.keys() >= {"query", "basis", "mark"}:
            return None
        ranges = kept.get("ranges") or [[kept.get("position"), None]]
        mark = Mark.read(kept["mark"])
        is_part = kept.get("is_part", False)
        return OpenWalk(kept["query"], kept["basis"], ranges, mark, kept.get("seen"), is_part)

    def keep(self) -> dict[str, Any]:
        """For STATE."""
        return {
            "query": self.query,
            "basis": self.basis,
            "ranges": self.ranges,
            "mark": self.mark.keep(),
            "seen": self.seen,
            **({"is_part": True} if self.is_part else {}),
        }


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
        began_at: the server's time when the last complete read began.
        filter_proved: a child set's `$filter` was seen to look at the child's own columns.
        swept: the last generation of a key sweep's retractions that was sent.
        refused: what this tenant does not take in a query, and the day when it was found out.
        walk: of a run that was cut.
    """

    replication_key: str | None = None
    value: int | str | None = None
    is_complete: bool = False
    basis: Basis | None = None
    reads_whole: bool = False
    marks: list[Mark] = field(default_factory=list)
    began_at: datetime | None = None
    filter_proved: bool = False
    swept: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    walk: OpenWalk | None = None

    @staticmethod
    def read(kept: Mapping[str, Any]) -> Bookmark:
        """From STATE; fields that this version does not know are passed over."""
        began_at = kept.get("began_at")
        return Bookmark(
            replication_key=kept.get("replication_key"),
            value=kept.get("replication_key_value"),
            is_complete=kept.get("is_complete", False),
            basis=kept.get("basis"),
            reads_whole=kept.get("reads_whole", False),
            marks=[Mark.read(mark) for mark in kept.get("marks", [])],
            began_at=_read_clock(began_at) if began_at else None,
            filter_proved=kept.get("filter_proved", False),
            swept=kept.get("swept", 0),
            refused=dict(kept.get("refused", {})),
            walk=OpenWalk.read(kept.get("walk") or {}),
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
            "began_at": self.began_at.strftime(_CLOCK) if self.began_at else None,
            "filter_proved": self.filter_proved,
        }
        if self.swept:
            kept["swept"] = self.swept
        if self.refused:
            kept["refused"] = self.refused
        if self.walk:
            kept["walk"] = self.walk.keep()
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
        self,
        cursor: Cursor | None,
        seen: CursorValue | None,
        mark: Mark,
        ended_at: datetime,
        lookback_seconds: int,
    ) -> None:
        """Move behind a walk that is complete: the lower of the highest key seen and the mark.

        Args:
            cursor: the replication key.
            seen: its highest value.
            mark: of the beginning; its value is None where the walk needed none.
            ended_at: the server's time at the end.
            lookback_seconds: decides which marks are still needed.
        """
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
        if cursor.is_number and isinstance(self.value, int):
            self.marks.append(mark)
            if mark.value is None:
                # What was seen existed at the end; the server's clock comes in whole seconds.
                self.marks[-1] = Mark(ended_at + timedelta(seconds=1), self.value)
            self.began_at = mark.taken_at
            self._forget_old_marks(lookback_seconds)

    def forget(self) -> None:
        """Drop what was reached: another replication key, or a restored database."""
        self.value = None
        self.marks.clear()

    def window(
        self, since: datetime, until: datetime | None, lookback_seconds: int
    ) -> tuple[int, int | None] | None:
        """Row versions of a window of time, widened outwards; None where no mark is old enough.

        Versions are given at write and seen at commit, so the end is a mark that is
        `lookback_seconds` later; None where there is none.
        """
        before = [mark for mark in self.marks if mark.taken_at <= since]
        if not before:
            return None
        settled = None if until is None else until + timedelta(seconds=lookback_seconds)
        behind = [m.value for m in self.marks if settled is not None and m.taken_at >= settled]
        # What the first of them saw may be older than its time; the next began after it.
        return before[-1].value or 0, behind[1] if len(behind) > 1 else None

    def _settled(self, lookback_seconds: int) -> Mark | None:
        if not self.marks or not lookback_seconds:
            return self.marks[-1] if self.marks else None
        began_at = self.began_at or self.marks[-1].taken_at
        latest = began_at - timedelta(seconds=lookback_seconds)
        old_enough = [mark for mark in self.marks if mark.taken_at <= latest]
        return old_enough[-1] if old_enough else self.marks[0]

    def _forget_old_marks(self, lookback_seconds: int) -> None:
        """Keep what the next run may start at, and of what is older one mark per doubling of age.

        The older ones translate `replay_since`; with them a year of hourly runs is a dozen marks.
        """
        settled = self._settled(lookback_seconds)
        if settled is None:
            return
        at = self.marks.index(settled)
        newest = self.marks[-1].taken_at
        by_age: dict[int, Mark] = {}
        for mark in self.marks[:at]:
            by_age.setdefault(int((newest - mark.taken_at).total_seconds()).bit_length(), mark)
        self.marks[:at] = [mark for age, mark in by_age.items() if age <= _OLDEST]


def _read_clock(text: str) -> datetime:
    return datetime.strptime(text, _CLOCK).replace(tzinfo=timezone.utc)
