"""AP invoices and payments."""

from __future__ import annotations

from .relations import ORDER, ORDER_LINE, PART, PROJECT, RELEASE, VENDOR
from .shapes import BASE, Dimension, Measure, Money, Relation, StreamFacts

_AGES = (
    ("not_due", "Not due yet", "<= 0"),
    ("overdue_1_30", "1 to 30 days overdue", "BETWEEN 1 AND 30"),
    ("overdue_31_60", "31 to 60 days overdue", "BETWEEN 31 AND 60"),
    ("overdue_61_90", "61 to 90 days overdue", "BETWEEN 61 AND 90"),
    ("overdue_over_90", "Over 90 days overdue", "> 90"),
    ("without_due_date", "Without due date", "IS NULL"),
)
"""Ages of an open invoice; each falls in exactly one."""


def _by_age(values: list[str]) -> str:
    cases = zip(_AGES, values, strict=True)
    whens = (f"WHEN {{days_since DueDate}} {test} THEN {value}" for (*_, test), value in cases)
    return f"CASE {' '.join(whens)} END"


PAYABLES: tuple[StreamFacts, ...] = (
    StreamFacts(
        "ap_invoices", "AP invoices", document="InvoiceNum",
        detail="InvoiceNum InvoiceDate DueDate vendors.Name InvoiceAmt InvoiceBal DocInvoiceAmt "
        "CurrencyCode",
        days="InvoiceDate DueDate ApplyDate DiscountDate ReceivedDate ChangeDate",
        money=(
            Money("InvoiceAmt InvoiceBal UnpostedBal TaxAmt DiscountAmt WithholdAmt", (BASE,)),
            Money("DocInvoiceAmt DocInvoiceBal DocTaxAmt InvoiceVendorAmt", ("CurrencyCode",)),
        ),
        closed="Voided",
        relations=(VENDOR, Relation("purchase_orders", {"REFPONum": "PONum"})),
        dimensions=(
            Dimension(
                "days_overdue", "Days overdue", "{days_since DueDate}", "number",
                description="From the due date until today; negative before it",
            ),
            Dimension(
                "age", "Age", _by_age([f"'{label}'" for _, label, _ in _AGES]),
                order_by="age_order", description="By due date, as of today",
            ),
            Dimension(
                "age_order", "Age order", _by_age([str(n) for n, _ in enumerate(_AGES)]), "number",
                is_hidden=True,
            ),
        ),
        measures=(
            Measure(
                "spend", "Spend", "sum", "{InvoiceAmt}", where=("Posted",),
                description="Amounts of posted invoices with tax; credit notes are subtracted",
            ),
            Measure(
                "open_payables", "Open payables", "sum", "{InvoiceBal}", where=("Posted",),
                description="What is still to be paid on posted invoices",
            ),
            Measure("unposted", "Not posted yet", "sum", "{UnpostedBal}"),
            Measure(
                "document_amount", "Amount in document currency", "sum", "{DocInvoiceAmt}",
                where=("Posted",),
            ),
            Measure(
                "document_balance", "Open in document currency", "sum", "{DocInvoiceBal}",
                where=("Posted",),
            ),
            *(
                Measure(
                    name, f"Open: {label[0].lower()}{label[1:]}", "sum", "{InvoiceBal}",
                    where=("Posted", f"age={label}"), description="Part of the open payables",
                )
                for name, label, _ in _AGES
            ),
        ),
        finer="ap_invoice_lines",
    ),
    StreamFacts(
        "ap_invoice_lines", "AP invoice lines", document="InvoiceLine",
        detail="InvoiceNum InvoiceLine vendors.Name Description PartNum GLAccount ExtCost",
        days="MatchDate ChangeDate",
        money=(
            Money("ExtCost TotalMiscChrg LineDiscAmt", (BASE,)),
            Money("UnitCost", (BASE,), 4),
            Money("DocExtCost", ("ap_invoices.CurrencyCode",)),
            Money("DocUnitCost", ("ap_invoices.CurrencyCode",), 4),
        ),
        under="ap_invoices",
        relations=(
            Relation("ap_invoices", {"VendorNum": "VendorNum", "InvoiceNum": "InvoiceNum"}),
            VENDOR, ORDER, ORDER_LINE, RELEASE, PART, PROJECT,
            Relation("gl_accounts", {"GLAccount": "GLAccount1|GLAccount"}, also=("COACode",)),
        ),
        measures=(
            Measure(
                "line_spend", "Spend by line", "sum", "{ExtCost}", where=("ap_invoices.Posted",),
                description="Amounts of the lines of posted invoices, without tax",
            ),
            Measure(
                "document_line_amount", "Line amounts in document currency", "sum", "{DocExtCost}",
                where=("ap_invoices.Posted",),
            ),
            Measure("invoiced_quantity", "Invoiced quantity", "sum", "{OurQty}"),
        ),
    ),
    StreamFacts(
        "ap_payments", "AP payments", document="HeadNum",
        detail="CheckNum CheckDate vendors.Name CheckAmt DocCheckAmt CurrencyCode",
        days="CheckDate VoidDate ClearedDate ChangeDate",
        money=(
            Money("CheckAmt PaymentTotal ClearedAmt BankTotalAmt", (BASE,)),
            Money("DocCheckAmt DocPaymentTotal", ("CurrencyCode",)),
        ),
        closed="Voided",
        relations=(VENDOR,),
        measures=(
            Measure(
                "paid", "Paid", "sum", "{CheckAmt|PaymentTotal}", where=("Posted",),
                description="Posted payments that are not void",
            ),
            Measure(
                "document_paid", "Paid in document currency", "sum",
                "{DocCheckAmt|DocPaymentTotal}", where=("Posted",),
            ),
        ),
    ),
    StreamFacts(
        "ap_payment_lines", "AP payment lines", document="APTranNo",
        detail="HeadNum APTranNo InvoiceNum TranDate TranAmt DiscAmt", days="TranDate ChangeDate",
        money=(
            Money("TranAmt DiscAmt", (BASE,)),
            Money("DocTranAmt DocDiscAmt", ("ap_payments.CurrencyCode",)),
        ),
        relations=(
            Relation("ap_payments", {"HeadNum": "HeadNum"}),
            Relation("ap_invoices", {"VendorNum": "VendorNum", "InvoiceNum": "InvoiceNum"}),
            VENDOR,
        ),
        measures=(
            Measure(
                "applied", "Applied to invoices", "sum", "{TranAmt}",
                description="A void payment and its reversing twin cancel each other",
            ),
            Measure("discount_taken", "Discount taken", "sum", "{DiscAmt}"),
        ),
    ),
)  # fmt: skip
