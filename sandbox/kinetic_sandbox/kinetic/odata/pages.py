"""One page of a table: found by bisection where possible, then by test."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kinetic_sandbox.kinetic.odata.filters import RowTest
    from kinetic_sandbox.kinetic.store import Order, Row, RowTable


@dataclass(frozen=True)
class Question:
    """What is asked of a table, checked and compiled."""

    test: RowTest | None = None
    order: Order = ()
    columns: list[str] | None = None
    start: int = 0
    limit: int = 100
    wants_total: bool = False


@dataclass(frozen=True)
class Page:
    """The rows found, ready spelt."""

    bodies: list[bytes] = field(default_factory=list)
    total: int | None = None
    has_more: bool = False


def read_page(table: RowTable, question: Question) -> Page:
    """Answer a question."""
    found = list(
        islice(matching(table, question), question.start, question.start + question.limit + 1)
    )
    bodies = list(_spelt(table, found[: question.limit], question.columns))
    total = count_rows(table, question.test) if question.wants_total else None
    return Page(bodies, total, has_more=len(found) > question.limit)


def count_rows(table: RowTable, test: RowTest | None) -> int:
    """Count the rows that pass a test."""
    if test is None:
        return len(table)
    return sum(1 for _ in matching(table, Question(test, order=_cheap_order(table))))


def _cheap_order(table: RowTable) -> Order:
    return (("SysRevID", False),) if "SysRevID" in table.position else ()


def matching(table: RowTable, question: Question) -> Iterator[Row]:
    """Find the rows that pass the question's test, in its order."""
    ordering, is_backwards = table.ordering(question.order)
    low, high = 0, len(ordering.rows)
    matches: Callable[[Sequence[Any]], Any] | None = None
    if question.test is not None:
        low, high = ordering.span(question.test.ways)
        matches = question.test.matches
    places = range(high - 1, low - 1, -1) if is_backwards else range(low, high)
    rows = ordering.rows
    for place in places:
        row = rows[place]
        if matches is None or matches(row.values):
            yield row


def _spelt(table: RowTable, rows: list[Row], columns: list[str] | None) -> Iterator[bytes]:
    if columns is None:
        return map(table.json_of, rows)
    indexes = [table.position[name] for name in columns]
    return (table.spell(row, indexes) for row in rows)
