"""Reads one stream of one company: what to ask for, in which order, and how far it has come."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from tap_epicor_kinetic.errors import (
    HostUnreachable,
    PageTooHeavy,
    QueryRefused,
    ServerFault,
    WalkError,
)
from tap_epicor_kinetic.odata.literals import COMPARABLE
from tap_epicor_kinetic.odata.query import Query, compare

from .ahead import Ahead
from .bookmark import Bookmark, Mark, OpenWalk
from .cursor import ROW_VERSION, CursorValue, higher, is_at_least
from .rows import Peek
from .terms import AtLeast, Equal, Verbatim
from .walk import KeyWalk, OffsetWalk, PageSize, RowSource, Walk, WalkedPage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from threading import Event

    from tap_epicor_kinetic.odata.metadata import Column
    from tap_epicor_kinetic.odata.payload import Page

    from .terms import Term
    from .wanted import Wanted

logger = logging.getLogger("tap-epicor-kinetic")

_DEFAULT_PAGE = 100
"""Servers give at least so many rows at once, where there are as many."""
_W = TypeVar("_W", bound=Walk)
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

    def probe(self, query: Query) -> Page:
        """One page of a query that the server may not be able to answer at all."""

    def count(self, query: Query) -> int:
        """How many rows satisfy the query's conditions; may be refused."""


@dataclass(frozen=True)
class Plan:
    """One read: its conditions and why it is done this way."""

    why: str
    terms: tuple[Term, ...]
    is_incremental: bool = False


@dataclass
class ReadPage:
    """A page on its way to the target; `closed` tells per row whether it is to be retracted."""

    rows: Sequence[Any]
    closed: Sequence[bool]
    position: tuple[Any, ...] | None
    seen: CursorValue | None


@dataclass
class Progress:
    """For the audit: what was asked and how much came."""

    filter: str = ""
    pages: int = 0
    rows: int = 0
    mark: Mark | None = None
    expected: int | None = None


class Reader:
    """Reads pages and moves the bookmark behind what the caller says was sent."""

    def __init__(
        self, source: Source, wanted: Wanted, bookmark: Bookmark, page_size: int, stop: Event
    ) -> None:
        self._source = source
        self._wanted = wanted
        self._stop = stop
        self.bookmark = bookmark
        self.progress = Progress()
        self._size = PageSize(page_size)
        self._seen: CursorValue | None = None
        self._basis = wanted.basis(source.kind)
        # Forgets the bookmark when the read is complete.
        self._starts_over = bookmark.replication_key != self._basis["replication_key"]
        cursor = (wanted.cursor.column.name,) if wanted.cursor else ()
        steering = [*(c.name for c in wanted.walk_columns), *cursor, *wanted.entity.key]
        steering += [name for term in wanted.terms() for name in term.columns]
        self._peek = Peek(wanted.entity, steering)

    def read(self) -> Iterator[ReadPage]:
        """Yield what the run has to send; call `sent` after each page and `finish` at the end."""
        plan = self._plan()
        can_filter = not self._wanted.is_child or self._proves_filter()
        mark, newest = self._take_mark(self._conditions(plan, can_filter=can_filter))
        yield from self._pages(plan, mark, newest, can_filter=can_filter)
        if plan.is_incremental and not self.progress.rows and self._is_restored(plan, mark):
            self._warn(
                "the newest change lies below the bookmark, as in a database restored from a copy; "
                "reading everything again"
            )
            self._starts_over = self.bookmark.reads_whole = True
            yield from self._pages(self._whole("restored"), mark, None, can_filter=can_filter)

    def sent(self, page: ReadPage) -> None:
        """The page is on its way: an interrupted run resumes behind it."""
        self._seen = page.seen
        if self.progress.mark is not None and page.position is not None:
            self.bookmark.walk = OpenWalk(
                self.progress.filter,
                self._basis,
                list(page.position),
                self.progress.mark,
                self._cursor_text(page.seen),
            )

    def finish(self) -> None:
        """All pages were sent: move the bookmark."""
        mark = self.progress.mark
        if mark is None:
            return
        wanted = self._wanted
        if self._starts_over:
            self.bookmark.forget()
        self.bookmark.finish(wanted.cursor, self._seen, mark, wanted.lookback_seconds)

    def _take_mark(self, conditions: tuple[str, ...]) -> tuple[Mark, int | None]:
        """The mark, and the row version at which the walk will have reached its end.

        A mark of numbers is the highest over all rows, closed ones included; a mark of times is
        the server's clock, and the end is the newest row of what is about to be read.
        """
        wanted = self._wanted
        own = tuple(term.text() for term in wanted.always if isinstance(term, Equal))
        if wanted.cursor is None or not wanted.cursor.is_number:
            newest = self._highest_of(ROW_VERSION, conditions) if wanted.has_row_version else None
            return Mark(self._source.server_time), newest
        name = wanted.cursor.column.name
        value = self._highest_of(name, own)
        # Of an empty table everything that comes is new.
        mark = Mark(self._source.server_time, value or 0)
        return mark, value if name == ROW_VERSION else None

    def _highest_of(self, column: str, conditions: tuple[str, ...]) -> Any:  # noqa: ANN401
        query = Query(conditions, order_by=(f"{column} desc",), select=(column,), top=1)
        cells = Peek(self._wanted.entity, (column,))(self._page(query).value)
        return cells[0][column] if cells else None

    def _page(self, query: Query) -> Page:
        return Ahead(lambda: self._source.page(query), self._stop).result()

    def _plan(self) -> Plan:
        """Decide what to read, and remember at once under which settings rows will be sent."""
        wanted, bookmark, before = self._wanted, self.bookmark, self.bookmark.basis
        bookmark.basis = self._basis
        if before is not None and before != self._basis:
            changes = [
                f"{name} was {before.get(name)} and is {value}"
                for name, value in self._basis.items()
                if before.get(name) != value
            ]
            self._warn(f"{'; '.join(changes)}: reading everything once")
            bookmark.reads_whole = True
        if bookmark.reads_whole:
            return self._whole("everything once")
        if not bookmark.is_complete:
            return self._first("first sync")
        if wanted.cursor is None:
            return self._whole("full table")
        start = bookmark.start(wanted.cursor, wanted.lookback_seconds)
        if start is None:  # no row had a value in the replication key
            return Plan("everything", (*wanted.always, *wanted.first_only))
        since = AtLeast(wanted.cursor, start)
        return Plan("changes", (*wanted.always, since), is_incremental=True)

    def _first(self, why: str) -> Plan:
        wanted = self._wanted
        only_open = (wanted.closed,) if wanted.closed and wanted.leaves_closed_out else ()
        return Plan(why, (*wanted.always, *wanted.first_only, *only_open))

    def _whole(self, why: str) -> Plan:
        bounds = () if self.bookmark.is_complete else self._wanted.first_only
        return Plan(why, (*self._wanted.always, *bounds))

    def _pages(
        self, plan: Plan, mark: Mark, newest: int | None, *, can_filter: bool
    ) -> Iterator[ReadPage]:
        query = Query(self._conditions(plan, can_filter=can_filter), select=self._wanted.select)
        by_key = can_filter and all(c.edm_type in _SEEKABLE for c in self._wanted.walk_columns)
        self.progress.filter, self.progress.mark = query.filter, mark
        logger.info("%s: %s, $filter=%s", self._source.name, plan.why, query.filter or "(none)")
        if by_key:
            position = self._resume(query)
            key_walk = self._walk(KeyWalk, query, self._wanted.walk_columns)
            pages = key_walk.pages(position, newest)
        else:
            key = tuple(self._wanted.entity.columns[name] for name in self._wanted.entity.key)
            pages = self._walk(OffsetWalk, query, key).pages()
        for page in pages:
            if not plan.is_incremental and self.progress.pages == 0:
                self._count(query, page)
            yield self._read_page(plan, page, can_filter=can_filter, resumable=by_key)

    def _count(self, query: Query, first: WalkedPage) -> None:
        """Ask how many rows a long read will bring, for the progress line."""
        is_short = len(first.rows) < min(self._size.asked, _DEFAULT_PAGE)
        if is_short or self.bookmark.walk:
            return
        with suppress(ServerFault, HostUnreachable):
            self.progress.expected = Ahead(lambda: self._source.count(query), self._stop).result()

    def _conditions(self, plan: Plan, *, can_filter: bool) -> tuple[str, ...]:
        if can_filter:
            return tuple(term.text() for term in plan.terms)
        if any(isinstance(term, Verbatim) for term in plan.terms):
            raise WalkError(
                f"{self._source.name}: this child set cannot be filtered, so `stream_options` "
                "filter cannot be kept; remove it or choose another entity_set."
            )
        return ()

    def _resume(self, query: Query) -> tuple[Any, ...] | None:
        """Where an interrupted walk of the same rows stopped; its mark is the one that counts."""
        walk, cursor = self.bookmark.walk, self._wanted.cursor
        if walk is None or (walk.query, walk.basis) != (query.filter, self._basis):
            return None
        self.progress.mark = walk.mark
        self._seen = cursor.read(walk.seen) if cursor else None
        logger.info("%s: resuming behind %s", self._source.name, walk.position)
        return tuple(walk.position)

    def _walk(self, kind: type[_W], query: Query, columns: Sequence[Column]) -> _W:
        return kind(self._source, query, columns, self._peek, self._size, self._stop)

    def _read_page(
        self, plan: Plan, page: WalkedPage, *, can_filter: bool, resumable: bool
    ) -> ReadPage:
        """Judge each row again; closed ones are retracted.

        Where the filter was sent, a row that does not satisfy it shows that rows may be missing
        as well; where it could not be sent, such rows are left out here. A flag is no proof: the
        row may have closed just now.
        """
        judged = [term for term in plan.terms if term is not self._wanted.closed]
        kept = []
        for row, cells in zip(page.rows, page.cells, strict=True):
            failed = next((term for term in judged if not term.holds(cells)), None)
            if failed is None:
                kept.append((row, self._is_closed(cells)))
            elif can_filter:
                raise self._not_filtered(failed)
        closed = [is_closed for _, is_closed in kept]
        self.progress.pages += 1
        self.progress.rows += len(kept)
        position = page.position if resumable else None
        return ReadPage([row for row, _ in kept], closed, position, self._highest(page.cells))

    def _not_filtered(self, term: Term) -> WalkError:
        return WalkError(
            f"{self._source.name}: the answer holds rows that do not satisfy $filter="
            f"{term.text()}, so the server does not filter as asked and rows could be missing. "
            "Choose another replication_key or entity_set for this stream in `stream_options`."
        )

    def _is_closed(self, cells: Mapping[str, Any]) -> bool:
        wanted = self._wanted
        return bool(wanted.leaves_closed_out and wanted.closed and not wanted.closed.holds(cells))

    def _highest(self, rows: Sequence[Mapping[str, Any]]) -> CursorValue | None:
        cursor, seen = self._wanted.cursor, self._seen
        if cursor is not None:
            for cells in rows:
                seen = higher(seen, cursor.read(cells[cursor.column.name]))
        return seen

    def _proves_filter(self) -> bool:
        """Whether a child set's `$filter` looks at the child's own columns.

        Asks for one row by values that no parent has in that combination: its row version, which
        is unique in the database, or its key. A parent-bound filter finds nothing or is refused.
        """
        if self.bookmark.filter_proved:
            return True
        entity = self._wanted.entity
        names = (ROW_VERSION,) if self._wanted.has_row_version else entity.key
        sample = self._page(Query(select=(*names,), top=1))
        if not sample.value:
            return True  # an empty set: nothing can be missed, and nothing is proved
        columns = [entity.columns[name] for name in names]
        row = Peek(entity, names)(sample.value)[0]
        conditions = tuple(compare(column, "eq", row[column.name]) for column in columns)
        query = Query(conditions, select=(*names,), top=1)
        try:
            found = Ahead(lambda: self._source.probe(query), self._stop).result().value
        except (QueryRefused, PageTooHeavy) as error:
            self._warn(f"$filter is refused on this child set ({error}); reading it whole")
            return False
        self.bookmark.filter_proved = Peek(entity, names)(found) == [row]
        if not self.bookmark.filter_proved:
            self._warn("$filter looks at the parent's columns on this child set; reading it whole")
        return self.bookmark.filter_proved

    def _is_restored(self, plan: Plan, mark: Mark) -> bool:
        """Whether the start of an empty overlap lies above all that the tenant has."""
        cursor = self._wanted.cursor
        start = next((t.value for t in plan.terms if isinstance(t, AtLeast)), None)
        if cursor is None or start is None:
            return False
        newest = (
            mark.value or None
            if cursor.is_number
            else cursor.read(self._highest_of(cursor.column.name, ()))
        )
        return newest is not None and not is_at_least(newest, start)

    def _cursor_text(self, value: CursorValue | None) -> int | str | None:
        cursor = self._wanted.cursor
        return cursor.keep(value) if cursor else None

    def _warn(self, what: str) -> None:
        logger.warning("%s: %s", self._source.name, what)
