"""The report's panels: figures in, markup out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import figures
from charts import Bar, columns, funnel, horizontal_bars, short, stack
from markup import Markup, join, tag
from warehouse import Missing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from decimal import Decimal

    from figures import Aging, Departments, Match, Spend
    from warehouse import Row, Warehouse

TOP_VENDORS = 10
MONTHS = 24
EXCEPTIONS = 8

STATUS_CLASSES = dict(
    zip(figures.STATUSES, ("good", "bad", "warn", "accent", "faint"), strict=True)
)


def spend(warehouse: Warehouse, _: datetime) -> Markup:
    """Top suppliers and the months, company by company."""
    return join(*(_spend_card(found) for found in figures.spend(warehouse)))


def _spend_card(found: Spend) -> Markup:
    money = found.currency
    vendors = [
        Bar(row["vendor"], float(row["amount"]), f"{row['vendor']}: {amount(row['amount'], money)}")
        for row in found.vendors[:TOP_VENDORS]
    ]
    months = [
        Bar(f"{row['month']:%b %y}", float(row["amount"]), f"{row['month']:%B %Y}: "
            f"{amount(row['amount'], money)}, {row['invoices']} invoices", "second")
        for row in found.months[-MONTHS:]
    ]  # fmt: skip
    share = sum(row["amount"] for row in found.vendors[:TOP_VENDORS]) / (found.total or 1)
    return _card(
        f"{found.company} · {money}",
        f"{amount(found.total, money)} invoiced by {len(found.vendors)} suppliers; the first "
        f"{len(vendors)} are {share:.0%} of it",
        tag(
            "div",
            _figure("Largest suppliers", horizontal_bars(vendors, "Spend by supplier")),
            _figure("By month of invoice", columns(months, "Spend by month")) if months else None,
            class_="pair",
        ),
    )


def aging(warehouse: Warehouse, as_of: datetime) -> Markup:
    """What is owed and for how long it has been due; never across currencies."""
    cards = [_aging_card(found) for found in figures.aging(warehouse, as_of)]
    return tag("div", *cards, class_="grid")


def _aging_card(found: Aging) -> Markup:
    money = found.currency
    bars = [
        Bar(name, float(found.amounts[name]), f"{name}: {amount(found.amounts[name], money)}",
            f"age{index}")
        for index, name in enumerate(figures.BUCKETS)
    ]  # fmt: skip
    cells = [
        tag(
            "div",
            tag("span", class_=f"dot fill-{bar.class_}"),
            tag("b", "not yet due" if bar.label == "current" else f"{bar.label} days"),
            tag("span", amount(found.amounts[bar.label]), class_="number"),
            tag("small", _count(found.invoices[bar.label], "invoice")),
        )
        for bar in bars
    ]
    return _card(
        f"{found.company} · {money}",
        f"{amount(found.total, money)} owed, {amount(found.overdue, money)} of it past due",
        stack(bars, f"Payables of {found.company} in {money} by days past due"),
        tag("div", *cells, class_="buckets"),
    )


def match(warehouse: Warehouse, _: datetime) -> Markup:
    """Ordered, received, invoiced; and the lines that want somebody's eye."""
    found = figures.match(warehouse)
    cards = [_match_card(one) for one in found]
    exceptions = [(one, row) for one in found for row in one.exceptions[:EXCEPTIONS]]
    exceptions.sort(key=lambda pair: (pair[0].company, pair[0].currency))
    return join(tag("div", *cards, class_="grid"), _exceptions(exceptions) if exceptions else None)


def _match_card(found: Match) -> Markup:
    money = found.currency
    steps = [
        Bar(name, float(value), f"{name}: {amount(value, money)}", class_)
        for name, value, class_ in (
            ("ordered", found.ordered, "faint"),
            ("received", found.received, "second"),
            ("invoiced", found.invoiced, "accent"),
        )
    ]
    shares = [
        Bar(name, count, f"{name}: {_count(count, 'line')}", STATUS_CLASSES[name])
        for name, count in found.lines.items()
    ]
    legend = [
        tag("li", tag("span", class_=f"dot fill-{bar.class_}"), f"{bar.label} ",
            tag("b", f"{bar.value:,.0f}"))
        for bar in shares
    ]  # fmt: skip
    return _card(
        f"{found.company} · {money}",
        f"{_count(sum(found.lines.values()), 'open order line')}, "
        f"{amount(found.ordered, money)} ordered",
        funnel(steps, f"Ordered, received and invoiced in {money}"),
        stack(shares, "Order lines by status", height=14),
        tag("ul", *legend, class_="legend"),
    )


def _exceptions(pairs: Sequence[tuple[Match, Row]]) -> Markup:
    rows = [
        (
            tag("span", row["status"], class_=f"pill {STATUS_CLASSES[row['status']]}"),
            f"{one.company} {one.currency}",
            link(row["url"], f"{row['ponum']}/{row['poline']}"),
            row["vendor"],
            row["description"] or "",
            *(_number(row[name]) for name in ("ordered", "received", "invoiced", "difference")),
        )
        for one, row in pairs
    ]
    heads = ("", "Company", "Order/line", "Supplier", "What", "Ordered", "Received",
             "Invoiced", "Difference")  # fmt: skip
    caption = "Invoiced is not what was received"
    return tag("div", tag("h4", caption), _table(heads, rows), class_="card wide")


def ledger(warehouse: Warehouse, _: datetime) -> Markup:
    """What the departments cost."""
    cards = [_ledger_card(found) for found in figures.departments(warehouse)]
    return tag("div", *cards, class_="grid")


def _ledger_card(found: Departments) -> Markup:
    bars = [
        Bar(f"{row['code']} {row['name']}".strip(), float(row["amount"]),
            f"{row['name'] or row['code']}: {amount(row['amount'], found.currency)} in "
            f"{_count(row['postings'], 'posting')}")
        for row in found.departments
    ]  # fmt: skip
    if not bars:
        return _card(f"{found.company} · {found.currency}", "No postings with a department.")
    return _card(
        f"{found.company} · {found.currency}",
        f"Debits less credits, {amount(found.without_department, found.currency)} without a "
        "department (the balance sheet) left out",
        horizontal_bars(bars, f"Net postings of {found.company} by department"),
    )


def trust(warehouse: Warehouse, _: datetime) -> Markup:
    """Why these numbers may be believed: runs, rows, and the way back to the ERP."""
    standing = warehouse.standing()
    tables = [
        (
            tag("code", one.table),
            _number(one.open_rows, 0),
            _number(one.retracted_rows or None, 0),
            f"{one.synced_at:%d %b %H:%M}" if one.synced_at else "",
        )
        for one in standing
    ]
    heads = ("Table", "Open", "Retracted", "Read at (UTC)")
    return tag(
        "div",
        tag("div", tag("h4", "Rows"), _table(heads, tables), class_="card"),
        tag("div", _runs(warehouse), _samples(warehouse), class_="column"),
        class_="grid trust",
    )


def _runs(warehouse: Warehouse) -> Markup:
    try:
        found = figures.runs(warehouse)
    except Missing as missing:
        return tag("div", tag("h4", "Runs"), tag("p", str(missing)), class_="card")
    rows = [
        (
            tag("code", str(row["run_id"])[:13], title=row["run_id"]),
            f"{row['started_at']:%d %b %H:%M:%S}",
            _number(row["rows_sent"], 0),
            _number(row["rows_retracted"], 0),
            _number(row["requests"], 0),
            tag("span", row["status"], class_=f"pill {_good(row['status'] == 'complete')}"),
        )
        for row in found
    ]
    heads = ("Run", "Started (UTC)", "Rows", "Retracted", "Requests", "")
    return tag("div", tag("h4", "Runs"), _table(heads, rows), class_="card")


def _samples(warehouse: Warehouse) -> Markup:
    rows = [
        (
            tag("code", row["table"]),
            row["company"],
            link(row["url"], str(row["label"])),
            tag("code", str(row["run_id"])[:13], title=row["run_id"]),
        )
        for row in figures.samples(warehouse)
    ]
    heads = ("Table", "Company", "Row, linked to its source", "Run")
    return tag("div", tag("h4", "From the warehouse back to the ERP"), _table(heads, rows),
               class_="card")  # fmt: skip


def link(url: str | None, text: str) -> Markup:
    """A link to the row's own address, where it has a web address."""
    if not url or not url.startswith(("http://", "https://")):
        return join(text)
    return tag("a", text, href=url)


def amount(value: Decimal, currency: str = "") -> str:
    """An amount to read: whole units below a million, else in millions."""
    size = short(value) if abs(value) >= 1_000_000 else f"{value:,.0f}"  # noqa: PLR2004
    return f"{currency} {size}".strip()


def _good(is_good: bool) -> str:  # noqa: FBT001
    return "good" if is_good else "bad"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _number(value: Decimal | int | None, places: int = 2) -> Markup:
    return tag("span", "" if value is None else f"{value:,.{places}f}", class_="number")


def _card(title: str, sentence: str, *children: Markup | None) -> Markup:
    return tag("div", tag("h3", title), tag("p", sentence, class_="lead"), *children, class_="card")


def _figure(caption: str, chart: Markup) -> Markup:
    return tag("figure", tag("figcaption", caption), chart)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    body = [tag("tr", *(tag("td", value, class_=_side(value)) for value in row)) for row in rows]
    sides = [_side(value) for value in rows[0]] if rows else [None] * len(heads)
    pairs = zip(heads, sides, strict=True)
    head = tag("tr", *(tag("th", text, class_=side) for text, side in pairs))
    table = tag("table", tag("thead", head), tag("tbody", *body))
    return tag("div", table, class_="scroll")


def _side(value: str) -> str | None:
    return "right" if 'class="number"' in value else None
