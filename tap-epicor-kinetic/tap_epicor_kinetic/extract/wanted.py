"""What a stream reads, whatever the run: the meeting point of facts, `$metadata` and settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_epicor_kinetic.odata.literals import literal

from .cursor import ROW_VERSION, Cursor
from .terms import NotEqual, Verbatim

if TYPE_CHECKING:
    from tap_epicor_kinetic.odata.metadata import Column, EntityType

    from .bookmark import Basis
    from .cursor import CursorValue
    from .terms import Term


@dataclass(frozen=True)
class Wanted:
    """What a stream reads, whatever the run.

    Attributes:
        entity: the row's type.
        cursor: the replication key, None for a full table.
        closed: judges a row open; None where nothing marks a row closed.
        always: conditions of each read, such as the row's own company.
        first_only: conditions of a first sync, such as the start date.
        select: columns to ask for, empty for all.
        is_child: `$filter` may be bound to the parent's type.
        leaves_closed_out: `closed_records: exclude`.
        lookback_seconds: the overlap.
        parameters: of a BAQ, as name and value pairs; a list repeats the name.
        bookmark_parameter: the parameter that takes where a read starts.
        read_method: `odata` or `GetRows`.
    """

    entity: EntityType
    cursor: Cursor | None
    closed: NotEqual | None
    always: tuple[Term, ...] = ()
    first_only: tuple[Term, ...] = ()
    select: tuple[str, ...] = ()
    is_child: bool = False
    leaves_closed_out: bool = True
    lookback_seconds: int = 300
    parameters: tuple[tuple[str, str], ...] = ()
    bookmark_parameter: str | None = None
    read_method: str = "odata"

    @property
    def walk_columns(self) -> tuple[Column, ...]:
        """The unique columns by which pages follow each other: the row version, else the key."""
        columns = self.entity.columns
        if ROW_VERSION in columns:
            return (columns[ROW_VERSION],)
        own = [name for name in self.entity.key if name != "Company"]
        return tuple(columns[name] for name in own)

    @property
    def has_row_version(self) -> bool:
        """Whether the walk goes by row version."""
        return ROW_VERSION in self.entity.columns

    def basis(self, source: str) -> Basis:
        """What decides which rows are sent; kept in STATE, so that a change is noticed."""
        user_filter = [term.text() for term in self.always if isinstance(term, Verbatim)]
        mode = "exclude" if self.leaves_closed_out else "include"
        # Only where they are used: the STATE of a stream that uses neither stays valid.
        unusual: Basis = {}
        if self.parameters:
            unusual["parameters"] = [list(pair) for pair in self.parameters]
        if self.read_method != "odata":
            unusual["read_method"] = self.read_method
        return {
            "source": source,
            "replication_key": self.cursor.column.name if self.cursor else None,
            "closed_when": self.closed.text() if self.closed else None,
            "closed_records": mode if self.closed else None,
            "filter": user_filter[0] if user_filter else None,
            **unusual,
        }

    def parameters_from(self, start: CursorValue | None) -> tuple[tuple[str, str], ...]:
        """The parameters of a read that starts at `start`, which is None where it has no start.

        Times are UTC with whole seconds. What the settings give under the name of the bookmark
        parameter is for reads without a start.
        """
        name = self.bookmark_parameter
        if name is None or start is None or self.cursor is None:
            return self.parameters
        others = tuple(pair for pair in self.parameters if pair[0] != name)
        return (*others, (name, literal(start, self.cursor.column.edm_type)))

    def terms(self) -> tuple[Term, ...]:
        """All conditions that could ever be asked for."""
        closed = (self.closed,) if self.closed else ()
        return (*self.always, *self.first_only, *closed)
