"""SQL of the facts, written for the columns that a tenant has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .sql import Dialect, Kind
from .tables import Column, MissingError, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLACE = re.compile(r"\{(?:(=)|(\w+) )?([\w.|]+)\}")


@dataclass(frozen=True)
class Templates:
    """Fills templates with references of LookML.

    Args:
        tables: by stream.
        dialect: of the warehouse.
    """

    tables: Mapping[str, Table]
    dialect: Dialect

    def column(self, table: Table, names: str) -> tuple[Table, Column]:
        """A column `A|B` of the table, or `stream.A|B` of another.

        Raises:
            MissingError: where there is none.
        """
        stream, dot, own = names.rpartition(".")
        if dot and stream not in self.tables:
            raise MissingError(f"{stream} is not staged")
        there = self.tables[stream] if dot else table
        return there, there.column(own)

    def reference(self, table: Table, names: str) -> str:
        """A column as SQL of LookML sees it.

        Raises:
            MissingError: where there is none.
        """
        there, column = self.column(table, names)
        return f"${{{path(table, there, column.value)}}}"

    def shown(self, table: Table, names: str) -> str:
        """The field that people see of a column, with its view where that is another.

        Raises:
            MissingError: where there is none.
        """
        there, column = self.column(table, names)
        return path(table, there, column.shown)

    def filled(self, table: Table, template: str) -> str:
        """SQL for a field of the table.

        Raises:
            MissingError: naming the column that is not there.
        """

        def place(match: re.Match[str]) -> str:
            is_measure, function, names = match.groups()
            if is_measure:
                return f"${{{names}}}"
            if not function:
                return self.reference(table, names)
            _, column = self.column(table, names)
            kind = Kind.DATE if column.is_day else column.kind if column.is_moment else Kind.TIME
            day = self.dialect.day(self.reference(table, names), kind)
            return day if function == "day" else self.dialect.days_since(day)

        return _PLACE.sub(place, template)

    def used(self, table: Table, template: str) -> list[tuple[Table, Column]]:
        """The columns that a template names.

        Raises:
            MissingError: where one is not there.
        """
        names = [match[3] for match in _PLACE.finditer(template) if not match[1]]
        return [self.column(table, each) for each in names]


def path(table: Table, there: Table, name: str) -> str:
    """A field of `there` as the view of `table` names it."""
    return name if there is table else f"{there.view}.{name}"
