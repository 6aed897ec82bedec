"""Walks an entity set page by page, and proves that no page was skipped.

By key: `$filter=SysRevID gt <last>&$orderby=SysRevID`. A row that changes meanwhile moves to the
end and is met again; offsets would jump over its neighbour. `$skip` is for sets whose `$filter`
cannot be used; pages then overlap by one row, so that a shift shows.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from decimal import Decimal
from operator import lt
from typing import TYPE_CHECKING, Any, Protocol

from tap_epicor_kinetic.errors import PageTooHeavy, WalkError
from tap_epicor_kinetic.odata.query import after

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from tap_epicor_kinetic.odata.metadata import Column
    from tap_epicor_kinetic.odata.payload import Page, PageDecoder
    from tap_epicor_kinetic.odata.query import Query

    from .ahead import Ahead

logger = logging.getLogger("tap-epicor-kinetic")

Position = tuple[Any, ...]
_FOLLOWED = 3
_PATIENCE = 5
"""How often a walk by `$skip` may come to nothing before it is given up."""
_WORTH_SPLITTING = 4
"""Pages that a range must still hold, by estimate, before a part of it is read beside it."""


class RowSource(Protocol):
    """Where pages come from."""

    @property
    def name(self) -> str:
        """For messages: service, set and company."""

    def page(self, query: Query, decoder: PageDecoder | None = None) -> Page:
        """One page; raises PageTooHeavy where a smaller one may get through."""

    def has_room(self, under_way: int) -> bool:
        """Whether one more request may be in flight beside this walk's own."""


@dataclass(eq=False)
class KeyRange:
    """Keys behind `after`, up to and including `until`; None stands for no bound.

    Attributes:
        reached: how far requests have come.
        sent: how far rows were sent, which is where an interrupted walk goes on.
        until: the last key of the range.
        is_done: all rows of the range were sent.
        gap: the mean distance between two keys of the last page.
        request: the next page, on its way.
    """

    reached: Position | None
    sent: Position | None
    until: int | None = None
    is_done: bool = False
    gap: float = 0.0
    request: Future[Page] | None = None

    def keep(self) -> list[Any]:
        """For STATE."""
        return [list(self.sent) if self.sent else None, self.until]

    @staticmethod
    def read(kept: Sequence[Any]) -> KeyRange:
        """From STATE."""
        position = tuple(kept[0]) if kept[0] else None
        return KeyRange(position, position, kept[1])


@dataclass
class WalkedPage:
    """A page on its way to the target.

    Attributes:
        page: the page.
        rows: those of its rows that follow what came before, by index.
        key_range: which range it belongs to; None where the walk cannot be resumed.
        position: the last of `rows`.
        is_last: the range ends here.
    """

    page: Page
    rows: Sequence[int]
    key_range: KeyRange | None = None
    position: Position | None = None
    is_last: bool = False

    def mark_sent(self) -> None:
        """An interrupted walk goes on behind this page."""
        if self.key_range is not None:
            self.key_range.sent = self.position or self.key_range.sent
            self.key_range.is_done = self.is_last


@dataclass
class PageSize:
    """How many rows to ask for; halved when the server cannot make a page."""

    asked: int

    def halve(self, tried: int, error: PageTooHeavy) -> None:
        """Ask for less from now on, unless somebody else has done so already.

        Raises:
            PageTooHeavy: when less is not possible.
        """
        if tried <= 1:
            raise error
        if self.asked >= tried:
            self.asked = tried // 2
            logger.warning("%s Going on with pages of %d rows.", error, self.asked)


class Walk:
    """What the two walks share.

    Args:
        source: gives pages.
        base: the query without position and size.
        columns: the columns whose values make up a position, in order.
        decoder: decodes the position's columns among others.
        size: how many rows to ask for; shrinks for the rest of the stream.
        ahead: where requests run.
    """

    def __init__(
        self,
        source: RowSource,
        base: Query,
        columns: Sequence[Column],
        decoder: PageDecoder,
        size: PageSize,
        ahead: Ahead,
    ) -> None:
        self._source = source
        self._base = replace(base, order_by=tuple(c.name for c in columns))
        self._columns = columns
        self._decoder = decoder
        self._size = size
        self._ahead = ahead

    def _ask(self, query: Callable[[int], Query]) -> Future[Page]:
        """Start a request for a page of the size that is right when it is sent."""
        return self._ahead.start(lambda: self.fetch(query))

    def fetch(self, query: Callable[[int], Query]) -> Page:
        """One page, smaller where that is what it takes."""
        while True:
            size = self._size.asked
            try:
                return self._source.page(query(size), self._decoder)
            except PageTooHeavy as error:
                self._size.halve(size, error)

    def _positions(self, page: Page) -> list[Position]:
        return list(zip(*(page.column(c.name) for c in self._columns), strict=True))


class KeyWalk(Walk):
    """From key to key, and where there is room, in several ranges of keys at once.

    Servers cap pages silently, by rows or by bytes, so that a short page is no proof of the end.
    A range ends at an empty page, or at a row behind its last key. A row that changes meanwhile
    moves behind all others. Either the next run begins there (`ends_at_newest`, and a short page
    that reaches the highest key before the walk began is the end), or the walk goes on to the
    highest key that there is when all ranges were read (`follows`), a few times over, for a busy
    tenant would be followed for ever.
    """

    ends_at_newest = False
    follows = False
    ranges: list[KeyRange]
    _waited = _idle = _began = 0.0

    def begin(self, ranges: Sequence[KeyRange] = (), *, count: bool = False) -> Page:
        """Fetch the first page, now.

        Args:
            ranges: where an interrupted walk goes on; empty for the beginning.
            count: also ask how many rows there are in all.
        """
        self.ranges = list(ranges) or [KeyRange(None, None)]
        query = self._query(self.ranges[0].reached)
        return self.fetch(lambda size: replace(query(size), count=count))

    def pages(self, first: Page, newest: object = None, total: int | None = None
              ) -> Iterator[WalkedPage]:  # fmt: skip
        """Yield the pages, `first` before the others.

        Args:
            first: what `begin` gave.
            newest: the highest key before the walk began, None where that is not known.
            total: how many rows there are in all, None where that is not known.
        """
        self._waited, self._idle, self._began = 0.0, 0.0, time.monotonic()
        only = self.ranges[0]
        if self.follows and isinstance(newest, int) and self.ranges[-1].until is None:
            self.ranges[-1].until = newest
        is_whole = len(self.ranges) == 1 and total == len(first)
        page = self._take(only, first, newest, ends_here=is_whole)
        for other in self.ranges[1:]:
            self._request(other)
        if page is not None:
            yield page
        yield from self._follow(newest)
        for _ in range(_FOLLOWED if self.follows and newest is not None else 0):
            reached = max((r.reached for r in self.ranges if r.reached), default=None)
            highest = self._ahead.run(self._highest)
            if highest is None or (reached is not None and highest <= reached[0]):
                return
            self.ranges.append(KeyRange(reached, reached, highest))
            self._request(self.ranges[-1])
            yield from self._follow(highest)

    def _highest(self) -> Any:  # noqa: ANN401
        name = self._columns[0].name
        query = replace(self._base, order_by=(f"{name} desc",), top=1)
        page = self._source.page(query, self._decoder)
        return page.column(name)[0] if len(page) else None

    def _follow(self, newest: object) -> Iterator[WalkedPage]:
        """The pages of all ranges, as they come."""
        while waiting := [r for r in self.ranges if r.request is not None]:
            self._split(waiting, newest)
            waiting = [r for r in self.ranges if r.request is not None]
            looked_up = time.monotonic()
            done = self._ahead.first([r.request for r in waiting if r.request])
            self._idle += time.monotonic() - looked_up
            key_range = next(r for r in waiting if r.request is done)
            page = self._take(key_range, done.result(), newest)
            if page is not None:
                yield page

    def _take(
        self, key_range: KeyRange, page: Page, newest: Any, *, ends_here: bool = False  # noqa: ANN401
    ) -> WalkedPage | None:  # fmt: skip
        """Prove a page, ask for the next one, and hand it on; None where it holds nothing."""
        key_range.request = None
        self._waited += page.waited_seconds
        if not len(page):
            key_range.is_done = True
            return None
        keys, last = self._prove_order(key_range.reached, page)
        rows: Sequence[int] = range(len(page))
        until = key_range.until
        if until is not None and last[0] >= until:
            rows = [n for n in rows if keys[n] <= until]
            ends_here = True
        is_short = len(page) < self._size.asked and page.next_link is None
        reaches_end = self.ends_at_newest and is_short and newest is not None
        is_last = ends_here or (reaches_end and last[0] >= newest)
        if self._is_splittable and len(keys) > 1:
            key_range.gap = (keys[-1] - keys[0]) / (len(keys) - 1)
        # What lies behind the range's last key was not sent.
        key_range.reached = last if until is None or last[0] <= until else (until,)
        if not is_last:
            self._request(key_range)
        if not rows:
            key_range.is_done = is_last
            return None
        sent = last if until is None else (keys[rows[-1]],)
        return WalkedPage(page, rows, key_range, sent, is_last)

    @property
    def _is_splittable(self) -> bool:
        """A single whole number has a middle; texts are ordered as only the server knows."""
        return len(self._columns) == 1 and self._columns[0].edm_type in _WHOLE

    def _split(self, waiting: Sequence[KeyRange], newest: object) -> None:
        """Read the far half of the longest range beside its near half, while there is room.

        The middle of the keys need not be the middle of the rows: a half that turns out to be
        empty costs one request, and the other half is split again.
        """
        if not self._is_splittable:
            return
        ranges = list(waiting)
        while self._source.has_room(len(ranges)) and self._pays(len(ranges)):
            longest = max(ranges, key=lambda r: self._pages_left(r, newest))
            if self._pages_left(longest, newest) < _WORTH_SPLITTING:
                return
            end = longest.until if longest.until is not None else newest
            middle = (self._after_next(longest) + end) // 2  # type: ignore[operator]
            far = KeyRange((middle,), (middle,), longest.until, gap=longest.gap)
            longest.until = middle
            self.ranges.append(far)
            self._request(far)
            ranges.append(far)

    def _pays(self, ranges: int) -> bool:
        """Whether pages are used faster than so many ranges bring them."""
        busy = time.monotonic() - self._began - self._idle
        return self._waited >= ranges * busy

    def _pages_left(self, key_range: KeyRange, newest: Any) -> float:  # noqa: ANN401
        end = key_range.until if key_range.until is not None else newest
        if end is None or key_range.reached is None or not key_range.gap:
            return 0.0
        return float(end - self._after_next(key_range)) / key_range.gap / self._size.asked

    def _after_next(self, key_range: KeyRange) -> int:
        """Where the page that is on its way will end, by estimate."""
        assert key_range.reached is not None  # noqa: S101 - callers looked
        return int(key_range.reached[0] + key_range.gap * self._size.asked)

    def _request(self, key_range: KeyRange) -> None:
        key_range.request = self._ask(self._query(key_range.reached))

    def _query(self, position: Position | None) -> Callable[[int], Query]:
        conditions = self._base.conditions
        if position is not None:
            conditions = (*conditions, after(self._columns, position))
        return lambda size: replace(self._base, conditions=conditions, top=size)

    def _prove_order(self, before: Position | None, page: Page) -> tuple[list[Any], Position]:
        """Each row has to follow the one before, as far as that can be told from here.

        Returns:
            The values of the first column, and the last row's position.
        """
        if len(self._columns) == 1:
            keys = page.column(self._columns[0].name)
            if set(map(type, keys)) == {int}:
                start = before[0] if before else None
                follows = start is None or (isinstance(start, int) and start < keys[0])
                if follows and all(map(lt, keys, keys[1:])):
                    return keys, (keys[-1],)
        positions = self._positions(page)
        if before in positions:
            raise self._broken(f"{before} comes again")
        for here in positions:
            if None in here:
                raise self._broken(f"a row has no {self._base.order_by[here.index(None)]}")
            if before is not None and not _may_follow(before, here):
                raise self._broken(f"after {before} comes {here}")
            before = here
        return [position[0] for position in positions], positions[-1]

    def _broken(self, what: str) -> WalkError:
        return WalkError(
            f"{self._source.name}: pages are not in the order of "
            f"{', '.join(self._base.order_by)} ({what}), so rows could be missed. The server "
            "ignores $filter or $orderby here; set `stream_options` to another entity set, or "
            "read the data through a BAQ."
        )


_WHOLE = {"Edm.Int16", "Edm.Int32", "Edm.Int64"}


class OffsetWalk(Walk):
    """By `$skip`, for sets whose `$filter` cannot be used.

    Each page begins with the last row of the page before. Where it does not, rows have moved:
    the walk steps back until it meets a row of that page, and repeats rows rather than miss one.
    """

    def begin(self) -> Page:
        """Fetch the first page, now."""
        return self.fetch(self._query(0))

    def pages(self, first: Page) -> Iterator[WalkedPage]:
        """Yield the pages, `first` before the others."""
        skip, reach, restarts, stalls = 0, 1, 0, 0
        sent: set[Position] = set()
        page = first
        while True:
            positions = self._positions(page)
            reach = max(reach, len(positions))
            new = _behind(positions, sent)
            unknown = [n for n, position in enumerate(positions) if position not in sent]
            if new is None and skip > 0:
                skip = max(0, skip - max(reach - 1, 1))
            elif new is None:
                restarts += 1  # the whole last page is gone
                self._check(restarts <= _PATIENCE, "rows keep moving")
                sent = set()
            elif new < len(positions):
                stalls, sent = 0, set(positions)
                yield WalkedPage(page, unknown)
                skip += len(positions) - 1
            elif new <= 1:
                return  # nothing but the overlap
            else:
                # Rows before the known ones: met before, or out of order. Twice is no harm.
                yield WalkedPage(page, unknown)
                stalls += 1  # after a step back, or because the server ignores $skip
                self._check(stalls <= _PATIENCE, "$skip is ignored, or rows keep moving")
                skip += new - 1
            page = self._ahead.result(self._ask(self._query(skip)))

    def _query(self, skip: int) -> Callable[[int], Query]:
        # At least two rows: the first repeats the last of the page before.
        return lambda size: replace(self._base, top=max(size, 2), skip=skip)

    def _check(self, is_sound: bool, what: str) -> None:  # noqa: FBT001 - reads as a claim
        if not is_sound:
            raise WalkError(
                f"{self._source.name}: {what}, so paging by $skip cannot be trusted and rows could "
                "be missed. Set `stream_options` to a search service's entity set, or read the "
                "data through a BAQ."
            )


def _behind(positions: Sequence[Position], sent: set[Position]) -> int | None:
    """Where the rows begin that follow the last one known; None where none is known."""
    if not sent:
        return 0
    known = [index for index, position in enumerate(positions) if position in sent]
    return known[-1] + 1 if known else None


def _may_follow(before: Position, here: Position) -> bool:
    """Numbers are compared; only the server knows how it orders text, flags and times."""
    for first, second in zip(before, here, strict=True):
        if first != second:
            return not isinstance(first, int | Decimal) or first < second
    return False
