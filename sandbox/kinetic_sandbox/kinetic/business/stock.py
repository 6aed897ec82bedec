"""Stock movements: receipts, issues and counts, each with its part transaction."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from kinetic_sandbox.kinetic.business.books import cents
from kinetic_sandbox.kinetic.spelling import TENANT_ZONE

if TYPE_CHECKING:
    from kinetic_sandbox.kinetic.business.books import Books

_CLASSES = {"PUR-STK": "R", "STK-MTL": "I", "ADJ-QTY": "A"}


def move_stock(
    books: Books, kind: str, part_number: str, quantity: Decimal, cost: Decimal, **links: object
) -> None:
    """Book a movement in the main store and change what is on hand there."""
    local = books.now.astimezone(TENANT_ZONE)
    books.add(
        "part_transactions", links, SysDate=books.today,
        SysTime=local.hour * 3600 + local.minute * 60 + local.second,
        TranNum=books.number("TranNum"), TranDate=books.today, TranType=kind,
        TranClass=_CLASSES[kind], PartNum=part_number, WareHouseCode="MAIN", BinNum="M-01",
        Plant="MfgSys", TranQty=quantity, ActTranQty=quantity, UM="EA", MtlUnitCost=cost,
        ExtCost=cents(quantity * cost), EntryPerson="manager", CostMethod="A", GLTrans=True,
    )  # fmt: skip
    key = (books.company, part_number, "MfgSys", "MAIN")
    on_hand = books.row("part_warehouses", key)["OnHandQty"]
    books.change("part_warehouses", key, OnHandQty=on_hand + quantity)


def issue_some(books: Books) -> None:
    """Issue part of one part's stock to a job."""
    held = _held(books)
    if held:
        row = books.rng.choice(held)
        quantity = max(Decimal(1), (row["OnHandQty"] / 10).quantize(Decimal(1)))
        job = f"J{books.rng.randrange(1000, 1100)}"
        cost = books.row("parts", (books.company, row["PartNum"]))["UnitPrice"] / 2
        move_stock(books, "STK-MTL", row["PartNum"], -quantity, cost, JobNum=job)


def count_some(books: Books) -> None:
    """Count one part and book the small difference."""
    held = _held(books)
    if held:
        row = books.rng.choice(held)
        cost = books.row("parts", (books.company, row["PartNum"]))["UnitPrice"] / 2
        difference = Decimal(books.rng.choice((-1, 1)))
        move_stock(books, "ADJ-QTY", row["PartNum"], difference, cost, InvAdjReason="COUNT")
        key = books.key("part_warehouses", row)
        books.change("part_warehouses", key, LastCCDate=books.today)


def _held(books: Books) -> list[dict[str, Any]]:
    stored = books.matching("part_warehouses", WarehouseCode="MAIN")
    return [row for row in stored if row["OnHandQty"] > 1]
