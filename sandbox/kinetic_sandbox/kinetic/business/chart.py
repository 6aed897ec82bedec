"""The chart of accounts: three segments, and the accounts built from them."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kinetic_sandbox.kinetic.business.books import Books

COA = "MAIN"
CASH, PAYABLE, ACCRUED = "1000|000|00", "2000|000|00", "2050|000|00"

_BALANCE_SHEET = (
    ("1000", "Operating bank account", "CASH"), ("1200", "Trade receivables", "RECV"),
    ("1300", "Raw material", "INV"), ("1310", "Work in process", "INV"),
    ("1320", "Finished pumps and valves", "INV"), ("1500", "Machinery", "FIXED"),
    ("1590", "Accumulated depreciation", "FIXED"), ("2000", "Trade payables", "PAY"),
    ("2050", "Received, not invoiced", "PAY"), ("2200", "Accrued taxes", "TAX"),
    ("3000", "Share capital", "EQUITY"), ("3900", "Retained earnings", "EQUITY"),
)  # fmt: skip
_OPERATING = (
    ("6000", "Wages", "OPEX"), ("6100", "Inbound freight", "OPEX"), ("6150", "Energy", "OPEX"),
    ("6200", "Maintenance", "OPEX"), ("6300", "Consumables", "OPEX"), ("6400", "Travel", "OPEX"),
    ("6500", "Advisers' fees", "OPEX"), ("6600", "Software and IT", "OPEX"),
    ("6700", "Rent", "OPEX"), ("5100", "Purchase price variance", "COGS"),
    ("4000", "Sales of pumps", "SALES"), ("4100", "Sales of valves", "SALES"),
)  # fmt: skip
_DEPARTMENTS = (
    ("000", "Balance sheet"), ("100", "Foundry"), ("200", "Machining"), ("300", "Assembly"),
    ("400", "Test bed"), ("500", "Purchasing"), ("600", "Sales"), ("700", "Finance"),
)  # fmt: skip
_COST_CENTRES = (
    ("00", "None"), ("10", "Duluth works"), ("20", "Zürich office"), ("30", "東京 office"),
    ("40", "Field service"),
)  # fmt: skip
_SEGMENTS = (("Natural Account", "Nat", 4), ("Department", "Dept", 3), ("Cost Centre", "CC", 2))


def draw_up_chart(books: Books, account_count: int) -> None:
    """Enter chart, segments, their values and the accounts."""
    books.add("gl_charts", COACode=COA, Description="Main chart", SeparatorChar="|")
    values = (_BALANCE_SHEET + _OPERATING, _DEPARTMENTS, _COST_CENTRES)
    for number, (name, short, length) in enumerate(_SEGMENTS, 1):
        books.add(
            "gl_segments", COACode=COA, SegmentNbr=number, SegmentName=name, Abbreviation=short,
            DisplayOrder=number, Length=length, SegSelfBal=False,
        )  # fmt: skip
        for value in values[number - 1]:
            _add_segment_value(books, number, value)
    for account in list(_accounts())[: max(account_count, len(_BALANCE_SHEET) + 8)]:
        _add_account(books, *account)


def expense_accounts(books: Books) -> list[str]:
    """Return the open accounts to which a cost may be booked."""
    rows = books.open_rows("gl_accounts")
    return [row["GLAccount1"] for row in rows if row["SegValue1"].startswith("6")]


def _accounts() -> Iterator[tuple[str, str, str, str]]:
    for natural, name, _ in _BALANCE_SHEET:
        yield natural, "000", "00", name
    for centre, place in _COST_CENTRES[1:]:
        for department, unit in _DEPARTMENTS[1:]:
            for natural, name, _ in _OPERATING[int(department[0]) % 2 :: 2]:
                yield natural, department, centre, f"{name}, {unit}, {place}"


def _add_account(books: Books, natural: str, department: str, centre: str, name: str) -> None:
    shown = f"{natural}-{department}-{centre}"
    books.add(
        "gl_accounts", COACode=COA, GLAccount1=f"{natural}|{department}|{centre}",
        AccountDesc=name[:50], SegValue1=natural, SegValue2=department, SegValue3=centre,
        EffFrom=date(2015, 1, 1), GLAcctDispGLAcctDisp=shown, GLAcctDispGLShortAcct=natural,
    )  # fmt: skip


def _add_segment_value(books: Books, number: int, value: tuple[str, ...]) -> None:
    code, name = value[:2]
    books.add(
        "gl_segment_values", COACode=COA, SegmentNbr=number, SegmentCode=code, SegmentName=name,
        SegmentDesc=name, SegmentAbbrev=name[:20], Category=value[2] if number == 1 else "",
        NormalBalance=("C" if code[0] in "234" else "D") if number == 1 else "",
        EffectiveFrom=date(2015, 1, 1),
    )  # fmt: skip
