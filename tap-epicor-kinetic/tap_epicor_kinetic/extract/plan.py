"""What to read of one stream of one company: everything, what changed, or a window to replay."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tap_epicor_kinetic.odata.timestamps import from_datetime

from .terms import AtLeast, AtMost

if TYPE_CHECKING:
    from collections.abc import Callable

    from .bookmark import Basis, Bookmark
    from .cursor import Cursor, CursorValue
    from .refusals import Refusals
    from .terms import Term
    from .wanted import Wanted


@dataclass(frozen=True)
class Window:
    """What `replay_since` and `replay_until` ask for; None stands for "until now"."""

    since: datetime
    until: datetime | None = None


@dataclass(frozen=True)
class Plan:
    """One read.

    Attributes:
        why: for the log.
        terms: its conditions.
        is_incremental: it reads what changed, closed rows included.
        parameters: of a BAQ.
        is_replay: it leaves the bookmark alone.
    """

    why: str
    terms: tuple[Term, ...]
    is_incremental: bool = False
    parameters: tuple[tuple[str, str], ...] = ()
    is_replay: bool = False


class Planner:
    """Decides by the settings and by what STATE knows.

    Args:
        wanted: what the settings ask for.
        basis: under which settings rows will be sent.
        bookmark: what STATE knows; the basis is noted in it.
        refusals: what the tenant does not take.
        window: reads what changed in it; None for what a run reads.
        warn: tells the user.
    """

    def __init__(
        self,
        wanted: Wanted,
        basis: Basis,
        bookmark: Bookmark,
        refusals: Refusals,
        window: Window | None,
        warn: Callable[[str], None],
    ) -> None:
        self._wanted = wanted
        self._basis = basis
        self._bookmark = bookmark
        self._refusals = refusals
        self._window = window
        self._warn = warn
        self.since = f"{wanted.cursor.column.name} ge" if wanted.cursor else ""
        """The comparison that tells what changed, as refusals name it."""

    def decide(self) -> Plan:
        """Decide what to read, and remember at once under which settings rows will be sent."""
        if self._window is not None:
            return self._replay(self._window)
        self._note_basis()
        wanted, bookmark = self._wanted, self._bookmark
        if bookmark.reads_whole:
            return self.whole("everything once")
        if not bookmark.is_complete:
            return self._first_sync()
        return self.whole("full table") if wanted.cursor is None else self._changes(wanted.cursor)

    def _changes(self, cursor: Cursor) -> Plan:
        wanted, bookmark = self._wanted, self._bookmark
        if self._refusals.holds(self.since):
            return self.whole("the replication key cannot be compared")
        start = bookmark.start(cursor, wanted.lookback_seconds)
        if start is None:  # no row had a value in the replication key
            return self._with_parameters(
                Plan("everything", (*wanted.always, *wanted.first_only)), None
            )
        since = AtLeast(cursor, start)
        plan = Plan("changes", (*wanted.always, since), is_incremental=True)
        return self._with_parameters(plan, start)

    def _note_basis(self) -> None:
        bookmark, before = self._bookmark, self._bookmark.basis
        bookmark.basis = self._basis
        if before is not None and before != self._basis:
            changes = [
                f"{name} was {before.get(name)} and is {self._basis.get(name)}"
                for name in {**before, **self._basis}
                if before.get(name) != self._basis.get(name)
            ]
            self._warn(f"{'; '.join(changes)}: reading everything once")
            bookmark.reads_whole = True

    def _first_sync(self) -> Plan:
        wanted = self._wanted
        only_open = (wanted.closed,) if wanted.closed and wanted.leaves_closed_out else ()
        plan = Plan("first sync", (*wanted.always, *wanted.first_only, *only_open))
        return self._with_parameters(plan, None)

    def whole(self, why: str) -> Plan:
        """Read everything, closed rows included."""
        bounds = () if self._bookmark.is_complete else self._wanted.first_only
        return self._with_parameters(Plan(why, (*self._wanted.always, *bounds)), None)

    def _replay(self, window: Window) -> Plan:
        wanted, cursor = self._wanted, self._wanted.cursor
        whole = replace(self.whole("replay of everything"), is_replay=True)
        if cursor is None or self._refusals.holds(self.since):
            self._warn("replay reads everything: there is no replication key to replay by")
            return whole
        since: CursorValue
        until: CursorValue | None
        if cursor.is_number:
            versions = self._bookmark.window(window.since, window.until, wanted.lookback_seconds)
            if versions is None:
                self._warn("replay reads everything: `replay_since` lies before the first mark")
                return whole
            since, until = versions
        else:
            since = cursor.less(from_datetime(window.since), 0)
            until = None
            if window.until is not None:
                until = from_datetime(window.until + timedelta(days=1 if cursor.is_day else 0,
                                                               seconds=1))  # fmt: skip
        terms: tuple[Term, ...] = (AtLeast(cursor, since),)
        terms += () if until is None else (AtMost(cursor, until),)
        plan = Plan("replay", (*wanted.always, *terms), is_incremental=True, is_replay=True)
        return self._with_parameters(plan, since)

    def _with_parameters(self, plan: Plan, start: CursorValue | None) -> Plan:
        """A BAQ filters by its parameters; its `$filter` would come after the query has run."""
        wanted, terms = self._wanted, plan.terms
        if wanted.bookmark_parameter:
            terms = tuple(term for term in terms if not isinstance(term, AtLeast))
        return replace(plan, terms=terms, parameters=wanted.parameters_from(start))
