"""The parts of a filter: each can be written for the server and judged on a row.

Judging is what proves that a tenant honours a filter: some evaluate the `$filter` of a child set
against the parent, silently where the parent has a column of that name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tap_epicor_kinetic.odata.query import any_of, compare

from .cursor import Cursor, CursorValue, is_at_least

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_epicor_kinetic.odata.metadata import Column


class Term(Protocol):
    """One condition on rows."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that `holds` needs."""

    def text(self) -> str:
        """For `$filter`."""

    def holds(self, cells: Mapping[str, Any]) -> bool:
        """For a row that has arrived."""


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

    def holds(self, cells: Mapping[str, Any]) -> bool:
        """Judge the row's value."""
        value = self.cursor.read(cells[self.cursor.column.name])
        return self.or_null if value is None else is_at_least(value, self.value)


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

    def holds(self, cells: Mapping[str, Any]) -> bool:
        """Judge the row's flag."""
        return bool(cells[self.column.name] != self.value)


class Equal(_Comparison):
    """`Company1 eq 'EPIC06'`."""

    def text(self) -> str:
        """For `$filter`."""
        return compare(self.column, "eq", self.value)

    def holds(self, cells: Mapping[str, Any]) -> bool:
        """Judge the row's value."""
        return bool(cells[self.column.name] == self.value)


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

    def holds(self, cells: Mapping[str, Any]) -> bool:  # noqa: ARG002 - part of the protocol
        """Taken on trust."""
        return True
