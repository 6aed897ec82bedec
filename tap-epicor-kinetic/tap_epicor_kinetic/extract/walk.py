"""Walks an entity set page by page, and proves that no page was skipped.

By key: `$filter=SysRevID gt <last>&$orderby=SysRevID`. A row that changes meanwhile moves to the
end and is met again; offsets would jump over its neighbour. `$skip` is for sets whose `$filter`
cannot be used; pages then overlap by one row, so that a shift shows.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

from tap_epicor_kinetic.errors import Interrupted, PageTooHeavy, WalkError
from tap_epicor_kinetic.odata.query import after

from .ahead import Ahead

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from threading import Event

    from msgspec import Raw

    from tap_epicor_kinetic.odata.metadata import Column
    from tap_epicor_kinetic.odata.payload import Page
    from tap_epicor_kinetic.odata.query import Query

    from .rows import Peek

logger = logging.getLogger("tap-epicor-kinetic")

Position = tuple[Any, ...]
_PATIENCE = 5
"""How often a walk by `$skip` may come to nothing before it is given up."""


class RowSource(Protocol):
    """Where pages come from."""

    @property
    def name(self) -> str:
        """For messages: service, set and company."""

    def page(self, query: Query) -> Page:
        """One page; raises PageTooHeavy where a smaller one may get through."""


@dataclass(frozen=True)
class WalkedPage:
    """Rows that follow the last page's, with their steering values and the position reached."""

    rows: Sequence[Raw]
    cells: Sequence[Mapping[str, Any]]
    position: Position


@dataclass
class PageSize:
    """How many rows to ask for; halved when the server cannot make a page."""

    asked: int

    def halve(self, error: PageTooHeavy) -> None:
        """Ask for less from now on.

        Raises:
            PageTooHeavy: when less is not possible.
        """
        if self.asked <= 1:
            raise error
        self.asked = self.asked // 2
        logger.warning("%s Going on with pages of %d rows.", error, self.asked)


class Walk:
    """What the two walks share.

    Args:
        source: gives pages.
        base: the query without position and size.
        columns: the columns whose values make up a position, in order.
        peek: decodes a row's steering values, the position's among them.
        size: how many rows to ask for; shrinks for the rest of the stream.
        stop: set when the run is to end.
    """

    def __init__(
        self,
        source: RowSource,
        base: Query,
        columns: Sequence[Column],
        peek: Peek,
        size: PageSize,
        stop: Event,
    ) -> None:
        self._source = source
        self._base = replace(base, order_by=tuple(c.name for c in columns))
        self._columns = columns
        self._peek = peek
        self._size = size
        self._stop = stop

    def _ask(self, query: Callable[[int], Query]) -> Ahead[Page]:
        """Start a request for a page of the size that is right when it is sent."""
        if self._stop.is_set():
            raise Interrupted("stopped between two pages")
        return Ahead(lambda: self._fetch(query), self._stop)

    def _fetch(self, query: Callable[[int], Query]) -> Page:
        while True:
            try:
                return self._source.page(query(self._size.asked))
            except PageTooHeavy as error:
                self._size.halve(error)

    def _position(self, cells: Mapping[str, Any]) -> Position:
        return tuple(cells[column.name] for column in self._columns)


class KeyWalk(Walk):
    """From key to key.

    Servers cap pages silently, by rows or by bytes, so that a short page is no proof of the end.
    The walk ends at an empty page, or at a short one that reaches `newest`, the highest key
    before the walk began.
    """

    def pages(self, position: Position | None, newest: object = None) -> Iterator[WalkedPage]:
        """Yield the pages behind `position`, None for the beginning."""
        request = self._ask(self._query(position))
        while True:
            page = request.result()
            cells = self._peek(page.value)
            if not cells:
                return
            self._prove_order(position, [self._position(row) for row in cells])
            position = self._position(cells[-1])
            is_short = len(cells) < self._size.asked and page.next_link is None
            is_last = is_short and newest is not None and position[0] >= newest
            if not is_last:
                request = self._ask(self._query(position))
            yield WalkedPage(page.value, cells, position)
            if is_last:
                return

    def _query(self, position: Position | None) -> Callable[[int], Query]:
        conditions = self._base.conditions
        if position is not None:
            conditions = (*conditions, after(self._columns, position))
        return lambda size: replace(self._base, conditions=conditions, top=size)

    def _prove_order(self, before: Position | None, positions: Sequence[Position]) -> None:
        """Each row has to follow the one before, as far as that can be told from here."""
        if before in positions:
            raise self._broken(f"{before} comes again")
        for here in positions:
            if None in here:
                raise self._broken(f"a row has no {self._base.order_by[here.index(None)]}")
            if before is not None and not _may_follow(before, here):
                raise self._broken(f"after {before} comes {here}")
            before = here

    def _broken(self, what: str) -> WalkError:
        return WalkError(
            f"{self._source.name}: pages are not in the order of "
            f"{', '.join(self._base.order_by)} ({what}), so rows could be missed. The server "
            "ignores $filter or $orderby here; set `stream_options` to another entity set, or "
            "read the data through a BAQ."
        )


class OffsetWalk(Walk):
    """By `$skip`, for sets whose `$filter` cannot be used.

    Each page begins with the last row of the page before. Where it does not, rows have moved:
    the walk steps back until it meets a row of that page, and repeats rows rather than miss one.
    """

    def pages(self) -> Iterator[WalkedPage]:
        """Yield the pages from the beginning."""
        skip, reach, restarts, stalls = 0, 1, 0, 0
        sent: set[Position] = set()
        while True:
            page = self._ask(self._query(skip)).result()
            cells = self._peek(page.value)
            positions = [self._position(row) for row in cells]
            reach = max(reach, len(positions))
            new = _behind(positions, sent)
            if new is None and skip > 0:
                skip = max(0, skip - max(reach - 1, 1))
            elif new is None:
                restarts += 1  # the whole last page is gone
                self._check(restarts <= _PATIENCE, "rows keep moving")
                sent = set()
            elif new < len(positions):
                stalls, sent = 0, set(positions)
                yield WalkedPage(page.value[new:], cells[new:], positions[-1])
                skip += len(positions) - 1
            elif new <= 1:
                return  # nothing but the overlap
            else:
                stalls += 1  # after a step back, or because the server ignores $skip
                self._check(stalls <= _PATIENCE, "$skip is ignored, or rows keep moving")
                skip += new - 1

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
