"""Journals: every posting balances, in the document's money and in the book's."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from kinetic_sandbox.kinetic.business.chart import COA

if TYPE_CHECKING:
    from kinetic_sandbox.kinetic.business.books import Books

ZERO = Decimal(0)


@dataclass(frozen=True)
class Posting:
    """One side of a journal: debits are positive, credits negative."""

    account: str
    amount: Decimal
    foreign: Decimal


def post(books: Books, journal_code: str, postings: list[Posting], **common: object) -> int:
    """Write one journal and return its number."""
    number, day = books.number("JournalNum"), books.today
    for line, posting in enumerate(postings, 1):
        natural, department, centre = posting.account.split("|")
        books.add(
            "gl_transactions", common, BookID="MAIN", FiscalYear=day.year, JournalCode=journal_code,
            JournalNum=number, JournalLine=line, JEDate=day, PostedDate=books.now,
            PostedBy="manager", Posted=True, COACode=COA, GLAccount=posting.account,
            SegValue1=natural, SegValue2=department, SegValue3=centre, FiscalPeriod=day.month,
            FiscalCalendarID="MAIN", SourceModule="AP", CreateDate=day, Plant="MfgSys",
            DebitAmount=max(posting.foreign, ZERO), CreditAmount=max(-posting.foreign, ZERO),
            BookDebitAmount=max(posting.amount, ZERO), BookCreditAmount=max(-posting.amount, ZERO),
            GLAccountGLAcctDisp=posting.account.replace("|", "-"),
        )  # fmt: skip
    return number


def balanced(debits: list[Posting], account: str) -> list[Posting]:
    """Add the posting to one account that balances the others."""
    total = sum((posting.amount for posting in debits), ZERO)
    foreign = sum((posting.foreign for posting in debits), ZERO)
    return [*debits, Posting(account, -total, -foreign)]
