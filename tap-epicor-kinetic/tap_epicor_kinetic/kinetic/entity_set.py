"""One entity set of one company, as the row logic wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .client import Traffic

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tap_epicor_kinetic.odata.payload import Page, PageDecoder
    from tap_epicor_kinetic.odata.query import Query

    from .client import Address, KineticClient


class RowsOfCompany:
    """What is the same however rows are asked for: a clock, room for requests, its own bill.

    Attributes:
        name: for messages.
        kind: where rows come from, whatever the company.
        traffic: what its requests have cost.
    """

    def __init__(self, client: KineticClient, name: str, kind: str) -> None:
        self._client = client
        self.name = name
        self.kind = kind
        self.traffic = Traffic()

    @property
    def server_time(self) -> datetime:
        """The server's clock as of its last answer."""
        return self._client.server_time

    def has_room(self, under_way: int) -> bool:
        """Whether one more request may be in flight beside this set's own."""
        return self._client.budget.has_room(under_way)


class EntitySet(RowsOfCompany):
    """Rows by OData."""

    def __init__(self, client: KineticClient, address: Address) -> None:
        super().__init__(client, str(address), f"{address.service}/{address.entity_set}")
        self._address = address

    def page(self, query: Query, decoder: PageDecoder | None = None) -> Page:
        """One page of rows."""
        return self._client.page(self._address, query, decoder, traffic=self.traffic)

    def probe(self, query: Query, decoder: PageDecoder | None = None) -> Page:
        """One page of a query that the server may not be able to answer at all.

        Raises:
            PageTooHeavy: as soon as it looks like that.
        """
        return self._client.page(
            self._address, query, decoder, can_shrink=True, traffic=self.traffic
        )

    def count(self, query: Query) -> int:
        """How many rows satisfy the query's conditions."""
        return self._client.count(self._address, query, self.traffic)

    def left_out(self, conditions: Sequence[str]) -> tuple[str, ...]:  # noqa: ARG002
        """OData takes them all."""
        return ()
