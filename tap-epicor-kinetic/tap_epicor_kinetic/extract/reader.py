"""Reads one stream of one company: in which order, and how far it has come."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from tap_epicor_kinetic.errors import (
    HostUnreachable,
    PageTooHeavy,
    QueryRefused,
    ServerFault,
    WalkError,
)
from tap_epicor_kinetic.odata.literals import COMPARABLE
from tap_epicor_kinetic.odata.payload import PageDecoder
from tap_epicor_kinetic.odata.query import Query, compare

from .bookmark import Bookmark, Mark, OpenWalk
from .cursor import ROW_VERSION, CursorValue, extremes, higher, is_at_least
from .plan import Plan, Planner
from .refusals import ASK_AGAIN, Refusals
from .terms import AtLeast, Equal, Verbatim
from .walk import KeyRange, KeyWalk, OffsetWalk, PageSize, RowSource, WalkedPage

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Iterator, Sequence

    from tap_epicor_kinetic.odata.metadata import Column
    from tap_epicor_kinetic.odata.payload import Page

    from .ahead import Ahead
    from .plan import Window
    from .terms import Term
    from .wanted import Wanted

logger = logging.getLogger("tap-epicor-kinetic")

_DEFAULT_PAGE = 100
"""Servers give at least so many rows at once, where there are as many."""
_SEEKABLE = COMPARABLE - {"Edm.DateTimeOffset"} | {"Edm.Boolean"}
"""Key columns by which a walk can go on; literals of times cannot carry a fraction."""


class Source(RowSource, Protocol):
    """An entity set of one company."""

    @property
    def server_time(self) -> datetime:
        """The server's clock."""

    @property
    def kind(self) -> str:
        """Service and set, whatever the company."""

    def probe(self, query: Query, decoder: PageDecoder | None = None) -> Page:
        """One page of a query that the server may not be able to answer at all."""

    def count(self, query: Query) -> int:
        """How many rows satisfy the query's conditions; may be refused."""

    def left_out(self, conditions: Sequence[str]) -> Collection[str]:
        """The conditions that cannot be asked for here: rows are judged by them on arrival."""


@dataclass
class ReadPage:
    """A page on its way to the target.

    Attributes:
        page: the page.
        rows: those to send, by index.
        closed: those of them to retract.
        seen: the highest replication key so far.
    """

    page: Page
    rows: Sequence[int]
    closed: Container[int]
    retracted: int
    seen: CursorValue | None
    walked: WalkedPage


@dataclass
class Progress:
    """For the audit: what was asked and how much came."""

    filter: str = ""
    pages: int = 0
    rows: int = 0
    mark: Mark | None = None
    expected: int | None = None


def steering_columns(wanted: Wanted) -> tuple[str, ...]:
    """The columns without which a stream cannot be read."""
    names = [*(c.name for c in wanted.walk_columns), *wanted.entity.key]
    names += [wanted.cursor.column.name] if wanted.cursor else []
    names += [name for term in wanted.terms() for name in term.columns]
    return tuple(dict.fromkeys(names))


class Reader:
    """Reads pages and moves the bookmark behind what the caller says was sent.

    Args:
        source: the entity set.
        wanted: what to read.
        bookmark: what STATE knows; changed in place.
        page_size: rows to ask for.
        ahead: where requests run.
        decoder: decodes the steering columns among others.
        window: reads what changed in it, and leaves the bookmark alone.
        twin: another set with the same rows, for a child set whose filter cannot be used.
    """

    def __init__(
        self,
        source: Source,
        wanted: Wanted,
        bookmark: Bookmark,
        page_size: int,
        ahead: Ahead,
        *,
        decoder: PageDecoder | None = None,
        window: Window | None = None,
        twin: Callable[[], Source | None] = lambda: None,
    ) -> None:
        self._source = source
        self._wanted = wanted
        self._ahead = ahead
        self._twin = twin
        self._decoder = decoder or PageDecoder(wanted.entity, steering_columns(wanted))
        self.bookmark = bookmark
        self.progress = Progress()
        self._page_size = page_size
        self._size = PageSize(page_size)
        self._seen: CursorValue | None = None
        self._basis = wanted.basis(source.kind)
        self._refusals = Refusals(bookmark.refused, lambda: self._source.server_time)
        self._planner = Planner(
            wanted, self._basis, bookmark, self._refusals, window, warn=self._warn
        )
        # Forgets the bookmark when the read is complete.
        self._starts_over = bookmark.replication_key != self._basis["replication_key"]
        self._plan: Plan | None = None
        self._can_filter = True
        self._walk: KeyWalk | OffsetWalk
        self._first: Page
        self._newest: Any = None
        self._left_out: Collection[str] = ()
        self._is_continued = False
        self._longest_wait = 0.0

    def open(self) -> None:
        """Decide what to read and fetch the first page; blocks, and may run in the background."""
        if self._plan is not None:
            return
        self._can_filter = not self._wanted.is_child or self._proves_filter()
        plan = self._planner.decide()
        try:
            self._begin(plan)
        except (QueryRefused, PageTooHeavy) as error:
            if not plan.is_incremental:
                raise
            self._note_refusal(f"$filter={self._planner.since} …", self._planner.since, error)
            whole = self._planner.whole("the replication key cannot be compared")
            self._begin(replace(whole, is_replay=plan.is_replay))

    def read(self) -> Iterator[ReadPage]:
        """Yield what the run has to send; call `sent` after each page and `finish` at the end."""
        self._ahead.run(self.open)
        plan = self._plan
        assert plan is not None  # noqa: S101 - open() has set it
        yield from self._pages()
        if plan.is_incremental and not self.progress.rows and self._is_restored(plan):
            self._warn(
                "the newest change lies below the bookmark, as in a database restored from a copy; "
                "reading everything again"
            )
            self._starts_over = self.bookmark.reads_whole = True
            self._ahead.run(lambda: self._begin(self._planner.whole("restored")))
            yield from self._pages()

    @property
    def source(self) -> Source:
        """Where rows come from: the set itself, or its twin."""
        return self._source

    @property
    def reads_everything(self) -> bool:
        """Whether all rows come in this run, each once, and not only what changed."""
        plan = self._plan
        is_whole = plan is not None and not plan.is_incremental and not plan.is_replay
        return is_whole and not self._is_continued

    def sent(self, page: ReadPage) -> None:
        """The page is on its way: an interrupted run resumes behind it."""
        self._seen = page.seen
        page.walked.mark_sent()
        walk, plan = self._walk, self._plan
        if isinstance(walk, KeyWalk) and self.progress.mark and plan and not plan.is_replay:
            self.bookmark.walk = OpenWalk(
                self.progress.filter,
                self._basis,
                [part.keep() for part in walk.ranges if not part.is_done],
                self.progress.mark,
                self._cursor_text(page.seen),
            )

    def finish(self) -> None:
        """All pages were sent: move the bookmark."""
        mark, wanted = self.progress.mark, self._wanted
        if mark is None or self._plan is None or self._plan.is_replay:
            return
        if self._starts_over:
            self.bookmark.forget()
        # An answer is dated when it begins, or when it ends.
        ended_at = self._source.server_time + timedelta(seconds=self._longest_wait)
        self.bookmark.finish(wanted.cursor, self._seen, mark, ended_at, wanted.lookback_seconds)

    def _conditions(self, plan: Plan) -> tuple[str, ...]:
        if self._can_filter:
            return tuple(term.text() for term in plan.terms)
        if any(isinstance(term, Verbatim) for term in plan.terms):
            raise WalkError(
                f"{self._source.name}: this child set cannot be filtered, so `stream_options` "
                "filter cannot be kept; remove it or choose another entity_set."
            )
        return ()

    # How to read it.

    def _begin(self, plan: Plan) -> None:
        """Take the mark and fetch the first page."""
        self._plan = plan
        conditions = self._conditions(plan)
        self._left_out = self._source.left_out(conditions)
        query = Query(conditions, select=self._wanted.select, parameters=plan.parameters)
        mark = Mark(self._source.server_time)
        self._newest = None
        if not plan.is_incremental or self._walks_elsewhere():
            mark, self._newest = self._take_mark(query)
        self.progress.filter, self.progress.mark = query.filter, mark
        logger.info("%s: %s, $filter=%s", self._source.name, plan.why, query.filter or "(none)")
        self._begin_walk(query)
        self._expect(query)

    def _walks_elsewhere(self) -> bool:
        """Whether pages come in another order than that of a cursor of numbers.

        Then the highest value may have been seen before a row changed that came earlier.
        """
        cursor = self._wanted.cursor
        if cursor is None or not cursor.is_number:
            return False
        return [column.name for column in self._seek_columns()] != [cursor.column.name]

    def _begin_walk(self, query: Query) -> None:
        plan, columns = self._plan, self._seek_columns()
        assert plan is not None  # noqa: S101 - callers have set it
        self._size = PageSize(self._page_size)
        if not columns:
            entity = self._wanted.entity
            key = tuple(entity.columns[name] for name in entity.key)
            self._walk = OffsetWalk(
                self._source, query, key, self._decoder, self._size, self._ahead
            )
            self._first = self._walk.begin()
            return
        walk = KeyWalk(self._source, query, columns, self._decoder, self._size, self._ahead)
        self._walk = walk
        if columns[0].name != ROW_VERSION:
            self._newest = None
        cursor = self._wanted.cursor
        walk.ends_at_newest = bool(cursor and cursor.column.name == columns[0].name == ROW_VERSION)
        is_part = self.bookmark.walk is not None and self.bookmark.walk.is_part
        walk.follows = not walk.ends_at_newest and not is_part
        ranges = () if plan.is_replay else self._resume(query, len(columns))
        try:
            self._first = self._first_page(walk, ranges, counts=plan.is_incremental)
        except (QueryRefused, PageTooHeavy) as error:
            if not ranges:
                raise
            # The position that a cut run left cannot be compared with.
            self._note_refusal(f"$filter={_seek_name(columns)}", _seek_name(columns), error)
            self.bookmark.walk = None
            self._begin_walk(query)

    def _first_page(self, walk: KeyWalk, ranges: Sequence[KeyRange], *, counts: bool) -> Page:
        if not counts or self._refusals.holds(_COUNT):
            return walk.begin(ranges)
        try:
            return walk.begin(ranges, count=True)
        except QueryRefused as error:
            page = walk.begin(ranges)
            self._note_refusal("$count=true", _COUNT, error)
            return page

    def _seek_columns(self) -> Sequence[Column]:
        """By which columns to go from page to page; none where only `$skip` is left."""
        entity = self._wanted.entity
        by_key = tuple(entity.columns[name] for name in entity.key if name != "Company")
        for choice in (self._wanted.walk_columns, by_key):
            is_possible = all(c.edm_type in _SEEKABLE for c in choice) and self._can_filter
            if choice and is_possible and not self._refusals.holds(_seek_name(choice)):
                return choice
        return ()

    def _take_mark(self, query: Query) -> tuple[Mark, int | None]:
        """The mark, and the row version at which the walk will have reached its end.

        A mark of numbers is the highest over all rows, closed ones included; a mark of times is
        the server's clock, and the end is the newest row of what is about to be read.
        """
        wanted = self._wanted
        if wanted.cursor is None or not wanted.cursor.is_number:
            newest = self._highest_of(ROW_VERSION, query) if wanted.has_row_version else None
            return Mark(self._source.server_time), newest
        name = wanted.cursor.column.name
        own = tuple(term.text() for term in wanted.always if isinstance(term, Equal))
        value = self._highest_of(name, replace(query, conditions=own))
        # Of an empty table everything that comes is new.
        mark = Mark(self._source.server_time, value or 0)
        return mark, value if name == ROW_VERSION else None

    def _highest_of(self, column: str, query: Query) -> Any:  # noqa: ANN401
        query = replace(query, order_by=(f"{column} desc",), select=(column,), top=1)
        cells = self._source.page(query, PageDecoder(self._wanted.entity, (column,)))
        return cells.column(column)[0] if len(cells) else None

    def _expect(self, query: Query) -> None:
        """Find out how many rows a long read will bring: for the log, and for reading in ranges."""
        plan, first = self._plan, self._first
        is_short = len(first) < min(self._size.asked, _DEFAULT_PAGE)
        if plan is None or is_short or self.bookmark.walk:
            return
        if plan.is_incremental:
            self.progress.expected = first.count
            is_long = (first.count or 0) > _LONG * self._size.asked
            if is_long and [c.name for c in self._seek_columns()] == [ROW_VERSION]:
                self._newest = self._highest_of(ROW_VERSION, query)
            return
        with suppress(ServerFault, HostUnreachable):
            self.progress.expected = self._source.count(query)

    def _resume(self, query: Query, width: int) -> list[KeyRange]:
        """Where an interrupted walk of the same rows stopped; its mark is the one that counts."""
        walk, cursor = self.bookmark.walk, self._wanted.cursor
        if walk is None or (walk.query, walk.basis) != (query.filter, self._basis):
            return []
        ranges = [KeyRange.read(kept) for kept in walk.ranges]
        if not ranges or any(r.sent is not None and len(r.sent) != width for r in ranges):
            return []
        self._is_continued = True
        self.progress.mark = walk.mark
        self._seen = cursor.read(walk.seen) if cursor else None
        logger.info("%s: resuming behind %s", self._source.name, [r.keep() for r in ranges])
        return ranges

    # Reading it.

    def _pages(self) -> Iterator[ReadPage]:
        while True:
            walk = self._walk
            try:
                if isinstance(walk, KeyWalk):
                    pages = walk.pages(self._first, self._newest, self._first.count)
                else:
                    pages = walk.pages(self._first)
                for page in pages:
                    yield self._read_page(page)
            except (QueryRefused, PageTooHeavy) as error:
                if not isinstance(walk, KeyWalk) or self.progress.pages == 0:
                    raise
                self._go_another_way(error)
            else:
                return

    def _go_another_way(self, error: ServerFault) -> None:
        """The first page came, the next does not: this tenant does not take the comparison."""
        columns = self._seek_columns()
        name = _seek_name(columns)
        self._note_refusal(f"$filter={name}", name, error)
        self.bookmark.walk = None
        self._is_continued = True
        plan = self._plan
        assert plan is not None  # noqa: S101 - pages came
        self._ahead.run(lambda: self._begin(plan))

    def _read_page(self, walked: WalkedPage) -> ReadPage:
        """Judge each row again; closed ones are retracted.

        Where the filter was sent, a row that does not satisfy it shows that rows may be missing
        as well; where it could not be sent, such rows are left out here. A flag is no proof: the
        row may have closed just now.
        """
        plan, page, rows = self._plan, walked.page, walked.rows
        assert plan is not None  # noqa: S101 - pages came
        wanted = self._wanted
        for name in wanted.entity.key:
            if None in page.column(name):
                raise ServerFault(
                    f"{self._source.name}: a row has no {name}, which is part of its key, so it "
                    "could not be told from others. Mend the row, or name other key columns."
                )
        for term in plan.terms:
            if term is wanted.closed:
                continue
            failing = term.failing(page.column)
            if failing and self._can_filter and term.text() not in self._left_out:
                raise self._not_filtered(term)
            if failing:
                left_out = set(failing)
                rows = [n for n in rows if n not in left_out]
        closed: set[int] = set()
        if wanted.closed and wanted.leaves_closed_out:
            closed = set(wanted.closed.failing(page.column)).intersection(rows)
        self._longest_wait = max(self._longest_wait, page.waited_seconds)
        self.progress.pages += 1
        self.progress.rows += len(rows)
        return ReadPage(page, rows, closed, len(closed), self._highest(page), walked)

    def _not_filtered(self, term: Term) -> WalkError:
        return WalkError(
            f"{self._source.name}: the answer holds rows that do not satisfy $filter="
            f"{term.text()}, so the server does not filter as asked and rows could be missing. "
            "Choose another replication_key or entity_set for this stream in `stream_options`."
        )

    def _highest(self, page: Page) -> CursorValue | None:
        cursor, seen = self._wanted.cursor, self._seen
        if cursor is None:
            return None
        ends = extremes(cursor, page.column(cursor.column.name))
        return higher(seen, ends[1] if ends else None)

    # What the tenant can do.

    def _proves_filter(self) -> bool:
        """Whether a child set's `$filter` looks at the child's own columns.

        Asks for one row by values that no parent has in that combination: its row version, which
        is unique in the database, or its key. A parent-bound filter finds nothing or is refused.
        """
        if self.bookmark.filter_proved:
            return True
        if self._refusals.holds(_CHILD_FILTER):
            return self._takes_twin("$filter cannot be used on this child set")
        entity = self._wanted.entity
        names = (ROW_VERSION,) if self._wanted.has_row_version else entity.key
        decoder = PageDecoder(entity, names)
        sample = self._source.page(Query(select=(*names,), top=1), decoder)
        if not len(sample):
            return True  # an empty set: nothing can be missed, and nothing is proved
        row = {name: sample.column(name)[0] for name in names}
        conditions = tuple(compare(entity.columns[n], "eq", value) for n, value in row.items())
        query = Query(conditions, select=(*names,), top=1)
        try:
            found = self._source.probe(query, decoder)
        except (QueryRefused, PageTooHeavy) as error:
            why = f"$filter is refused on this child set ({error})"
        else:
            if len(found) and row == {name: found.column(name)[0] for name in names}:
                self.bookmark.filter_proved = True
                return True
            why = "$filter looks at the parent's columns on this child set"
        self._refusals.note(_CHILD_FILTER)
        return self._takes_twin(why)

    def _takes_twin(self, why: str) -> bool:
        twin = self._twin()
        if twin is None:
            self._warn(f"{why}; reading it whole")
            return False
        self._warn(f"{why}; reading {twin.kind} in its place")
        self._source = twin
        return True

    def _is_restored(self, plan: Plan) -> bool:
        """Whether the start of an empty overlap lies above all that the tenant has."""
        cursor = self._wanted.cursor
        start = next((t.value for t in plan.terms if isinstance(t, AtLeast)), None)
        if cursor is None or start is None or plan.is_replay:
            return False
        newest = cursor.read(self._ahead.run(lambda: self._highest_of(cursor.column.name, Query())))
        return newest is not None and not is_at_least(newest, start)

    def _note_refusal(self, what: str, name: str, error: ServerFault) -> None:
        self._refusals.note(name)
        self._warn(
            f"this tenant does not take {what} here ({error}); going on without it. That is kept "
            f"in STATE (`refused`) for {ASK_AGAIN.days} days"
        )

    def _cursor_text(self, value: CursorValue | None) -> int | str | None:
        cursor = self._wanted.cursor
        return cursor.keep(value) if cursor else None

    def _warn(self, what: str) -> None:
        logger.warning("%s: %s", self._source.name, what)


_CHILD_FILTER, _COUNT = "$filter", "$count"
_LONG = 4
"""Pages from which on it pays to ask for the end, so that ranges can be read side by side."""


def _seek_name(columns: Sequence[Column]) -> str:
    return ", ".join(f"{column.name} gt" for column in columns)
