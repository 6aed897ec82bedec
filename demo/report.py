"""Writes one self-contained HTML page from a loaded DuckDB file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import figures
import panels
from markup import Markup, tag
from warehouse import Missing, Warehouse

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

T = TypeVar("T")

STYLE = Path(__file__).with_name("report.css")

Panel = tuple[str, str, "Callable[[Warehouse, datetime], Markup]"]

PANELS: tuple[Panel, ...] = (
    ("Supplier spend", "Posted or not, credits counted against.", panels.spend),
    ("Payables by age", "Posted invoices with a balance, each currency by itself.", panels.aging),
    ("Order, receipt, invoice", "Each open order line, in the order's currency.", panels.match),
    ("Ledger by department", "In the currency of the company's books.", panels.ledger),
    ("Can it be trusted?", "Each row says where it came from and which run read it.", panels.trust),
)  # fmt: skip


def write_report(file: Path, schema: str, output: Path) -> list[str]:
    """Write the page; the summary in two lines."""
    warehouse = Warehouse(file, schema)
    try:
        as_of = warehouse.as_of()
        sections = [_section(panel, warehouse, as_of) for panel in PANELS]
        page = _page(_header(warehouse, as_of), *sections)
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(f"<!DOCTYPE html>\n{page}\n", encoding="utf-8")
        return [_payables_line(warehouse, as_of), _match_line(warehouse)]
    finally:
        warehouse.close()


def _section(panel: Panel, warehouse: Warehouse, as_of: datetime) -> Markup:
    title, remark, draw = panel
    try:
        content = draw(warehouse, as_of)
    except Missing as missing:
        content = tag("p", f"Left out: this tenant lacks a column. {missing}", class_="note")
    heading = tag("header", tag("h2", title), tag("p", remark))
    return tag("section", heading, content)


def _header(warehouse: Warehouse, as_of: datetime) -> Markup:
    books = figures.companies(warehouse)
    names = [str(row["name"] or code) for code, row in sorted(books.items())]
    standing = warehouse.standing()
    tiles = [
        ("tables", f"{len(standing)}"),
        ("rows open", f"{sum(one.open_rows for one in standing):,}"),
        ("rows retracted", f"{sum(one.retracted_rows for one in standing):,}"),
        *(
            (f"owed, {one.company} {one.currency}", panels.amount(one.total))
            for one in _or_nothing(lambda: figures.aging(warehouse, as_of))
        ),
    ]
    drawn = [tag("div", tag("b", value), tag("span", name)) for name, value in tiles]
    return tag(
        "header",
        tag("p", "Epicor Kinetic in the warehouse", class_="kicker"),
        tag("h1", "Purchase to pay"),
        tag("p", f"{' · '.join(names)} — as of {as_of:%d %B %Y, %H:%M} UTC", class_="lead"),
        tag("div", *drawn, class_="tiles"),
        class_="top",
    )


def _page(*content: Markup) -> Markup:
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", "Purchase to pay"),
        tag("style", Markup(STYLE.read_text(encoding="utf-8"))),
    )
    return tag("html", head, tag("body", tag("main", *content)), lang="en")


def _payables_line(warehouse: Warehouse, as_of: datetime) -> str:
    owed = [
        f"{one.company} {panels.amount(one.total, one.currency)} "
        f"({float(one.overdue / one.total) if one.total else 0:.0%} past due)"
        for one in _or_nothing(lambda: figures.aging(warehouse, as_of))
    ]
    return f"Owed: {'; '.join(owed) or 'unknown'}"


def _match_line(warehouse: Warehouse) -> str:
    found = _or_nothing(lambda: figures.match(warehouse))
    counts = {name: sum(one.lines[name] for one in found) for name in figures.STATUSES}
    return "Open order lines: " + ", ".join(f"{count:,} {name}" for name, count in counts.items())


def _or_nothing(ask: Callable[[], list[T]]) -> list[T]:
    try:
        return ask()
    except Missing:
        return []


def main() -> None:
    """Command line: the file, its schema, the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database", type=Path, help="the loaded DuckDB file")
    parser.add_argument("--schema", default="kinetic")
    parser.add_argument("--output", type=Path, default=Path("report.html"))
    chosen = parser.parse_args()
    for line in write_report(chosen.database, chosen.schema, chosen.output):
        print(line)
    print(f"Report: {chosen.output}")


if __name__ == "__main__":
    main()
