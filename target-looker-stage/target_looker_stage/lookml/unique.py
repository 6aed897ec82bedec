"""Whether columns make a row unique: by the table's key, or by what is staged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .facts.shapes import COMPANY
from .tables import Column, MissingError, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .sql import Dialect


@dataclass(frozen=True)
class Uniqueness:
    """Looks at keys, and where they do not tell at the rows.

    Args:
        dialect: of the warehouse.
        ask: runs a query.
    """

    dialect: Dialect
    ask: Callable[[str], Sequence[Sequence[Any]]]

    def is_by_key(self, table: Table, names: Iterable[str]) -> bool:
        """Whether the key says that these columns and the company make a row unique.

        False where only the rows that are staged now say so.

        Raises:
            MissingError: where neither does.
        """
        if not table.key:
            raise MissingError(f"the key of {table.stream} is not staged")
        given = {column for each in names if (column := table.find(each))}
        rest = [each for each in table.key if each not in given and not _is_company(each)]
        if rest and self._differ(table, rest):
            several = " and ".join(each.epicor for each in rest)
            raise MissingError(
                f"{table.stream} has several {several} in one company, and nothing tells which"
            )
        return not rest

    def _differ(self, table: Table, columns: Sequence[Column]) -> bool:
        """Whether a company has more than one value of any."""
        company = self.dialect.quoted(table.column(COMPANY).stored)
        several = " OR ".join(
            f"COUNT(DISTINCT {self.dialect.quoted(each.stored)}) > 1" for each in columns
        )
        rows = f"({table.rows})" if table.is_query else table.rows
        return bool(
            self.ask(
                f"SELECT {company} FROM {rows} AS each_row "
                f"GROUP BY {company} HAVING {several} LIMIT 1"
            )
        )


def _is_company(column: Column) -> bool:
    return column.epicor.casefold() in {"company", "company1", COMPANY}
