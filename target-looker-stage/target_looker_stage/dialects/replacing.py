"""Warehouses that change the type of a column only by another column that takes its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import Dialect

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from .base import TableColumn

_WIDER = "__kinetic_wider"


class ReplacingDialect(Dialect):
    """Widens in four statements, and finishes what was cut short between them."""

    def widen(self, table: str, column: pa.Field) -> list[str]:
        """Fill a spare column, and let it take the old one's place."""
        alter = f"ALTER TABLE {self.qualified(table)}"
        name, spare = self.quoted(column.name), self.quoted(column.name + _WIDER)
        return [
            f"{alter} ADD COLUMN {spare} {self.type(column.type)}",
            f"UPDATE {self.qualified(table)} SET {spare} = {name}",
            f"{alter} DROP COLUMN {name}",
            f"{alter} RENAME COLUMN {spare} TO {name}",
        ]

    def finish_widening(self, table: str, columns: Sequence[TableColumn]) -> list[str]:
        """Drop a spare column beside the old one; rename it where the old one is gone."""
        names = {column.name for column in columns}
        left = []
        for spare in sorted(name for name in names if name.endswith(_WIDER)):
            name = spare.removesuffix(_WIDER)
            done = "DROP COLUMN" if name in names else "RENAME COLUMN"
            to = "" if name in names else f" TO {self.quoted(name)}"
            left.append(f"ALTER TABLE {self.qualified(table)} {done} {self.quoted(spare)}{to}")
        return left
