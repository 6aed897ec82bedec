"""The segments of the tenant's chart of accounts: cost centres, departments, or others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .facts.explores import DEPARTMENT
from .safe_text import label

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .sql import Dialect
    from .tables import Table

MOST_SEGMENTS = 20


@dataclass(frozen=True)
class Segment:
    """One segment, such as number 2, `Department`.

    Attributes:
        number: which SegValue column holds its codes.
        name: the tenant's own; names of several charts of accounts stand side by side.
    """

    number: int
    name: str

    @property
    def view(self) -> str:
        """Under which name its values are joined."""
        return f"gl_segment_{self.number}"

    @property
    def column(self) -> str:
        """The column of its codes."""
        return f"SegValue{self.number}"


def read_segments(
    table: Table | None, dialect: Dialect, ask: Callable[[str], Sequence[Sequence[Any]]]
) -> tuple[Segment, ...]:
    """What `gl_segments` holds; none where it is not staged.

    Args:
        table: of the stream gl_segments.
        dialect: of the warehouse.
        ask: runs a query.
    """
    if table is None:
        return ()
    number, name = table.find("SegmentNbr"), table.find("SegmentName")
    if number is None or name is None:
        return ()
    rows = f"({table.rows})" if table.is_query else table.rows
    found: dict[int, set[str]] = {}
    for at, text in ask(
        f"SELECT DISTINCT {dialect.quoted(number.stored)}, {dialect.quoted(name.stored)} "
        f"FROM {rows} AS each_segment"
    ):
        if at is not None and 1 <= int(at) <= MOST_SEGMENTS:
            found.setdefault(int(at), set()).add(label(str(text or "")) or f"Segment {at}")
    return tuple(
        Segment(at, label(" / ".join(sorted(names)))) for at, names in sorted(found.items())
    )


def department_of(segments: Sequence[Segment]) -> Segment | None:
    """The segment that drills by department go by."""
    for beginning in DEPARTMENT:
        for segment in segments:
            if segment.name.casefold().startswith(beginning):
                return segment
    return None
