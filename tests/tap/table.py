"""A table in memory that answers queries as an OData server would, with switchable bad habits.

For property tests, where thousands of walks have to run in seconds; the sandbox tenant, over real
HTTP, is what everything else is tested against. `$filter` is read by a third-party parser.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from odata_query import ast
from odata_query.grammar import ODataLexer, ODataParser
from tap_epicor_kinetic.errors import PageTooHeavy, QueryRefused
from tap_epicor_kinetic.odata.metadata import Column, EntityType
from tap_epicor_kinetic.odata.payload import Page, PageDecoder, parse_page

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_epicor_kinetic.odata.query import Query

_COMPARE: dict[type, Callable[[Any, Any], bool]] = {
    ast.Eq: lambda a, b: a == b,
    ast.NotEq: lambda a, b: a != b,
    ast.Gt: lambda a, b: a is not None and b is not None and a > b,
    ast.GtE: lambda a, b: a is not None and b is not None and a >= b,
    ast.Lt: lambda a, b: a is not None and b is not None and a < b,
    ast.LtE: lambda a, b: a is not None and b is not None and a <= b,
}


def holds(node: Any, row: dict[str, Any]) -> bool:
    """Evaluate a parsed filter on a row."""
    if isinstance(node, ast.BoolOp):
        sides = (holds(node.left, row), holds(node.right, row))
        return all(sides) if isinstance(node.op, ast.And) else any(sides)
    return _COMPARE[type(node.comparator)](row[node.left.name], _value(node.right))


def _value(node: Any) -> Any:
    if isinstance(node, ast.Integer):
        return int(node.val)
    if isinstance(node, ast.Boolean):
        return node.val == "true"
    return None if isinstance(node, ast.Null) else node.val


@dataclass
class Table:
    """Rows of one company.

    Attributes:
        rows: by key.
        cap: the most rows that a page holds, whatever `$top` says.
        too_heavy: pages above this size fail.
        before_page: called before each answer; may change the rows.
        ignores_filter, ignores_order, ignores_skip: bad habits.
        refuses: a `$filter` that holds this text is answered with 400.
        counts: honours `$count=true`.
        room: requests that it takes at once.
    """

    entity: EntityType
    rows: dict[Any, dict[str, Any]]
    cap: int = 10**9
    too_heavy: int = 10**9
    before_page: Callable[[Table], None] = lambda _: None
    ignores_filter: bool = False
    ignores_order: bool = False
    ignores_skip: bool = False
    refuses: str = ""
    counts: bool = True
    room: int = 1
    queries: list[Query] = field(default_factory=list)
    name: str = "Table of company X"
    kind: str = "Svc/Table"
    server_time: datetime = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)

    def count(self, query: Query) -> int:  # noqa: ARG002 - part of the protocol
        """Not offered, as by some tenants."""
        raise QueryRefused("no $count here")

    def left_out(self, conditions: Any) -> tuple[str, ...]:  # noqa: ARG002
        """Takes every condition."""
        return ()

    def has_room(self, under_way: int) -> bool:
        """Takes so many requests at once."""
        return under_way < self.room

    def probe(self, query: Query, decoder: PageDecoder | None = None) -> Page:
        """As any page."""
        return self.page(query, decoder)

    def page(self, query: Query, decoder: PageDecoder | None = None) -> Page:
        """Answer one query."""
        self.queries.append(query)
        if self.refuses and self.refuses in query.filter:
            raise QueryRefused(f"{self.refuses} is not taken here")
        if (query.top or 100) > self.too_heavy:
            raise PageTooHeavy(f"{query.top} rows are too many")
        self.before_page(self)
        rows = list(self.rows.values())
        if query.filter and not self.ignores_filter:
            node = ODataParser().parse(ODataLexer().tokenize(query.filter))
            rows = [row for row in rows if holds(node, row)]
        if not self.ignores_order:
            for term in reversed(query.order_by):
                name, _, direction = term.partition(" ")
                rows.sort(key=lambda row: row[name], reverse=direction == "desc")
        count = {"@odata.count": len(rows)} if query.count and self.counts else {}
        rows = rows[0 if self.ignores_skip else query.skip or 0 :][
            : min(query.top or 100, self.cap)
        ]
        page = parse_page(json.dumps({"value": rows, **count}).encode(), decoder)
        page.waited_seconds = 1.0
        return page


def entity(*, row_version: bool = True) -> EntityType:
    """A small row type with a composite key."""
    columns = [Column("Company", "Edm.String"), Column("A", "Edm.Int32"), Column("B", "Edm.String")]
    columns += [Column("SysRevID", "Edm.Int64")] if row_version else []
    columns += [Column("Inactive", "Edm.Boolean"), Column("Note", "Edm.String")]
    return EntityType("Erp.Thing", ("Company", "A", "B"), {c.name: c for c in columns})
