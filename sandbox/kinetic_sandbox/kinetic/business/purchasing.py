"""Purchase orders: placed, received release by release, voided as a whole."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from kinetic_sandbox.kinetic.business import names
from kinetic_sandbox.kinetic.business.books import cents
from kinetic_sandbox.kinetic.business.stock import move_stock

if TYPE_CHECKING:
    from datetime import date

    from kinetic_sandbox.kinetic.business.books import Books
    from kinetic_sandbox.kinetic.store import Key

ZERO = Decimal(0)
_ONE_DELIVERY = Decimal(100)


def place_order(books: Books) -> Key:
    """Place an order with an open vendor for open parts."""
    vendor = books.rng.choice(books.open_rows("vendors"))
    parts = books.some(books.open_rows("parts"), books.rng.choice((1, 2, 2, 3, 3, 4)))
    number, day = books.number("PONum"), books.today
    due = day + timedelta(days=books.rng.randrange(10, 45))
    currency = vendor["CurrencyCode"]
    total = foreign = ZERO
    for line, part in enumerate(parts, 1):
        amount = _add_line(books, number, line, part, vendor, due)
        total, foreign = total + amount, foreign + books.foreign(amount, currency)
    return books.add(
        "purchase_orders", PONum=number, OpenOrder=True, OrderDate=day, DueDate=due,
        PromiseDate=due if number % 3 else None, VendorNum=vendor["VendorNum"],
        VendorVendorID=vendor["VendorID"], VendorName=vendor["Name"], PurPoint="MAIN",
        BuyerID=books.rng.choice(names.BUYERS), TermsCode=vendor["TermsCode"], ShipViaCode="LTL",
        CurrencyCode=currency, ExchangeRate=books.rate(currency), Approve=True, ApprovalStatus="A",
        ApprovedBy="manager", ApprovedDate=day, ApprovedAmount=total, POType="STD",
        TotalOrder=total, DocTotalOrder=foreign, EntryPerson="manager",
        CommentText=names.awkward_text(number, every=50),
        CarbonScore_c=Decimal(books.rng.randrange(1000)) / 8, Confirmed=number % 4 != 0,
    )  # fmt: skip


def receive(books: Books, release_key: Key, share: Decimal = Decimal(1)) -> None:
    """Receive a release, or part of it, into stock; a full receipt completes it."""
    release = books.row("purchase_order_releases", release_key)
    line_key = release_key[:3]
    line = books.row("purchase_order_lines", line_key)
    quantity = min(
        (release["RelQty"] * share).quantize(Decimal(1)) or Decimal(1),
        release["RelQty"] - release["ReceivedQty"],
    )
    if quantity <= 0:
        return
    received = release["ReceivedQty"] + quantity
    is_done = received >= release["RelQty"]
    books.change(
        "purchase_order_releases", release_key, ReceivedQty=received, ArrivedQty=received,
        PassedQty=received, OpenRelease=not is_done, Status="C" if is_done else "O",
    )  # fmt: skip
    move_stock(
        books, "PUR-STK", line["PartNum"], quantity, line["UnitCost"],
        PONum=release["PONum"], POLine=release["POLine"], PORelNum=release["PORelNum"],
        VendorNum=line["VendorNum"], PackSlip=f"PS{release['PONum']}", PackLine=release["POLine"],
    )  # fmt: skip
    if is_done:
        _complete(books, line_key)


def void_order(books: Books, order_key: Key) -> None:
    """Void an order with all its lines and releases."""
    number = order_key[1]
    for row in books.matching("purchase_order_releases", PONum=number):
        key = books.key("purchase_order_releases", row)
        books.close("purchase_order_releases", key, OpenRelease=False)
    for row in books.matching("purchase_order_lines", PONUM=number):
        books.close("purchase_order_lines", books.key("purchase_order_lines", row), OpenLine=False)
    books.close("purchase_orders", order_key, OpenOrder=False)


def releases_of(books: Books, number: int) -> list[dict[str, Any]]:
    """Return the releases of an order that are not void."""
    is_closed = books.database.facts("purchase_order_releases").is_closed
    rows = books.matching("purchase_order_releases", PONum=number)
    return [row for row in rows if not is_closed(row)]


def _add_line(
    books: Books, number: int, line: int, part: dict[str, Any], vendor: dict[str, Any], due: date
) -> Decimal:  # fmt: skip
    quantity = Decimal(books.rng.randrange(1, 60) * 5)
    cost = cents(part["UnitPrice"] / 2)
    amount, currency = cents(quantity * cost), vendor["CurrencyCode"]
    books.add(
        "purchase_order_lines", PONUM=number, POLine=line, OpenLine=True, PartNum=part["PartNum"],
        LineDesc=part["PartDescription"], ClassID=part["ClassID"], OrderQty=quantity, IUM="EA",
        XOrderQty=quantity, PUM="EA", UnitCost=cost, DocUnitCost=cost * books.rate(currency),
        ExtCost=amount, DocExtCost=books.foreign(amount, currency), CostPerCode="E",
        VendorNum=vendor["VendorNum"], DueDate=due, VenPartNum=f"{vendor['VendorID']}/{line}",
    )  # fmt: skip
    # Big first lines come in two deliveries.
    is_split = quantity > _ONE_DELIVERY and line == 1
    shares = [quantity - _ONE_DELIVERY, _ONE_DELIVERY] if is_split else [quantity]
    for release, share in enumerate(shares, 1):
        books.add(
            "purchase_order_releases", PONum=number, POLine=line, PORelNum=release,
            OpenRelease=True, DueDate=due, PromiseDt=None, NeedByDate=due, RelQty=share,
            XRelQty=share, BaseQty=share, BaseUOM="EA", Plant="MfgSys", WarehouseCode="MAIN",
            TranType="PUR-STK", Status="O", FirmRelease=True,
        )  # fmt: skip
    return amount


def _complete(books: Books, line_key: Key) -> None:
    """Close what has nothing left to come: the line, then the order."""
    number = line_key[1]
    coming = [row for row in releases_of(books, number) if row["OpenRelease"]]
    if not any(row["POLine"] == line_key[2] for row in coming):
        books.change("purchase_order_lines", line_key, OpenLine=False)
    if not coming:
        books.change("purchase_orders", line_key[:2], OpenOrder=False)
