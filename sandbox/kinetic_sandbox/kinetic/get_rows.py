"""The method `GetRows` of every service: one where clause per table in, a set of tables out.

Children come with the parents that were found, and only with those. Pages are pages of the head
table. Dates are the tenant's wall clock, without a zone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from kinetic_sandbox.kinetic.faults import NOT_FOUND, Fault, internal_fault, unknown_resource
from kinetic_sandbox.kinetic.http.answers import Answer
from kinetic_sandbox.kinetic.odata.pages import Question, matching
from kinetic_sandbox.kinetic.spelling import json_bytes, wall_clock_text
from kinetic_sandbox.kinetic.store import Row
from kinetic_sandbox.kinetic.where_clause import read_where

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from kinetic_sandbox.kinetic.edm import EntityFacts
    from kinetic_sandbox.kinetic.http.addresses import Address
    from kinetic_sandbox.kinetic.http.gateway import Request
    from kinetic_sandbox.kinetic.http.reading import Reader
    from kinetic_sandbox.kinetic.store import RowTable

TABLES: dict[str, str] = {
    "APInvDtlSearches": "APInvDtl",
    "APInvDtls": "APInvDtl",
    "APInvSearches": "APInvHed",
    "APInvoices": "APInvHed",
    "APTranSearches": "APTran",
    "APTrans": "APTran",
    "COASegValues": "COASegValues",
    "COASegments": "COASegment",
    "COAs": "COA",
    "Companies": "Company",
    "Customers": "Customer",
    "GLAccounts": "GLAccount",
    "GLJrnDtls": "GLJrnDtl",
    "PODetails": "PODetail",
    "PORelSearches": "PORel",
    "PORels": "PORel",
    "POes": "POHeader",
    "PartTrans": "PartTran",
    "PartWhseFullSearches": "PartWhseSearch",
    "PartWhseSearches": "PartWhse",
    "PartWhses": "PartWhse",
    "Parts": "Part",
    "PaymentEntries": "CheckHed",
    "Projects": "Project",
    "Vendors": "Vendor",
}
"""The table behind each entity set; methods know tables only."""

_EMPTY_TABLES: dict[str, tuple[str, ...]] = {
    "Erp.BO.APInvoiceSvc": ("APInvHedAttch", "APInvExp", "APInvSched", "APInvTax"),
    "Erp.BO.CustomerSvc": ("CustomerAttch", "ShipTo", "CustCnt"),
    "Erp.BO.PartSvc": ("PartAttch", "PartPlant"),
    "Erp.BO.PaymentEntrySvc": ("LegalNumGenOpts",),
    "Erp.BO.POSvc": ("POHeaderAttch", "PODetailAttch", "PORelAttch", "PODetailTax", "PORelTax"),
    "Erp.BO.VendorSvc": ("VendorAttch", "VendCnt", "VendBank"),
}
"""Further tables of these services; nobody fills them here, but each wants its where clause."""


@dataclass(frozen=True)
class _Part:
    """One filled table of a service."""

    name: str
    facts: EntityFacts
    table: RowTable

    def found(self, text: str) -> Iterator[Row]:
        """Find the rows that satisfy a where clause, in its order."""
        where = read_where(text, self.facts, self.table.position)
        return matching(self.table, Question(where.test, where.order))

    def below(self, text: str, head: _Part, parents: Iterable[Row]) -> Iterator[Row]:
        """Find the children of these parents that satisfy a where clause."""
        keys = {head.table.key_of(row.values) for row in parents}
        places = [self.table.position[name] for name in self.facts.parent_link]
        for row in self.found(text) if keys else ():
            if tuple([row.values[place] for place in places]) in keys:
                yield row

    def json(self, rows: Iterable[Row]) -> bytes:
        """Spell rows as methods do."""
        columns, position = self.facts.columns, self.table.position
        places = [position[name] for name in columns]
        times = [position[n] for n, each in columns.items() if each.type == "Edm.DateTimeOffset"]
        spelt = (self.table.spell(_on_the_wall(row, times), places) for row in rows)
        return b"[" + b",".join(spelt) + b"]"


def given_parameters(request: Request) -> Mapping[str, Any]:
    """Read a method's parameters, out of the query string or a JSON body."""
    if request.method == "GET":
        return request.query
    try:
        given = json.loads(request.body)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise Fault(400, NOT_FOUND, "The input object is not valid JSON.")
    return given


def get_rows(reader: Reader, address: Address, given: Mapping[str, Any]) -> Answer:
    """Answer a call; callers hold the tenant's lock."""
    head, *children = _parts(reader, address)
    empty = _EMPTY_TABLES.get(address.service or "", ())
    wanted = [f"whereClause{name}" for name in (*(p.name for p in (head, *children)), *empty)]
    for name in (*wanted, "pageSize", "absolutePage"):
        if name not in given:
            message = f"Parameter {name} is not found in the input object"
            raise Fault(400, NOT_FOUND, message)
    size, start = _page(given, reader.vices.get("get_rows_base") or 0)
    stop = start + size + 1 if size else None
    rows = list(islice(head.found(given[f"whereClause{head.name}"]), start, stop))
    has_more = 0 < size < len(rows)
    rows = rows[:size] if size else rows
    tables = {head.name: head.json(rows)}
    for child in children:
        tables[child.name] = child.json(child.below(given[f"whereClause{child.name}"], head, rows))
    tables |= dict.fromkeys((*empty, "ExtensionTables"), b"[]")
    return Answer(200, _envelope(tables, has_more=has_more))


def _parts(reader: Reader, address: Address) -> list[_Part]:
    """Return the filled tables of a service, the head table first."""
    service, company, database = address.service, address.company or "", reader.tenant.database
    parts = [
        _Part(TABLES[facts.entity_set], facts, database.table(stream, company))
        for stream, facts in database.sets()
        if facts.service == service
    ]
    if not parts:
        raise unknown_resource(service or "")
    return sorted(parts, key=lambda part: part.facts.child_of is not None)


def _page(given: Mapping[str, Any], base: int) -> tuple[int, int]:
    """Return how many rows of the head table are wanted, 0 for all, and behind how many."""
    try:
        size, page = int(given["pageSize"]), int(given["absolutePage"])
    except (TypeError, ValueError):
        raise internal_fault() from None
    return size, max(0, page - base) * size


def _on_the_wall(row: Row, times: Sequence[int]) -> Row:
    """Copy a row, with its times as the tenant's clock on the wall shows them."""
    values = list(row.values)
    for place in times:
        if values[place] is not None:
            values[place] = wall_clock_text(values[place])
    return Row(values, row.revision)


def _envelope(tables: Mapping[str, bytes], *, has_more: bool) -> bytes:
    body = b",".join(json_bytes(name) + b":" + rows for name, rows in tables.items())
    more = json_bytes(has_more)
    return b'{"returnObj":{' + body + b'},"parameters":{"morePages":' + more + b"}}"
