"""The report shows what is in the file, company by company and currency by currency."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree as ET

import duckdb
import pytest

SCRIPT = Path(__file__).parents[2] / "demo" / "report.py"
AS_OF = date(2026, 3, 31)
CODES = ("EPIC06", "EPIC07")
GONE = "2026-03-30 12:00:00"

TABLES = {
    "companies": "name varchar, currencycode varchar",
    "vendors": "vendornum integer, name varchar",
    "ap_invoices": """vendornum integer, invoicenum varchar, invoicedate timestamp,
        duedate timestamp, posted boolean, currencycode varchar, invoiceamt decimal(18, 2),
        docinvoicebal decimal(18, 2)""",
    "ap_invoice_lines": "ponum integer, poline integer, docextcost decimal(18, 2)",
    "purchase_orders": "ponum integer, vendornum integer, currencycode varchar",
    "purchase_order_lines": """ponum integer, poline integer, linedesc varchar,
        docunitcost decimal(18, 5), docextcost decimal(18, 2)""",
    "purchase_order_releases": "ponum integer, poline integer, receivedqty decimal(18, 8)",
    "gl_segments": "segmentnbr integer, segmentname varchar",
    "gl_segment_values": "coacode varchar, segmentnbr integer, segmentcode varchar, "
    "segmentname varchar",
    "gl_transactions": """coacode varchar, segvalue2 varchar, journalcode varchar,
        journalnum integer, journalline integer, bookdebitamount decimal(18, 2),
        bookcreditamount decimal(18, 2)""",
    "epicor_sync_runs": """run_id varchar, stream varchar, started_at timestamp,
        finished_at timestamp, rows_sent bigint, rows_retracted bigint, requests bigint,
        status varchar""",
}
LINEAGE = """_epicor_company varchar, _epicor_source_id varchar, _epicor_source_url varchar,
    _epicor_synced_at timestamp, _epicor_run_id varchar, _sdc_deleted_at timestamp"""

# company, vendor, invoice, month, due, posted, currency, amount in book money, balance, retracted
INVOICES = [
    ("EPIC06", 1, "A", "2026-01-15", "2026-04-15", True, "USD", "1000.10", "1000.10", None),
    ("EPIC06", 1, "B", "2026-01-20", "2026-03-01", True, "USD", "500.25", "200.05", None),
    ("EPIC06", 2, "C", "2026-02-01", "2026-02-15", True, "EUR", "108.00", "100.00", None),
    ("EPIC06", 2, "D", "2026-02-02", "2026-01-15", True, "USD", "-50.00", "-50.00", None),
    ("EPIC06", 1, "E", "2026-02-02", "2025-11-15", True, "USD", "77.00", "77.00", None),
    ("EPIC06", 1, "F", "2026-02-03", "2026-02-15", False, "USD", "31.00", "31.00", None),
    ("EPIC06", 1, "G", "2026-02-03", "2026-02-15", True, "USD", "9999.00", "9999.00", GONE),
    ("EPIC07", 1, "A", "2026-02-03", "2026-03-30", True, "EUR", "640.00", "640.00", None),
    ("EPIC07", 3, "B", "2026-02-03", "2026-03-31", True, "EUR", "60.00", "0.00", None),
]
# company, order, line, unit cost, ordered, received quantity, invoiced amounts, status
LINES = [
    ("EPIC06", 10, 1, "2.50", "250.00", "100", ["250.00"], "matched"),
    ("EPIC06", 10, 2, "1.00", "80.00", "80", ["40.00", "10.00"], "under"),
    ("EPIC06", 10, 3, "3.00", "30.00", "10", ["31.00"], "over"),
    ("EPIC06", 10, 4, "5.00", "50.00", "4", [], "not yet invoiced"),
    ("EPIC06", 10, 5, "7.00", "70.00", "0", [], "not yet received"),
    ("EPIC07", 10, 1, "0.33333", "99.999", "300", ["100.00"], "matched"),
]


class Filled:
    """A small loaded file, and the report that is drawn from it."""

    def __init__(self, folder: Path) -> None:
        # The hardest name: DuckDB cannot tell this file from its schema.
        self.file = folder / "kinetic.duckdb"
        self.page = folder / "report.html"
        with duckdb.connect(str(self.file)) as connection:
            connection.execute('create schema "kinetic"."kinetic"')
            for table, columns in TABLES.items():
                connection.execute(
                    f'create table "kinetic"."kinetic".{table} ({columns}, {LINEAGE})'
                )

    def insert(self, table, company, *values, retracted=None, url="https://erp.example/x"):
        lineage = [company, "id", url, "2026-03-31 08:00:00", "run-1", retracted]
        row = [*values, *lineage]
        marks = ", ".join("?" * len(row))
        with duckdb.connect(str(self.file)) as connection:
            connection.execute(f'insert into "kinetic"."kinetic".{table} values ({marks})', row)

    def execute(self, sql):
        with duckdb.connect(str(self.file)) as connection:
            connection.execute('use "kinetic"."kinetic"')
            connection.execute(sql)

    def report(self):
        """Draw the report; the summary, and the page's text."""
        done = subprocess.run(
            [sys.executable, str(SCRIPT), str(self.file), "--output", str(self.page)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout, self.page.read_text(encoding="utf-8")

    def tree(self):
        _, page = self.report()
        return ET.fromstring(page.removeprefix("<!DOCTYPE html>"))

    def cards(self, title):
        """The text of each card of a section, by its heading."""
        (section,) = [s for s in self.tree().iter("section") if s.findtext("header/h2") == title]
        cards = [
            e for e in section.iter("div") if e.get("class") == "card" and e.find("h3") is not None
        ]
        return {card.findtext("h3"): " ".join(card.itertext()) for card in cards}

    def hints(self, title, heading):
        """What the pointer reveals on the bars of one card."""
        (section,) = [s for s in self.tree().iter("section") if s.findtext("header/h2") == title]
        (card,) = [e for e in section.iter("div") if e.findtext("h3") == heading]
        return [bar.text for bar in card.iter("title")]


@pytest.fixture
def filled(tmp_path):
    book = Filled(tmp_path)
    for code, currency in zip(CODES, ("USD", "EUR"), strict=True):
        book.insert("companies", code, f"Pumps {code}", currency)
        for number in (1, 2):
            book.insert("vendors", code, number, f"Vendor {number} of {code}")
        book.insert("gl_segments", code, 1, "Natural account")
        book.insert("gl_segments", code, 2, "Department")
        book.insert("gl_segment_values", code, "MAIN", 2, "100", f"Foundry {code}")
    for code, *values, gone in INVOICES:
        book.insert("ap_invoices", code, *values, retracted=gone)
    for code in CODES:
        book.insert("purchase_orders", code, 10, 1, "USD" if code == "EPIC06" else "CHF")
    for code, order, line, cost, ordered, received, invoiced, _ in LINES:
        book.insert("purchase_order_lines", code, order, line, "Valve", cost, ordered)
        book.insert("purchase_order_releases", code, order, line, received)
        for amount in invoiced:
            book.insert("ap_invoice_lines", code, order, line, amount)
    book.insert("ap_invoice_lines", "EPIC06", 10, 1, "4444.00", retracted=GONE)
    for number, (department, debit, credit) in enumerate(
        [
            ("100", "300.00", "0"),
            ("100", "0", "20.50"),
            ("200", "12.00", "0"),
            ("000", "0", "291.50"),
        ]
    ):
        book.insert("gl_transactions", "EPIC06", "MAIN", department, "PJ", 1, number, debit, credit)
    moments = ("2026-03-31 08:00:00", "2026-03-31 08:01:00")
    book.insert("epicor_sync_runs", "EPIC06", "run-1", "vendors", *moments, 4, 0, 7, "complete")
    return book


def amount(value: Decimal) -> str:
    return f"{value:,.0f}"


def test_aging_counts_posted_open_balances_by_company_currency_and_days(filled):
    expected = defaultdict(lambda: defaultdict(Decimal))
    for code, _, _, _, due, posted, currency, _, balance, gone in INVOICES:
        late = (AS_OF - date.fromisoformat(due)).days
        limits = ((0, "not yet due"), (30, "1-30 days"), (60, "31-60 days"), (90, "61-90 days"))
        bucket = next((name for limit, name in limits if late <= limit), "90+ days")
        if posted and not gone and Decimal(balance):
            expected[f"{code} · {currency}"][bucket] += Decimal(balance)

    found = filled.cards("Payables by age")

    assert found.keys() == expected.keys()
    for heading, buckets in expected.items():
        for bucket, value in buckets.items():
            assert f"{bucket} {amount(value)}" in found[heading]
        total = sum(buckets.values())
        assert f"{heading[-3:]} {amount(total)} owed" in found[heading]


def test_spend_is_in_book_currency_and_of_open_rows(filled):
    expected = defaultdict(Decimal)
    for code, vendor, *_, value, _, gone in INVOICES:
        expected[code, vendor] += 0 if gone else Decimal(value)

    for code, currency in zip(CODES, ("USD", "EUR"), strict=True):
        hints = filled.hints("Supplier spend", f"{code} · {currency}")
        names = {1: f"Vendor 1 of {code}", 2: f"Vendor 2 of {code}", 3: "Vendor 3 (inactive)"}
        for (company, vendor), value in expected.items():
            if company == code:
                assert f"{names[vendor]}: {currency} {amount(value)}" in hints


def test_spend_by_month_adds_up(filled):
    hints = filled.hints("Supplier spend", "EPIC06 · USD")

    assert "January 2026: USD 1,500, 2 invoices" in hints
    assert "February 2026: USD 166, 4 invoices" in hints


@pytest.mark.parametrize(("company", "currency"), [("EPIC06", "USD"), ("EPIC07", "CHF")])
def test_each_order_line_is_matched_by_its_own_company(filled, company, currency):
    mine = [line for line in LINES if line[0] == company]
    statuses = Counter(line[-1] for line in mine)
    received = sum(Decimal(line[3]) * Decimal(line[5]) for line in mine)
    invoiced = sum(sum(map(Decimal, line[6])) for line in mine)

    hints = filled.hints("Order, receipt, invoice", f"{company} · {currency}")

    assert f"received: {currency} {amount(received)}" in hints
    assert f"invoiced: {currency} {amount(invoiced)}" in hints
    for status, count in statuses.items():
        assert f"{status}: {count} line{'' if count == 1 else 's'}" in hints


def test_exceptions_name_the_line_and_link_to_it(filled):
    rows = [" ".join(row.itertext()) for row in filled.tree().iter("tr")]

    (over,) = [row for row in rows if row.startswith("over")]
    assert "10/3 Vendor 1 of EPIC06 Valve 30.00 30.00 31.00 1.00" in over
    assert not [row for row in rows if row.startswith("matched")]


def test_departments_are_debits_less_credits_without_the_balance_sheet(filled):
    hints = filled.hints("Ledger by department", "EPIC06 · USD")

    assert hints == ["Foundry EPIC06: USD 280 in 2 postings", "200: USD 12 in 1 posting"]
    assert "USD -292 without a department" in filled.cards("Ledger by department")["EPIC06 · USD"]


def test_trust_shows_open_and_retracted_rows_and_runs(filled):
    rows = [" ".join(row.itertext()) for row in filled.tree().iter("tr")]

    assert "ap_invoices 8 1 31 Mar 08:00" in rows
    assert "run-1 31 Mar 08:00:00 4 0 7 complete" in rows


def test_the_summary_is_two_lines(filled):
    summary, _ = filled.report()

    owed, lines, where = summary.splitlines()
    assert owed.startswith("Owed: EPIC06 EUR 100 (100% past due); EPIC06 USD 1,227 (19% past due)")
    assert lines == (
        "Open order lines: 2 matched, 1 over, 1 under, 1 not yet invoiced, 1 not yet received"
    )
    assert where == f"Report: {filled.page}"


def test_the_page_needs_nothing_from_elsewhere(filled):
    _, page = filled.report()

    for foreign in ("<script", "<link", "<img", "<iframe", "src=", "url(", "@import", "@font-face"):
        assert foreign not in page
    assert set(re.findall(r'(?:href|xmlns)="([^"]*)"', page)) == {"https://erp.example/x"}


def test_names_cannot_become_markup(filled):
    filled.execute("update vendors set name = '<b onclick=\"x()\">&\"Co''</b>'")

    _, page = filled.report()

    assert "<b onclick" not in page
    assert "&lt;b onclick=" in page


def test_only_web_addresses_become_links(filled):
    filled.execute("update purchase_order_lines set _epicor_source_url = 'javascript:alert(1)'")

    _, page = filled.report()

    assert "javascript:" not in page
    assert "10/3" in page


@pytest.mark.parametrize(
    ("change", "panel"),
    [
        ("alter table ap_invoices drop column duedate", "Payables by age"),
        ("alter table gl_transactions drop column segvalue2", "Ledger by department"),
        ("drop table purchase_order_releases", "Order, receipt, invoice"),
        ("drop table ap_invoices", "Supplier spend"),
    ],
)
def test_a_panel_whose_columns_are_missing_is_left_out_with_a_note(filled, change, panel):
    filled.execute(change)

    sections = {s.findtext("header/h2"): s for s in filled.tree().iter("section")}

    assert "Left out" in " ".join(sections[panel].itertext())
    assert "Left out" not in " ".join(sections["Can it be trusted?"].itertext())


def test_amounts_loaded_as_doubles_are_shown_as_well(filled):
    filled.execute("alter table ap_invoices alter column docinvoicebal set data type double")
    filled.execute("alter table ap_invoices alter column invoiceamt set data type double")
    filled.execute("alter table purchase_order_lines alter column docunitcost set data type double")

    assert "USD 1,227 owed" in filled.cards("Payables by age")["EPIC06 · USD"]


def test_tables_without_rows_make_a_report(tmp_path):
    empty = Filled(tmp_path)

    summary, _ = empty.report()

    assert "Open order lines: 0 matched" in summary
