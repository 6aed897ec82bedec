"""The parts of a filter: each can be written for the server and judged on a row.

Judging is what proves that a tenant honours a filter: some evaluate the `$filter` of a child set
against the parent, silently where the parent has a column of that name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tap_epicor_kinetic.odata.query import any_of, compare

from .cursor import Cursor, CursorValue, extremes, is_at_least

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_epicor_kinetic.odata.metadata import Column

    Values = Callable[[str], Sequence[Any]]
    """A page's values of one column."""


class Term(Protocol):
    """One condition on rows."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that `failing` needs."""

    def text(self) -> str:
        """For `$filter`."""

    def failing(self, column: Values) -> Sequence[int]:
        """Of rows that have arrived, by index, those that do not satisfy it."""


@dataclass(frozen=True)
class AtLeast:
    """`column ge value`; with `or_null` also rows without a value."""

    cursor: Cursor
    value: CursorValue
    or_null: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The cursor's column."""
        return (self.cursor.column.name,)

    def text(self) -> str:
        """`ChangeDate ge 2024-01-01T00:00:00Z or ChangeDate eq null`."""
        reached = compare(self.cursor.column, "ge", self.value)
        if not self.or_null:
            return reached
        return any_of((reached, compare(self.cursor.column, "eq", None)))

    def failing(self, column: Values) -> Sequence[int]:
        """Judge a page by its lowest value, and row by row only where that fails."""
        raw = column(self.cursor.column.name)
        ends = extremes(self.cursor, raw)
        has_nulls = None in raw or "" in raw
        if (ends is None or is_at_least(ends[0], self.value)) and (self.or_null or not has_nulls):
            return ()
        return [n for n, cell in enumerate(raw) if not self._holds(self.cursor.read(cell))]

    def _holds(self, value: CursorValue | None) -> bool:
        return self.or_null if value is None else is_at_least(value, self.value)


@dataclass(frozen=True)
class AtMost:
    """`column le value`, to the whole second above; for windows of the past."""

    cursor: Cursor
    value: CursorValue

    @property
    def columns(self) -> tuple[str, ...]:
        """The cursor's column."""
        return (self.cursor.column.name,)

    def text(self) -> str:
        """`SysRevID le 6000000001`."""
        return compare(self.cursor.column, "le", self.value)

    def failing(self, column: Values) -> Sequence[int]:  # noqa: ARG002 - part of the protocol
        """A row that changed meanwhile may be newer; it does no harm."""
        return ()


@dataclass(frozen=True)
class _Comparison:
    """A column against a value."""

    column: Column
    value: object

    @property
    def columns(self) -> tuple[str, ...]:
        """The compared column."""
        return (self.column.name,)


class NotEqual(_Comparison):
    """`Inactive ne true`: in OData a null is unequal, so rows without the flag stay in."""

    def text(self) -> str:
        """For `$filter`."""
        return compare(self.column, "ne", self.value)

    def failing(self, column: Values) -> Sequence[int]:
        """Judge the rows' flags."""
        return [n for n, cell in enumerate(column(self.column.name)) if cell == self.value]


class Equal(_Comparison):
    """`Company1 eq 'EPIC06'`."""

    def text(self) -> str:
        """For `$filter`."""
        return compare(self.column, "eq", self.value)

    def failing(self, column: Values) -> Sequence[int]:
        """Judge the rows' values."""
        return [n for n, cell in enumerate(column(self.column.name)) if cell != self.value]


@dataclass(frozen=True)
class Verbatim:
    """A condition that the user wrote; it is sent as it is and cannot be judged here."""

    condition: str

    @property
    def columns(self) -> tuple[str, ...]:
        """None that we know of."""
        return ()

    def text(self) -> str:
        """In parentheses, so that an `or` in it stays inside."""
        return f"({self.condition})"

    def failing(self, column: Values) -> Sequence[int]:  # noqa: ARG002 - part of the protocol
        """Taken on trust."""
        return ()
