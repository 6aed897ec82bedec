"""Reads of entity sets and queries: options in, JSON envelope out."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from kinetic_sandbox.kinetic.baqs import BAQS
from kinetic_sandbox.kinetic.faults import (
    missing_record,
    not_allowed,
    odata_fault,
    unknown_resource,
)
from kinetic_sandbox.kinetic.http.answers import Answer
from kinetic_sandbox.kinetic.odata.filters import RowTest, compile_filter
from kinetic_sandbox.kinetic.odata.key_predicate import read_key, same_key
from kinetic_sandbox.kinetic.odata.options import Options, read_options, read_order, read_selection
from kinetic_sandbox.kinetic.odata.pages import Page, Question, count_rows, read_page
from kinetic_sandbox.kinetic.odata.refused_forms import refuse_forms
from kinetic_sandbox.kinetic.spelling import json_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kinetic_sandbox.kinetic.edm import EntityFacts
    from kinetic_sandbox.kinetic.http.addresses import Address
    from kinetic_sandbox.kinetic.http.vices import Vices
    from kinetic_sandbox.kinetic.store import RowTable
    from kinetic_sandbox.kinetic.tenant import Tenant

DEFAULT_PAGE = 100


@dataclass(frozen=True)
class Target:
    """The table that an address names, and under which type it is shown."""

    table: RowTable
    facts: EntityFacts
    stream: str
    company: str
    name: str
    """What vices call it: the entity set, or the id of a query."""


@dataclass
class Reader:
    """Answers reads; callers hold the tenant's lock."""

    tenant: Tenant
    vices: Vices
    _runs: Iterator[int] = field(default_factory=lambda: count(1))

    def sets_of(self, service: str) -> list[EntityFacts]:
        """Return the entity sets of a service; none is the server's 404."""
        found = [facts for _, facts in self.tenant.database.sets() if facts.service == service]
        if not found:
            raise unknown_resource(service)
        return found

    def rows(self, address: Address, url: str, raw_query: str) -> Answer:
        """Answer a read of an entity set."""
        target, options = self._target(address), read_options(raw_query)
        answer = self._page(target, options, url, raw_query)
        self._stir(target)
        return answer

    def count(self, address: Address, raw_query: str) -> Answer:
        """Answer `/$count` with a bare number."""
        target, options = self._target(address), read_options(raw_query)
        total = count_rows(target.table, self._test(target, options))
        return Answer(200, str(total).encode(), "text/plain; charset=utf-8")

    def row(self, address: Address, url: str, raw_query: str) -> Answer:
        """Answer a read of a single row by its key."""
        target, options = self._target(address), read_options(raw_query)
        wanted = read_key(address.predicate or "", target.facts)
        columns = self._columns(target, options) or list(target.facts.columns)
        places = [target.table.position[name] for name in target.facts.key]
        for row in target.table.rows():
            if same_key(wanted, tuple(row.values[place] for place in places), target.facts):
                body = target.table.spell(row, [target.table.position[name] for name in columns])
                context = _context(url, f"{target.facts.entity_set}/$entity")
                return Answer(200, b'{"@odata.context":' + json_bytes(context) + b"," + body[1:])
        raise missing_record()

    def baq(self, address: Address, url: str, raw_query: str) -> Answer:
        """Run a query and answer with a page of its rows."""
        baq = BAQS.get(address.entity_set or "")
        if baq is None:
            raise unknown_resource(address.entity_set or "")
        options, company = read_options(raw_query), address.company or ""
        table = baq.run(self.tenant, company, options.parameters, next(self._runs))
        target = Target(table, table.facts, "", company, baq.query_id)
        return self._page(target, options, url, raw_query)

    def _target(self, address: Address) -> Target:
        company = address.company or ""
        for stream, facts in self.tenant.database.sets():
            if (facts.service, facts.entity_set) == (address.service, address.entity_set):
                table = self.tenant.database.table(stream, company)
                return Target(table, facts, stream, company, facts.entity_set)
        self.sets_of(address.service or "")
        raise unknown_resource(address.entity_set or "")

    def _page(self, target: Target, options: Options, url: str, raw_query: str) -> Answer:
        if options.skip_token is not None and not self.vices.get("next_link"):
            raise odata_fault("The query parameter '$skiptoken' is not supported.")
        if options.count and self._has_vice("refuse_count", target):
            raise not_allowed("Query option 'Count'")
        question = self._question(target, options)
        page = read_page(target.table, question)
        link = self._next_link(options, question, page, url, raw_query)
        return Answer(200, _envelope(page, _context(url, target.facts.entity_set), link))

    def _question(self, target: Target, options: Options) -> Question:
        skip = 0 if self.vices.get("skip_ignored") else options.skip
        return Question(
            test=self._test(target, options),
            order=read_order(options.orderby, target.facts),
            columns=self._columns(target, options),
            start=skip + (options.skip_token or 0),
            limit=self._limit(options),
            wants_total=options.count and not self._has_vice("count_ignored", target),
        )

    def _columns(self, target: Target, options: Options) -> list[str] | None:
        """Return the columns to send, None for all that the table has."""
        chosen = None
        if not self._has_vice("select_ignored", target):
            chosen = read_selection(options.select, target.facts)
        if chosen is None and len(target.facts.columns) < len(target.table.position):
            return list(target.facts.columns)
        return chosen

    def _has_vice(self, name: str, target: Target) -> bool:
        return self.vices.covers(name, target.facts.service, target.name)

    def _limit(self, options: Options) -> int:
        limit, cap = options.top, self.vices.get("page_cap")
        if self.vices.get("next_link"):
            left = None if limit is None else max(0, limit - (options.skip_token or 0))
            own = cap or DEFAULT_PAGE
            return own if left is None else min(own, left)
        if limit is None:
            limit = DEFAULT_PAGE
        if options.count and options.top is not None and self.vices.get("count_caps_top"):
            limit = min(limit, DEFAULT_PAGE)
        return min(limit, cap) if cap else limit

    def _next_link(
        self, options: Options, question: Question, page: Page, url: str, raw_query: str
    ) -> str | None:
        token = (options.skip_token or 0) + question.limit
        is_done = options.top is not None and token >= options.top
        if not self.vices.get("next_link") or not page.has_more or is_done:
            return None
        kept = [part for part in raw_query.split("&") if part and "skiptoken=" not in part]
        return f"{url}?{'&'.join([*kept, f'$skiptoken={token}'])}"

    def _test(self, target: Target, options: Options) -> RowTest | None:
        if not options.filter:
            return None
        if target.facts.child_of and self.vices.get("child_filter_on_parent"):
            return self._parents_test(target, options.filter)
        self._refuse_forms(target, options.filter, target.facts)
        return compile_filter(options.filter, target.facts, target.table.position)

    def _refuse_forms(self, target: Target, text: str, facts: EntityFacts) -> None:
        refuse_forms(text, facts, lambda vice: self._has_vice(vice, target))

    def _parents_test(self, target: Target, text: str) -> RowTest:
        """Judge children by their parent's row, as some tenants do."""
        facts = target.facts
        stream = next(
            stream
            for stream, other in self.tenant.database.sets()
            if (other.service, other.entity_set) == (facts.service, facts.child_of)
        )
        parents = self.tenant.database.table(stream, target.company)
        self._refuse_forms(target, text, parents.facts)
        test = compile_filter(text, parents.facts, parents.position)
        places = [target.table.position[name] for name in facts.parent_link]

        def matches(values: Sequence[Any]) -> Any:  # noqa: ANN401 - three-valued
            parent = parents.by_key.get(tuple([values[place] for place in places]))
            return parent is not None and test.matches(parent.values)

        return RowTest(matches)

    def _stir(self, target: Target) -> None:
        changing, closing = (
            self.vices.get(name) for name in ("change_between_pages", "close_between_pages")
        )
        if changing:
            self.tenant.touch(target.stream, target.company, changing)
        if closing:
            self.tenant.close_some(target.stream, target.company, closing)


def _context(url: str, what: str) -> str:
    return f"{url.rpartition('/')[0]}/$metadata#{what}"


def _envelope(page: Page, context: str, link: str | None) -> bytes:
    head = b'{"@odata.context":' + json_bytes(context)
    if page.total is not None:
        head += b',"@odata.count":%d' % page.total
    tail = b"" if link is None else b',"@odata.nextLink":' + json_bytes(link)
    return head + b',"value":[' + b",".join(page.bodies) + b"]" + tail + b"}"
