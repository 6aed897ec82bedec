"""What the report shows, as numbers: one function a question, each amount in one currency."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from warehouse import Missing

if TYPE_CHECKING:
    from datetime import datetime

    from warehouse import Row, Warehouse

BUCKETS = ("current", "1-30", "31-60", "61-90", "90+")
STATUSES = ("matched", "over", "under", "not yet invoiced", "not yet received")


@dataclass(frozen=True)
class Spend:
    """What one company was invoiced, in the currency of its books."""

    company: str
    currency: str
    total: Decimal
    vendors: list[Row]
    months: list[Row]


@dataclass(frozen=True)
class Aging:
    """What one company owes in one currency, by days past due."""

    company: str
    currency: str
    amounts: dict[str, Decimal]
    invoices: dict[str, int]

    @property
    def total(self) -> Decimal:
        """Everything owed."""
        return sum(self.amounts.values(), Decimal(0))

    @property
    def overdue(self) -> Decimal:
        """What is past its due date."""
        return self.total - self.amounts["current"]


@dataclass(frozen=True)
class Match:
    """Order lines of one company in one currency: ordered, received, invoiced."""

    company: str
    currency: str
    ordered: Decimal
    received: Decimal
    invoiced: Decimal
    lines: dict[str, int]
    exceptions: list[Row]


@dataclass(frozen=True)
class Departments:
    """Net postings of one company by department, in the currency of its books."""

    company: str
    currency: str
    departments: list[Row]
    without_department: Decimal


def companies(warehouse: Warehouse) -> dict[str, Row]:
    """Name and book currency by company code; empty where companies are not loaded."""
    try:
        found = warehouse.rows("SELECT _epicor_company, name, currencycode FROM open_companies")
    except Missing:
        return {}
    return {row["_epicor_company"]: row for row in found}


def spend(warehouse: Warehouse) -> list[Spend]:
    """Invoices by vendor and by month; cancellations and debit memos count against."""
    vendors = warehouse.rows(
        """SELECT i._epicor_company AS company, sum(i.invoiceamt)::DECIMAL(38, 9) AS amount,
                  count(*) AS invoices,
                  coalesce(any_value(v.name), 'Vendor ' || i.vendornum || ' (inactive)') AS vendor
           FROM open_ap_invoices i
           LEFT JOIN open_vendors v
             ON v._epicor_company = i._epicor_company AND v.vendornum = i.vendornum
           GROUP BY i._epicor_company, i.vendornum ORDER BY amount DESC, vendor"""
    )
    months = warehouse.rows(
        """SELECT _epicor_company AS company, date_trunc('month', invoicedate)::date AS month,
                  sum(invoiceamt)::DECIMAL(38, 9) AS amount, count(*) AS invoices
           FROM open_ap_invoices WHERE invoicedate IS NOT NULL GROUP BY ALL ORDER BY month"""
    )
    books = companies(warehouse)
    return [
        Spend(
            company=company,
            currency=_book_currency(books, company),
            total=_total(mine, "amount"),
            vendors=mine,
            months=[row for row in months if row["company"] == company],
        )
        for (company,), mine in _by(vendors, "company").items()
    ]


def aging(warehouse: Warehouse, as_of: datetime) -> list[Aging]:
    """Balances of posted invoices by days past due, in the invoice's own currency."""
    posted = "AND posted" if warehouse.has("ap_invoices", "posted") else ""
    found = warehouse.rows(
        f"""SELECT _epicor_company AS company, currencycode AS currency,
                   CASE WHEN late <= 0 OR late IS NULL THEN 'current' WHEN late <= 30 THEN '1-30'
                        WHEN late <= 60 THEN '31-60' WHEN late <= 90 THEN '61-90'
                        ELSE '90+' END AS bucket,
                   sum(docinvoicebal)::DECIMAL(38, 9) AS amount, count(*) AS invoices
            FROM (SELECT *, date_diff('day', duedate::date, ?::date) AS late FROM open_ap_invoices)
            WHERE docinvoicebal <> 0 {posted} GROUP BY ALL""",  # noqa: S608 - one of two texts
        [as_of],
    )
    return [
        Aging(
            company=group[0],
            currency=group[1],
            amounts={name: Decimal(0) for name in BUCKETS}
            | {row["bucket"]: row["amount"] for row in mine},
            invoices=dict.fromkeys(BUCKETS, 0) | {row["bucket"]: row["invoices"] for row in mine},
        )
        for group, mine in _by(found, "company", "currency").items()
    ]


# Amounts are rounded to the cent on each invoice line, twice where currencies differ.
_MATCH = """
WITH received AS (
    SELECT _epicor_company, ponum, poline, sum(receivedqty)::DECIMAL(24, 6) AS quantity
    FROM open_purchase_order_releases GROUP BY ALL
), invoiced AS (
    SELECT _epicor_company, ponum, poline, sum(docextcost)::DECIMAL(38, 9) AS amount,
           count(*) AS lines
    FROM open_ap_invoice_lines WHERE ponum > 0 GROUP BY ALL
), lines AS (
    SELECT l._epicor_company AS company, o.currencycode AS currency, l.ponum, l.poline,
           coalesce(v.name, 'Vendor ' || o.vendornum || ' (inactive)') AS vendor,
           l.linedesc AS description, l._epicor_source_url AS url,
           l.docextcost::DECIMAL(38, 9) AS ordered,
           (coalesce(r.quantity, 0) * l.docunitcost)::DECIMAL(38, 9) AS received,
           coalesce(i.amount, 0) AS invoiced, coalesce(i.lines, 0) AS invoice_lines
    FROM open_purchase_order_lines l
    JOIN open_purchase_orders o
      ON o._epicor_company = l._epicor_company AND o.ponum = l.ponum
    LEFT JOIN received r
      ON r._epicor_company = l._epicor_company AND r.ponum = l.ponum AND r.poline = l.poline
    LEFT JOIN invoiced i
      ON i._epicor_company = l._epicor_company AND i.ponum = l.ponum AND i.poline = l.poline
    LEFT JOIN open_vendors v
      ON v._epicor_company = o._epicor_company AND v.vendornum = o.vendornum
)
SELECT *, invoiced - received AS difference,
       CASE WHEN invoiced = 0 AND received = 0 THEN 'not yet received'
            WHEN invoiced = 0 THEN 'not yet invoiced'
            WHEN abs(invoiced - received) <= 0.02 * invoice_lines THEN 'matched'
            WHEN invoiced > received THEN 'over' ELSE 'under' END AS status
FROM lines ORDER BY invoiced = 0, abs(invoiced - received) DESC, ponum, poline
"""


def match(warehouse: Warehouse) -> list[Match]:
    """Each open order line: is what was invoiced what was received?"""
    found = warehouse.rows(_MATCH)
    return [
        Match(
            company=group[0],
            currency=group[1],
            ordered=_total(mine, "ordered"),
            received=_total(mine, "received"),
            invoiced=_total(mine, "invoiced"),
            lines={name: sum(row["status"] == name for row in mine) for name in STATUSES},
            exceptions=[r for r in mine if r["status"] in {"over", "under", "not yet invoiced"}],
        )
        for group, mine in _by(found, "company", "currency").items()
    ]


def departments(warehouse: Warehouse) -> list[Departments]:
    """Debits less credits by department; a code of zeros means no department."""
    books = companies(warehouse)
    result = []
    for company, number in _department_segments(warehouse).items():
        found = warehouse.rows(
            f"""SELECT t.segvalue{number:d} AS code,
                       coalesce(any_value(s.segmentname), '') AS name,
                       sum(t.bookdebitamount - t.bookcreditamount)::DECIMAL(38, 9) AS amount,
                       count(*) AS postings
                FROM open_gl_transactions t
                LEFT JOIN open_gl_segment_values s
                  ON s._epicor_company = t._epicor_company AND s.coacode = t.coacode
                 AND s.segmentnbr = {number:d} AND s.segmentcode = t.segvalue{number:d}
                WHERE t._epicor_company = ? GROUP BY code ORDER BY amount DESC""",  # noqa: S608 - a number
            [company],
        )
        named = [row for row in found if row["code"].strip("0 ")]
        rest = [row["amount"] for row in found if not row["code"].strip("0 ")]
        currency = _book_currency(books, company)
        result.append(Departments(company, currency, named, sum(rest, Decimal(0))))
    return result


def runs(warehouse: Warehouse) -> list[Row]:
    """The runs that the audit table knows, newest first."""
    return warehouse.rows(
        """SELECT run_id, min(started_at) AS started_at, max(finished_at) AS finished_at,
                  sum(rows_sent) AS rows_sent, sum(rows_retracted) AS rows_retracted,
                  sum(requests) AS requests,
                  CASE WHEN bool_and(status <> 'failed') THEN 'complete' ELSE 'failed' END AS status
           FROM open_epicor_sync_runs GROUP BY run_id ORDER BY started_at DESC"""
    )


def samples(warehouse: Warehouse) -> list[Row]:
    """One row of a few tables, with the address it came from."""
    wanted = {
        "vendors": "name",
        "purchase_orders": "ponum::varchar",
        "ap_invoices": "invoicenum",
        "ap_payments": "headnum::varchar",
        "gl_transactions": "journalcode || ' ' || journalnum || '/' || journalline",
    }
    found: list[Row] = []
    for table, label in wanted.items():
        try:
            found += warehouse.rows(
                f"""SELECT '{table}' AS "table", _epicor_company AS company, {label} AS label,
                           _epicor_source_id AS id, _epicor_source_url AS url,
                           _epicor_run_id AS run_id
                    FROM open_{table} ORDER BY _epicor_synced_at DESC, id LIMIT 1"""  # noqa: S608 - from the table above
            )
        except Missing:
            continue
    return found


def _department_segments(warehouse: Warehouse) -> dict[str, int]:
    """The number of the segment that each company calls a department, else its second one."""
    found = warehouse.rows(
        """SELECT _epicor_company AS company,
                  coalesce(min(segmentnbr) FILTER (segmentname ILIKE '%dep%'), 2)::int AS number
           FROM open_gl_segments GROUP BY ALL ORDER BY company"""
    )
    return {row["company"]: row["number"] for row in found}


def _book_currency(books: dict[str, Row], company: str) -> str:
    return str(books[company]["currencycode"]) if company in books else "book currency"


def _by(rows: list[Row], *names: str) -> dict[tuple[str, ...], list[Row]]:
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in names), []).append(row)
    return dict(sorted(groups.items()))


def _total(rows: list[Row], name: str) -> Decimal:
    return sum((row[name] for row in rows), Decimal(0))
