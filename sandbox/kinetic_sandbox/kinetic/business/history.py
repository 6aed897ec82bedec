"""Fourteen months of trade, played day by day up to the moment the tenant opens."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from kinetic_sandbox.kinetic.business import masters, payables, purchasing, stock
from kinetic_sandbox.kinetic.business.chart import draw_up_chart
from kinetic_sandbox.kinetic.business.oddities import leave_oddities

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kinetic_sandbox.kinetic.business.books import Books
    from kinetic_sandbox.kinetic.store import Key

DAYS = 425
_LAST_DAYS = 5
# What becomes of orders and invoices, as shares of all.
_VOIDED, _RECEIVED_IN_PARTS = 0.06, 0.22
_CANCELLED, _PAID_IN_PART, _PAID = 0.02, 0.1, 0.68
_PAYMENTS_VOIDED = 0.06
_HALF, _ALL = Decimal("0.5"), Decimal(1)


@dataclass(frozen=True)
class Size:
    """How much of everything a company has."""

    factor: float

    def __call__(self, number: int) -> int:
        """Scale a number, never below one."""
        return max(1, round(number * self.factor))


@dataclass
class Agenda:
    """What is still to happen, earliest day first; nothing happens after the last day."""

    last: date
    _heap: list[tuple[date, int, Callable[[], object]]] = field(default_factory=list)
    _order: Iterator[int] = field(default_factory=count)

    def put(self, day: date, action: Callable[[], object]) -> None:
        """Plan something."""
        if day <= self.last:
            heapq.heappush(self._heap, (day, next(self._order), action))

    def play(self, books: Books) -> None:
        """Let everything happen in order; actions may plan more."""
        while self._heap:
            day, _, action = heapq.heappop(self._heap)
            books.turn_to(day)
            action()


def write_history(books: Books, size: Size) -> None:
    """Fill empty books with a company and its past."""
    today = books.today
    first = today - timedelta(days=DAYS)
    books.turn_to(first)
    _found(books, size)
    agenda = Agenda(today)
    days = [first + timedelta(days=books.rng.randrange(1, DAYS)) for _ in range(size(220))]
    for day in days:
        agenda.put(day, partial(_order, books, agenda))
    for number in range(size(105)):
        # The first few fall on the last days, so that some are still unposted.
        ago = number if number < _LAST_DAYS else books.rng.randrange(1, DAYS)
        agenda.put(today - timedelta(days=ago), partial(_expense, books, agenda))
    for _ in range(size(180)):
        agenda.put(_some_day(books, first), partial(stock.issue_some, books))
    for _ in range(size(40)):
        agenda.put(_some_day(books, first), partial(stock.count_some, books))
    agenda.play(books)
    books.turn_to(today)
    leave_oddities(books)
    books.at = None


def _found(books: Books, size: Size) -> None:
    masters.found_company(books)
    draw_up_chart(books, size(80))
    for add, number in (
        (masters.add_vendor, 60),
        (masters.add_customer, 40),
        (masters.add_part, 150),
        (masters.add_project, 12),
    ):
        for _ in range(size(number)):
            add(books)


def _some_day(books: Books, first: date) -> date:
    return first + timedelta(days=books.rng.randrange(30, DAYS))


def _later(books: Books, low: int, high: int) -> date:
    return books.today + timedelta(days=books.rng.randrange(low, high))


def _order(books: Books, agenda: Agenda) -> None:
    key = purchasing.place_order(books)
    if books.happens(_VOIDED):
        agenda.put(_later(books, 2, 9), partial(purchasing.void_order, books, key))
        return
    deliveries = [_HALF, _ALL] if books.happens(_RECEIVED_IN_PARTS) else [_ALL]
    agenda.put(_later(books, 10, 40), partial(_receive, books, agenda, key, deliveries))


def _receive(books: Books, agenda: Agenda, order: Key, deliveries: list[Decimal]) -> None:
    share, *coming = deliveries
    for release in purchasing.releases_of(books, order[1]):
        purchasing.receive(books, books.key("purchase_order_releases", release), share)
    agenda.put(_later(books, 1, 12), partial(_invoice, books, agenda, order))
    if coming:
        agenda.put(_later(books, 15, 30), partial(_receive, books, agenda, order, coming))


def _invoice(books: Books, agenda: Agenda, order: Key) -> None:
    invoice = payables.invoice_receipts(books, order[1])
    if invoice is not None:
        _plan_payment(books, agenda, invoice)


def _expense(books: Books, agenda: Agenda) -> None:
    _plan_payment(books, agenda, payables.invoice_expense(books))


def _plan_payment(books: Books, agenda: Agenda, invoice: Key) -> None:
    agenda.put(books.today + timedelta(days=3), partial(payables.post_invoice, books, invoice))
    if books.happens(_CANCELLED):
        agenda.put(_later(books, 5, 15), partial(payables.cancel_invoice, books, invoice))
    elif books.happens(_PAID_IN_PART):
        agenda.put(_later(books, 20, 75), partial(_pay, books, agenda, invoice, _HALF))
    elif books.happens(_PAID):
        agenda.put(_later(books, 20, 75), partial(_pay, books, agenda, invoice, _ALL))


def _pay(books: Books, agenda: Agenda, invoice: Key, share: Decimal) -> None:
    """Pay an invoice, together with up to two more that the same vendor is owed for."""
    if books.row("ap_invoices", invoice)["InvoiceBal"] <= 0:
        return
    owed = [row for row in payable_invoices(books) if row["VendorNum"] == invoice[1]]
    others = [books.key("ap_invoices", row) for row in owed if row["InvoiceNum"] != invoice[2]]
    together = [invoice, *others[: books.rng.choice((0, 0, 1, 2))]]
    payment = payables.pay(books, together, share)
    if books.happens(_PAYMENTS_VOIDED):
        agenda.put(_later(books, 2, 20), partial(payables.void_payment, books, payment))


def payable_invoices(books: Books) -> list[dict[str, object]]:
    """Return posted invoices with something left to pay, none of them cancelled."""
    posted = books.matching("ap_invoices", Posted=True, RefCancelledby="")
    return [row for row in posted if row["InvoiceBal"] > 0]
