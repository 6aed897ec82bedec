"""The rows of one table in one company, kept ready to be read in order."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any
from zlib import crc32

from kinetic_sandbox.kinetic.spelling import instant, json_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kinetic_sandbox.kinetic.edm import Column, EntityFacts

Key = tuple[Any, ...]
Order = tuple[tuple[str, bool], ...]
"""Column and whether descending, most significant first."""
SortKey = Callable[["Row"], tuple[int, Any]]


class Row:
    """One row: values in column order, its row version, and its JSON once it was sent."""

    __slots__ = ("json", "revision", "values")

    def __init__(self, values: list[Any], revision: int, json: bytes | None = None) -> None:
        self.values = values
        self.revision = revision
        self.json = json


@dataclass(frozen=True)
class Bound:
    """A condition on one column that an ordered list can answer by bisection."""

    column: str
    operator: str
    value: Any


@dataclass(frozen=True)
class Ordering:
    """Rows in some order, with what its ascending leading columns are sorted by."""

    rows: Sequence[Row]
    leading: tuple[tuple[str, SortKey], ...] = ()

    def span(self, ways: Iterable[Sequence[Bound]]) -> tuple[int, int]:
        """Return the slice outside of which no row can satisfy the bounds of any way."""
        spans = [self._narrowed(bounds) for bounds in ways]
        found = [(low, high) for low, high in spans if low < high]
        if not found:
            return 0, 0
        return min(low for low, _ in found), max(high for _, high in found)

    def _narrowed(self, bounds: Sequence[Bound]) -> tuple[int, int]:
        low, high = 0, len(self.rows)
        for column, key in self.leading:
            for bound in bounds:
                if bound.column == column:
                    low, high = self._within(bound, key, low, high)
            # The next column is in order only where this one stays the same.
            if low >= high or key(self.rows[low]) != key(self.rows[high - 1]):
                break
        return low, high

    def _within(self, bound: Bound, key: SortKey, low: int, high: int) -> tuple[int, int]:
        value = (1, bound.value)
        if bound.operator in {"gt", "ge", "eq"}:
            find = bisect_right if bound.operator == "gt" else bisect_left
            low = find(self.rows, value, low, high, key=key)
        if bound.operator in {"lt", "le", "eq"}:
            find = bisect_left if bound.operator == "lt" else bisect_right
            high = find(self.rows, value, low, high, key=key)
        return low, high


class RowTable:
    """Rows by key and by row version, other orders on demand; callers hold the tenant's lock."""

    def __init__(self, facts: EntityFacts) -> None:
        self.facts = facts
        self.position: dict[str, int] = {}
        self.by_key: dict[Key, Row] = {}
        self._labels: list[bytes] = []
        self._rows: list[Row] = []
        self._orderings: dict[Order, Ordering] = {}
        self._reshape()

    def __len__(self) -> int:
        return len(self.by_key)

    def rows(self) -> Sequence[Row]:
        """Return all rows, oldest row version first."""
        return self._rows

    def key_of(self, values: Sequence[Any]) -> Key:
        """Return the key within a row's values."""
        return tuple([values[self.position[name]] for name in self.facts.key])

    def as_dict(self, row: Row) -> dict[str, Any]:
        """Return a copy of a row by column name."""
        return dict(zip(self.position, row.values, strict=True))

    def insert(self, row: Row) -> None:
        """Take in a row whose key is new."""
        key = self.key_of(row.values)
        if key in self.by_key:
            raise ValueError(f"{self.facts.stream} already has a row {key!r}")
        self.by_key[key] = row
        self._place(row)

    def extend(self, rows: Sequence[Row]) -> None:
        """Take in many rows with new keys and rising, newest row versions."""
        self.by_key.update((self.key_of(row.values), row) for row in rows)
        self._rows += rows
        self._orderings.clear()

    def rewrite(self, row: Row, values: list[Any], revision: int) -> None:
        """Give a row new values under the same key, and a new row version."""
        self._lift(row)
        row.values, row.revision, row.json = values, revision, None
        self._place(row)

    def remove(self, rows: Sequence[Row]) -> None:
        """Forget rows without a trace."""
        for row in rows:
            del self.by_key[self.key_of(row.values)]
        gone = {id(row) for row in rows}
        self._rows = [row for row in self._rows if id(row) not in gone]
        self._orderings.clear()

    def rebuild(self, change: Callable[[Row], None]) -> None:
        """Apply a change to every row, row versions and non-key values included."""
        for row in self._rows:
            change(row)
            row.json = None
        self._rows.sort(key=_revision)
        self._orderings.clear()

    def add_column(self, column: Column, value: Any) -> None:  # noqa: ANN401 - any JSON value
        """Append a column to the table and to each row."""
        self.facts = self.facts.with_column(column)
        for row in self._rows:
            row.values = [*row.values, value]
        self._reshape()

    def drop_column(self, name: str) -> None:
        """Take a column out of the table and out of each row."""
        place = self.position[name]
        self.facts = self.facts.without_column(name)
        for row in self._rows:
            row.values = [*row.values[:place], *row.values[place + 1 :]]
        self._reshape()

    def json_of(self, row: Row) -> bytes:
        """Return the whole row as JSON, spelt once and kept."""
        if row.json is None:
            row.json = self.spell(row, range(len(self._labels)))
        return row.json

    def spell(self, row: Row, columns: Iterable[int]) -> bytes:
        """Spell the columns at these positions as a JSON object."""
        values, labels = row.values, self._labels
        return b"{" + b",".join([labels[i] + json_bytes(values[i]) for i in columns]) + b"}"

    def ordering(self, order: Order) -> tuple[Ordering, bool]:
        """Return the rows in this order, and whether they must be read backwards."""
        if order and order[0][0] == "SysRevID":
            # Row versions are unique, so whatever follows cannot matter.
            return Ordering(self._rows, (("SysRevID", _versioned),)), order[0][1]
        if order not in self._orderings:
            self._orderings[order] = self._sorted(order)
        return self._orderings[order], False

    def _sorted(self, order: Order) -> Ordering:
        rows = list(self._rows)
        telling_apart = set(self.facts.key) - {"Company"}
        if not telling_apart.issubset(name for name, _ in order):
            # Without an order, and within ties, rows come scrambled: no client may lean on luck.
            rows.sort(key=lambda row: crc32(repr(self.key_of(row.values)).encode()))
        for name, descending in reversed(order):
            rows.sort(key=self._sort_key(name), reverse=descending)
        ascending = takewhile(lambda column: not column[1], order)
        return Ordering(rows, tuple((name, self._sort_key(name)) for name, _ in ascending))

    def _sort_key(self, name: str) -> SortKey:
        index = self.position[name]
        is_time = self.facts.columns[name].type == "Edm.DateTimeOffset"

        def key(row: Row) -> tuple[int, Any]:
            value = row.values[index]
            if value is None:
                return (0, 0)
            return (1, instant(value) if is_time else value)

        return key

    def _place(self, row: Row) -> None:
        if not self._rows or row.revision > self._rows[-1].revision:
            self._rows.append(row)
        else:
            self._rows.insert(bisect_left(self._rows, row.revision, key=_revision), row)
        self._orderings.clear()

    def _lift(self, row: Row) -> None:
        del self._rows[bisect_left(self._rows, row.revision, key=_revision)]
        self._orderings.clear()

    def _reshape(self) -> None:
        """Follow the facts after their columns have changed."""
        self.position = {name: index for index, name in enumerate(self.facts.columns)}
        self._labels = [json_bytes(name) + b":" for name in self.position]
        for row in self._rows:
            row.json = None
        self._orderings.clear()


def _revision(row: Row) -> int:
    return row.revision


def _versioned(row: Row) -> tuple[int, int]:
    return (1, row.revision)
