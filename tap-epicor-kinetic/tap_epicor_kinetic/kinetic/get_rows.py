"""Reads a table through the method `GetRows`, for services whose entity sets end in HTTP 500.

Every table of the service wants its where clause; `1=0` leaves a table out. Rows of a child table
may come with their parents only, and then not at all once these are left out. Pages are asked for
by key and only ever the first: servers differ in whether `absolutePage` counts from 0 or from 1.

Dates come without a zone; `where_clause` says what that means.
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

import msgspec

from tap_epicor_kinetic.errors import QueryRefused, ServerFault, WalkError
from tap_epicor_kinetic.odata.payload import MalformedPayloadError, Page, parse_page

from .client import Address
from .entity_set import RowsOfCompany
from .where_clause import ordered, translate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_epicor_kinetic.odata.payload import PageDecoder
    from tap_epicor_kinetic.odata.query import Query

    from .client import KineticClient
    from .transport import Answer

_MISSING = re.compile(r"Parameter whereClause(\w+) is not found")
_MOST_TABLES = 100
"""Services have up to some dozens; beyond, the answer is no list of tables."""
_NOTHING, _EVERYTHING = "1=0", ""
_SAMPLE = 100
"""Parents among which a table that is not empty shows a row."""


class Siblings:
    """The other tables of each service, as its servers have asked for them; one for a run."""

    def __init__(self) -> None:
        self._tables: dict[str, tuple[str, ...]] = {}
        self._lock = threading.Lock()

    def of(self, service: str) -> tuple[str, ...]:
        """What is known so far."""
        return self._tables.get(service, ())

    def learn(self, service: str, table: str) -> None:
        """Add one."""
        with self._lock:
            self._tables[service] = tuple(dict.fromkeys((*self.of(service), table)))


class _Parameters(msgspec.Struct):
    more_pages: bool | None = msgspec.field(name="morePages", default=False)


class _Tables(msgspec.Struct):
    tables: dict[str, msgspec.Raw] = msgspec.field(name="returnObj", default_factory=dict)
    parameters: _Parameters = msgspec.field(default_factory=_Parameters)


_TABLES = msgspec.json.Decoder(_Tables)


class GetRowsSet(RowsOfCompany):
    """One table of one company behind a service's `GetRows`; read like an entity set.

    Args:
        client: talks to the tenant.
        company: its code.
        service: `Erp.BO.GLJrnDtlSvc`.
        table: the table to read, `GLJrnDtl`; of a search service, the table that it shows.
        siblings: what all sets of a run learn about the services.
    """

    def __init__(
        self, client: KineticClient, company: str, service: str, table: str, siblings: Siblings
    ) -> None:
        super().__init__(
            client, f"{service}/GetRows {table} of company {company}", f"{service}/GetRows/{table}"
        )
        self._service = service
        self._table = table
        self._siblings = siblings
        self._path = Address(company, service, "GetRows").path
        self._is_proved = False

    def left_out(self, conditions: Sequence[str]) -> tuple[str, ...]:
        """The conditions that are not sent; rows have to be judged by them when they arrive."""
        return translate(conditions)[1]

    def page(self, query: Query, decoder: PageDecoder | None = None) -> Page:
        """The first page of the rows that satisfy what can be said of the conditions.

        Raises:
            QueryRefused: for a condition that cannot be said, and for `skip`.
            PageTooHeavy: where a smaller `top` may get through.
        """
        return self._page(query, decoder, can_shrink=(query.top or 1) > 1)

    def probe(self, query: Query, decoder: PageDecoder | None = None) -> Page:
        """As `page`, but raises PageTooHeavy as soon as it looks like that."""
        return self._page(query, decoder, can_shrink=True)

    def count(self, query: Query) -> int:  # noqa: ARG002 - part of the protocol
        """Methods do not count."""
        raise QueryRefused(f"{self.name}: GetRows cannot count")

    def _page(self, query: Query, decoder: PageDecoder | None, *, can_shrink: bool) -> Page:
        if query.skip:
            raise QueryRefused(
                f"{self.name}: cannot be read by offset. Set `stream_options` replication_key to "
                "SysRevID, or read the data through a BAQ."
            )
        try:
            clause, _ = translate(query.conditions)
        except QueryRefused as error:
            raise QueryRefused(f"{self.name}: {error}") from error
        where, size = ordered(clause, query.order_by), query.top or _SAMPLE
        page, _ = self._ask(where, size, _NOTHING, decoder, can_shrink=can_shrink)
        if len(page):
            self._is_proved = True
        elif not self._is_proved:
            self._prove()
        return page

    def _prove(self) -> None:
        """Tell an empty table from one that comes with its parents only.

        Raises:
            WalkError: where it is not empty, or where that cannot be told.
        """
        for others, size in ((_NOTHING, 1), (_EVERYTHING, _SAMPLE)):
            page, has_more = self._ask("", size, others, None, can_shrink=True)
            if len(page) and others == _NOTHING:
                break
            if len(page):
                raise self._doubtful("its rows with their parents, and none without")
            if has_more:
                raise self._doubtful("no row on its first page, and says that there are more")
        self._is_proved = True

    def _doubtful(self, what: str) -> WalkError:
        return WalkError(
            f"{self.name}: the service gives {what}, so rows of this table could be missed. Set "
            "`stream_options` service and entity_set to a search service that shows this table "
            "alone (Erp.BO.PORelSearchSvc for PORel), or read the data through a BAQ."
        )

    def _ask(
        self,
        where: str,
        size: int,
        others: str,
        decoder: PageDecoder | None,
        *,
        can_shrink: bool,
    ) -> tuple[Page, bool]:
        """One call; the tables that the server misses are learnt and added."""
        while True:
            siblings = self._siblings.of(self._service)
            body: dict[str, str | int] = {f"whereClause{table}": others for table in siblings}
            body |= {f"whereClause{self._table}": where, "pageSize": size, "absolutePage": 0}
            try:
                return self._client.call(
                    self.name,
                    self._path,
                    msgspec.json.encode(body),
                    lambda answer: self._read(answer, decoder),
                    can_shrink=can_shrink,
                    traffic=self.traffic,
                )
            except QueryRefused as error:
                missing = _MISSING.search(str(error))
                is_full = len(siblings) >= _MOST_TABLES
                if missing is None or f"whereClause{missing[1]}" in body or is_full:
                    raise
                self._siblings.learn(self._service, missing[1])

    def _read(self, answer: Answer, decoder: PageDecoder | None) -> tuple[Page, bool]:
        try:
            found = _TABLES.decode(answer.body)
        except msgspec.DecodeError as error:
            raise MalformedPayloadError(str(error)) from error
        if self._table not in found.tables:
            came = ", ".join(sorted(found.tables)) or "none"
            raise ServerFault(
                f"{self.name}: the answer has no table {self._table}; its tables are {came}. Set "
                "`stream_options` service and entity_set to those of a table among them, or "
                "read_method to odata."
            )
        body = b"".join((b'{"value":', found.tables[self._table], b"}"))
        return parse_page(body, decoder), bool(found.parameters.more_pages)
