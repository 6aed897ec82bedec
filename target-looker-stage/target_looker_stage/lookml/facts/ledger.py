"""The chart of accounts, its segments, and the journal."""

from __future__ import annotations

from .relations import CUSTOMER, VENDOR
from .shapes import BASE, Measure, Money, Relation, StreamFacts

LEDGER: tuple[StreamFacts, ...] = (
    StreamFacts(
        "gl_accounts", "GL accounts", document="GLAccount1|GLAccount",
        detail="GLAccount1|GLAccount AccountDesc", days="EffFrom EffTo",
    ),
    StreamFacts(
        "gl_segments", "GL segments", document="SegmentNbr", detail="COACode SegmentNbr SegmentName"
    ),
    StreamFacts(
        "gl_segment_values", "GL segment values", document="SegmentCode",
        detail="SegmentCode SegmentName", days="EffectiveFrom EffectiveTo",
    ),
    StreamFacts(
        "gl_transactions", "GL journal lines", document="JournalNum",
        detail="BookID JournalNum JournalLine JEDate GLAccount Description BookDebitAmount "
        "BookCreditAmount",
        days="JEDate CreateDate",
        money=(
            # One row for each book: amounts of two books are never one sum.
            Money("BookDebitAmount BookCreditAmount", (BASE, "BookID")),
            Money("DebitAmount CreditAmount", ("CurrencyCode", "BookID")),
        ),
        relations=(
            Relation("gl_accounts", {"COACode": "COACode", "GLAccount": "GLAccount1|GLAccount"}),
            VENDOR,
            CUSTOMER,
            Relation("ap_invoices", {"VendorNum": "VendorNum", "APInvoiceNum": "InvoiceNum"}),
        ),
        measures=(
            Measure(
                "net", "Net", "sum", "{BookDebitAmount} - {BookCreditAmount}", where=("Posted",),
                description="Debit less credit of posted lines, in the book's currency",
            ),
            Measure("debit", "Debit", "sum", "{BookDebitAmount}", where=("Posted",)),
            Measure("credit", "Credit", "sum", "{BookCreditAmount}", where=("Posted",)),
        ),
    ),
)  # fmt: skip
