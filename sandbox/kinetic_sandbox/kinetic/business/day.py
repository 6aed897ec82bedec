"""A believable day: orders, receipts, invoices, payments, counts, and some tidying up."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from kinetic_sandbox.kinetic.business import masters, payables, purchasing, stock
from kinetic_sandbox.kinetic.business.history import payable_invoices

if TYPE_CHECKING:
    from kinetic_sandbox.kinetic.business.books import Books

_CLOSED_DAILY = ("vendors", "parts", "gl_accounts", "gl_segment_values", "customers", "projects")


_KEPT_OPEN = 2
"""Small companies keep so many of each, or there would be nobody left to trade with."""


def pass_a_day(books: Books) -> None:
    """Let one company do a day's work."""
    _finish_yesterday(books)
    _buy(books)
    _invoice(books)
    _settle_accounts(books)
    for _ in range(3):
        stock.issue_some(books)
    stock.count_some(books)
    _tidy_masters(books)


def _finish_yesterday(books: Books) -> None:
    """Delete one unposted invoice outright, post the others."""
    unposted = books.matching("ap_invoices", Posted=False)
    keys = [books.key("ap_invoices", row) for row in unposted]
    if len(keys) > 1:
        payables.delete_invoice(books, keys.pop())
    for key in keys:
        payables.post_invoice(books, key)


def _buy(books: Books) -> None:
    for _ in range(3):
        purchasing.place_order(books)
    orders = [row for row in books.open_rows("purchase_orders") if row["OpenOrder"]]
    unreceived = [row for row in orders if not _has_receipts(books, row["PONum"])]
    for order in books.some(unreceived, 1):
        purchasing.void_order(books, books.key("purchase_orders", order))
    for order in books.some(orders, 4):
        for release in purchasing.releases_of(books, order["PONum"]):
            key = books.key("purchase_order_releases", release)
            purchasing.receive(books, key, books.rng.choice((Decimal(1), Decimal("0.5"))))


def _has_receipts(books: Books, number: int) -> bool:
    releases = books.matching("purchase_order_releases", PONum=number)
    return any(row["ReceivedQty"] > 0 for row in releases)


def _invoice(books: Books) -> None:
    releases = books.matching("purchase_order_releases")
    waiting = [row for row in releases if row["ReceivedQty"] > row["InvoicedQty"]]
    for number in dict.fromkeys(row["PONum"] for row in books.some(waiting, 4)):
        payables.invoice_receipts(books, number)
    for _ in range(3):
        payables.invoice_expense(books)


def _settle_accounts(books: Books) -> None:
    for invoice in books.some(payable_invoices(books), 4):
        if books.row("ap_invoices", books.key("ap_invoices", invoice))["InvoiceBal"] > 0:
            payables.pay(books, [books.key("ap_invoices", invoice)])
    payments = books.open_rows("ap_payments")
    for payment in books.some(payments[-20:], 1):
        payables.void_payment(books, books.key("ap_payments", payment))


def _tidy_masters(books: Books) -> None:
    for stream in _CLOSED_DAILY:
        rows = [row for row in books.open_rows(stream) if not _carries_weight(row)]
        if len(rows) > _KEPT_OPEN:
            row = books.rng.choice(rows)
            books.close(stream, books.key(stream, row))
    for stream in ("vendors", "parts"):
        for row in books.some(books.closed_rows(stream), 1):
            books.reopen(stream, books.key(stream, row))
    for row in books.some(books.open_rows("vendors"), 2):
        books.change("vendors", books.key("vendors", row), PayHold=not row["PayHold"])
    for row in books.some(books.open_rows("customers"), 2):
        limit = row["CreditLimit"] + 1000
        books.change("customers", books.key("customers", row), CreditLimit=limit)
    masters.add_part(books)
    _drop_a_warehouse(books)


def _carries_weight(row: dict[str, object]) -> bool:
    """Whether the day's postings could not do without this account or segment value."""
    code = str(row.get("GLAccount1", row.get("SegmentCode", "")))
    return code.startswith(("0", "1", "2", "6"))


def _drop_a_warehouse(books: Books) -> None:
    empty = books.matching("part_warehouses", WarehouseCode="FND", OnHandQty=Decimal(0))
    for row in books.some(empty, 1):
        books.delete("part_warehouses", books.key("part_warehouses", row))
