"""AP invoices and payments: entered, posted, paid, voided with a reversing twin, cancelled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from kinetic_sandbox.kinetic.business import names
from kinetic_sandbox.kinetic.business.books import cents
from kinetic_sandbox.kinetic.business.chart import ACCRUED, CASH, PAYABLE, expense_accounts
from kinetic_sandbox.kinetic.business.ledger import Posting, balanced, post

if TYPE_CHECKING:
    from kinetic_sandbox.kinetic.business.books import Books
    from kinetic_sandbox.kinetic.store import Key

ZERO = Decimal(0)
_NET_DAYS = dict(names.TERMS)


@dataclass(frozen=True)
class Charge:
    """What one invoice line charges for."""

    amount: Decimal
    columns: dict[str, Any]


def invoice_receipts(books: Books, number: int) -> Key | None:
    """Invoice what was received on an order and not yet invoiced."""
    charges = []
    for release in books.matching("purchase_order_releases", PONum=number):
        quantity = release["ReceivedQty"] - release["InvoicedQty"]
        if quantity > 0:
            charges.append(_charge_for(books, release, quantity))
            key = books.key("purchase_order_releases", release)
            books.change("purchase_order_releases", key, InvoicedQty=release["ReceivedQty"])
    if not charges:
        return None
    vendor_number = books.row("purchase_orders", (books.company, number))["VendorNum"]
    return enter_invoice(books, vendor_number, charges, REFPONum=number)


def invoice_expense(books: Books) -> Key:
    """Enter an invoice without an order: freight, energy, fees."""
    vendor = books.rng.choice(books.open_rows("vendors"))
    charges = []
    for _ in range(books.rng.choice((1, 1, 2, 3))):
        account = books.rng.choice(expense_accounts(books))
        amount = cents(Decimal(books.rng.randrange(4_000, 900_000)) / 100)
        columns = {"LineType": "M", "Description": "Services", "GLAccount": account}
        charges.append(Charge(amount, {**columns, "OurQty": Decimal(1), "UnitCost": amount}))
    return enter_invoice(books, vendor["VendorNum"], charges)


def enter_invoice(
    books: Books, vendor_number: int, charges: list[Charge], **columns: object
) -> Key:
    """Enter an unposted invoice whose amount is the sum of its lines."""
    vendor = books.row("vendors", (books.company, vendor_number))
    invoice_number, currency = _invoice_number(books), vendor["CurrencyCode"]
    foreign = [books.foreign(charge.amount, currency) for charge in charges]
    amount, doc_amount = sum((charge.amount for charge in charges), ZERO), sum(foreign, ZERO)
    day = books.today
    key = books.add(
        "ap_invoices", columns, VendorNum=vendor_number, InvoiceNum=invoice_number,
        InvoiceDate=day,
        DueDate=day + timedelta(days=_NET_DAYS.get(vendor["TermsCode"], 30)), ApplyDate=day,
        InvoiceType="CRM" if amount < 0 else "INV", DebitMemo=amount < 0, OpenPayable=True,
        GroupID=f"G{day:%y%m%d}", TermsCode=vendor["TermsCode"], CurrencyCode=currency,
        ExchangeRate=books.rate(currency), InvoiceAmt=amount, DocInvoiceAmt=doc_amount,
        InvoiceBal=amount, DocInvoiceBal=doc_amount, InvoiceVendorAmt=doc_amount,
        UnpostedBal=amount, FiscalYear=day.year, FiscalPeriod=day.month, FiscalCalendarID="MAIN",
        EntryPerson="manager", ReceivedDate=day, VendorNumVendorID=vendor["VendorID"],
        VendorNumName=vendor["Name"], Plant="MfgSys",
    )  # fmt: skip
    for line, (charge, doc_cost) in enumerate(zip(charges, foreign, strict=True), 1):
        books.add(
            "ap_invoice_lines", charge.columns, VendorNum=vendor_number, InvoiceNum=invoice_number,
            InvoiceLine=line, ExtCost=charge.amount, DocExtCost=doc_cost, IUM="EA", PUM="EA",
        )  # fmt: skip
    return key


def post_invoice(books: Books, key: Key) -> None:
    """Post an invoice: costs to the debit, the payable to the credit."""
    invoice = books.row("ap_invoices", key)
    debits = [
        Posting(line["GLAccount"] or ACCRUED, line["ExtCost"], line["DocExtCost"])
        for line in lines_of(books, key)
    ]
    journal = post(
        books, "PJ", balanced(debits, PAYABLE), VendorNum=key[1], APInvoiceNum=key[2],
        Description=f"AP invoice {key[2]}"[:30], CurrencyCode=invoice["CurrencyCode"],
        GroupID=invoice["GroupID"],
    )  # fmt: skip
    books.change(
        "ap_invoices", key, Posted=True, UnpostedBal=ZERO, JournalCode="PJ", JournalNum=journal
    )


def pay(books: Books, keys: list[Key], share: Decimal = Decimal(1)) -> Key:
    """Pay a vendor's invoices, or a share of each, with one payment."""
    number, day, vendor_number = books.number("HeadNum"), books.today, keys[0][1]
    total = foreign = ZERO
    for line, key in enumerate(keys, 1):
        invoice = books.row("ap_invoices", key)
        amount, doc_amount = (
            cents(invoice["InvoiceBal"] * share),
            cents(invoice["DocInvoiceBal"] * share),
        )
        total, foreign = total + amount, foreign + doc_amount
        books.add(
            "ap_payment_lines", HeadNum=number, APTranNo=line, InvoiceNum=key[2], Voided=False,
            TranType="Pay", TranDate=day, VendorNum=vendor_number, TranAmt=amount,
            DocTranAmt=doc_amount, CheckNum=number + 20_000, FiscalYear=day.year,
            FiscalPeriod=day.month, Posted=True, GLPosted=True,
        )  # fmt: skip
        _settle(books, key, amount, doc_amount)
    vendor = books.row("vendors", (books.company, vendor_number))
    payment = books.add(
        "ap_payments", HeadNum=number, GroupID=f"P{day:%y%m%d}", BankAcctID="MAIN",
        CheckNum=number + 20_000, CheckDate=day, CheckSrc="2", VendorNum=vendor_number,
        VendorNumVendorID=vendor["VendorID"], Name=vendor["Name"], CheckAmt=total,
        DocCheckAmt=foreign, PaymentTotal=total, DocPaymentTotal=foreign, BankTotalAmt=total,
        CurrencyCode=vendor["CurrencyCode"], ExchangeRate=books.rate(vendor["CurrencyCode"]),
        Posted=True, FiscalYear=day.year, FiscalPeriod=day.month, PaymentNumber=f"{number:08d}",
    )  # fmt: skip
    _post_payment(books, payment, sign=1)
    return payment


def void_payment(books: Books, key: Key) -> None:
    """Void a payment: each applied line gets a twin with the opposite sign."""
    for line in books.matching("ap_payment_lines", HeadNum=key[1]):
        reversed_amounts = {
            name: -line[name] for name in ("TranAmt", "DocTranAmt", "DiscAmt", "DocDiscAmt")
        }
        kept = ("HeadNum", "APTranNo", "InvoiceNum", "TranType", "VendorNum", "CheckNum", "Posted")
        books.add(
            "ap_payment_lines", Voided=True, TranDate=books.today, FiscalYear=books.today.year,
            FiscalPeriod=books.today.month, GLPosted=True, **reversed_amounts,
            **{name: line[name] for name in kept},
        )  # fmt: skip
        invoice_key = (books.company, line["VendorNum"], line["InvoiceNum"])
        _settle(books, invoice_key, -line["TranAmt"], -line["DocTranAmt"])
    _post_payment(books, key, sign=-1)
    books.close("ap_payments", key, VoidedReason="Lost in the mail", VoidDate=books.today)


def cancel_invoice(books: Books, key: Key) -> None:
    """Cancel an unpaid invoice: by a correcting document, and by the flag where there is one."""
    charges = [
        Charge(-line["ExtCost"], {"LineType": line["LineType"], "GLAccount": line["GLAccount"],
                                  "OurQty": -line["OurQty"], "UnitCost": line["UnitCost"],
                                  "CancellationDtl": True, "Description": line["Description"]})
        for line in lines_of(books, key)
    ]  # fmt: skip
    twin = enter_invoice(books, key[1], charges, CancellationInv=True, InvoiceRef=key[2])
    post_invoice(books, twin)
    books.close("ap_invoices", key, RefCancelledby=twin[2])


def delete_invoice(books: Books, key: Key) -> None:
    """Delete an unposted invoice with its lines, and free the receipts it had matched."""
    for line in lines_of(books, key):
        if line["PONum"]:
            release = (books.company, line["PONum"], line["POLine"], line["PORelNum"])
            invoiced = books.row("purchase_order_releases", release)["InvoicedQty"]
            books.change("purchase_order_releases", release, InvoicedQty=invoiced - line["OurQty"])
        books.delete("ap_invoice_lines", books.key("ap_invoice_lines", line))
    books.delete("ap_invoices", key)


def lines_of(books: Books, key: Key) -> list[dict[str, Any]]:
    """Return the lines of an invoice."""
    return books.matching("ap_invoice_lines", VendorNum=key[1], InvoiceNum=key[2])


def _charge_for(books: Books, release: dict[str, Any], quantity: Decimal) -> Charge:
    place = (release["PONum"], release["POLine"])
    line = books.row("purchase_order_lines", (books.company, *place))
    columns = {
        "LineType": "R", "PartNum": line["PartNum"], "Description": line["LineDesc"],
        "PONum": place[0], "POLine": place[1], "PORelNum": release["PORelNum"],
        "PackSlip": f"PS{place[0]}", "PackLine": place[1], "VendorQty": quantity,
        "OurQty": quantity, "UnitCost": line["UnitCost"], "DocUnitCost": line["DocUnitCost"],
        "MatchDate": books.today, "FinalInvoice": not release["OpenRelease"],
    }  # fmt: skip
    return Charge(cents(quantity * line["UnitCost"]), columns)


def _invoice_number(books: Books) -> str:
    """Number an invoice the way its sender might: slashes, quotes and blanks included."""
    number = books.number("Ref")
    forms = {7: f"RE {books.today.year}/{number}", 13: f"O'B-{number}", 19: f"{number}&Co#1 100%"}
    return forms.get(number % 20, f"INV-{number}")


def _settle(books: Books, key: Key, amount: Decimal, foreign: Decimal) -> None:
    invoice = books.row("ap_invoices", key)
    balance = invoice["InvoiceBal"] - amount
    books.change(
        "ap_invoices", key, InvoiceBal=balance, OpenPayable=balance != 0,
        DocInvoiceBal=invoice["DocInvoiceBal"] - foreign,
    )  # fmt: skip


def _post_payment(books: Books, key: Key, sign: int) -> None:
    payment = books.row("ap_payments", key)
    debit = Posting(PAYABLE, sign * payment["CheckAmt"], sign * payment["DocCheckAmt"])
    post(
        books, "CD", balanced([debit], CASH), VendorNum=payment["VendorNum"], BankAcctID="MAIN",
        CheckNum=payment["CheckNum"], Description=f"Payment {key[1]}", Reverse=sign < 0,
        CurrencyCode=payment["CurrencyCode"],
    )  # fmt: skip
