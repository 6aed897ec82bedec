"""What a few years of use leave behind: closed masters, null flags, null dates."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kinetic_sandbox.kinetic.business.books import Books

_CLOSED_SHARE = {
    "vendors": 0.08,
    "customers": 0.08,
    "parts": 0.06,
    "projects": 0.2,
    "gl_accounts": 0.05,
    "gl_segment_values": 0.04,
}
_KEPT_OPEN = 2
_NULL_SHARE = 0.03


def leave_oddities(books: Books) -> None:
    """Close some masters, and blank some flags and change dates as old conversions do."""
    for stream, share in _CLOSED_SHARE.items():
        rows = [row for row in books.open_rows(stream) if not _is_needed(row)]
        spare = max(0, len(rows) - _KEPT_OPEN)
        for row in books.some(rows, min(spare, max(1, round(len(rows) * share)))):
            books.close(stream, books.key(stream, row))
    for stream in (*_CLOSED_SHARE, "purchase_orders", "ap_invoices", "ap_payments"):
        _blank_flags(books, stream)
    for stream in ("customers", "parts", "purchase_orders", "ap_invoices", "ap_payments"):
        _blank_changes(books, stream)


def _is_needed(row: dict[str, object]) -> bool:
    """Whether postings need this account or segment value to be open."""
    account = str(row.get("GLAccount1", row.get("SegmentCode", "9")))
    return account.startswith(("1", "2", "0"))


def _blank_flags(books: Books, stream: str) -> None:
    flag = books.database.facts(stream).closed
    if flag is not None:
        rows = books.open_rows(stream)
        for row in books.some(rows, max(1, round(len(rows) * _NULL_SHARE))):
            books.change(stream, books.key(stream, row), **{flag: None})


def _blank_changes(books: Books, stream: str) -> None:
    rows = books.matching(stream)
    for row in books.some(rows, max(1, round(len(rows) * _NULL_SHARE))):
        books.database.blank_changes(stream, books.company, books.key(stream, row))
