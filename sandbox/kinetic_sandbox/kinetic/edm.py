"""What an entity set looks like from outside: columns, key, flags, change stamps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

NUMERIC_TYPES = frozenset({"Edm.Int32", "Edm.Int64", "Edm.Decimal", "Edm.Double"})


@dataclass(frozen=True)
class Column:
    """One property of an entity type, as `$metadata` declares it."""

    name: str
    type: str
    nullable: bool = True
    max_length: int | None = None
    precision: int | None = None
    scale: int | None = None
    lookup: bool = False
    """Computed from another table: present in rows, refused in `$filter` and `$orderby`."""


@dataclass(frozen=True)
class ChangeColumn:
    """A column that the server stamps on each change; how says with what."""

    name: str
    how: str
    """`moment` (date, time, offset), `day` (midnight), `seconds` (since midnight) or `user`."""


@dataclass(frozen=True)
class EntityFacts:
    """One entity set under one profile."""

    stream: str
    service: str
    entity_set: str
    type_name: str
    key: tuple[str, ...]
    columns: Mapping[str, Column]
    closed: str | None
    """The flag column that marks a row closed, if the profile has one."""
    closed_when: bool
    """The value of that flag on a closed row; False where the flag means "active"."""
    child_of: str | None
    """The head set of the service, for child sets."""
    parent_link: tuple[str, ...]
    """This set's columns that hold the parent's key, in the parent's key order."""
    changes: tuple[ChangeColumn, ...]
    midnight: str
    """How this table ends a date without time: `Z`, an offset, or nothing."""
    remark: str
    """A text column that may change without upsetting any sum."""

    def is_closed(self, row: Mapping[str, object]) -> bool:
        """Whether the flag of this row says closed; null flags count as open."""
        return self.closed is not None and row[self.closed] is self.closed_when

    def with_column(self, column: Column) -> EntityFacts:
        """Return these facts with one more column at the end."""
        return replace(self, columns={**self.columns, column.name: column})

    def without_column(self, name: str) -> EntityFacts:
        """Return these facts without one of their columns."""
        kept = {each: column for each, column in self.columns.items() if each != name}
        return replace(self, columns=kept)
