"""A query as a frozen value: conditions, order, columns, size; encoded as IIS and OData want it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from .literals import literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .metadata import Column

MAX_QUERY_LENGTH = 2048
"""IIS refuses longer query strings by default (`maxQueryString`)."""


@dataclass(frozen=True)
class Query:
    """One read of an entity set.

    Attributes:
        conditions: joined by `and`.
        order_by: columns, each with ` desc` where wanted.
        select: columns; empty for all.
        top, skip: rows to give and to pass over.
        count: also ask how many rows satisfy the conditions.
        parameters: of a BAQ, as (name, value); a name may come more than once.
    """

    conditions: tuple[str, ...] = ()
    order_by: tuple[str, ...] = ()
    select: tuple[str, ...] = ()
    top: int | None = None
    skip: int | None = None
    count: bool = False
    parameters: tuple[tuple[str, str], ...] = ()

    @property
    def filter(self) -> str:
        """The `$filter` text, empty where there is no condition."""
        if len(self.conditions) == 1:
            return self.conditions[0]
        return " and ".join(f"({c})" if " or " in c else c for c in self.conditions)

    def encode(self) -> str:
        """The query string; `$select` is left out where it would make the string too long.

        Raises:
            ValueError: when the string is too long even without `$select`.
        """
        encoded = self._encode(with_select=True)
        if len(encoded) > MAX_QUERY_LENGTH:
            encoded = self._encode(with_select=False)
        if len(encoded) > MAX_QUERY_LENGTH:
            raise ValueError(
                f"the query has {len(encoded)} characters, {MAX_QUERY_LENGTH} is the limit"
            )
        return encoded

    def _encode(self, *, with_select: bool) -> str:
        options = (
            ("$filter", self.filter),
            ("$orderby", ",".join(self.order_by)),
            ("$select", ",".join(self.select) if with_select else ""),
            ("$top", "" if self.top is None else str(self.top)),
            ("$skip", "" if not self.skip else str(self.skip)),
            ("$count", "true" if self.count else ""),
        )
        own = [f"{quote(name, safe='')}={quote(text, safe='')}" for name, text in self.parameters]
        # A space must be %20: Kinetic does not reliably decode the plus sign.
        asked = [f"{name}={quote(text, safe=_READABLE)}" for name, text in options if text]
        return "&".join([*own, *asked])


_READABLE = "$,'():"


def compare(column: Column, operator: str, value: object) -> str:
    """`SysRevID gt 6000000001`."""
    return f"{column.name} {operator} {literal(value, column.edm_type)}"


def any_of(conditions: Iterable[str]) -> str:
    """The conditions joined by `or`."""
    return " or ".join(conditions)


def after(columns: Sequence[Column], values: Sequence[object]) -> str:
    """Rows behind a position in the order of `columns`: `A gt 1 or (A eq 1 and B gt 'x')`."""
    alternatives = []
    for depth, column in enumerate(columns):
        beyond = _beyond(column, values[depth])
        if beyond:
            equal = [
                compare(c, "eq", v) for c, v in zip(columns[:depth], values[:depth], strict=True)
            ]
            both = " and ".join([*equal, beyond])
            alternatives.append(f"({both})" if equal else both)
    return any_of(alternatives)


def _beyond(column: Column, value: object) -> str:
    """Flags have an order, false before true, but `gt` is not defined on them."""
    if column.edm_type == "Edm.Boolean":
        return "" if value else compare(column, "eq", value=True)
    return compare(column, "gt", value)
