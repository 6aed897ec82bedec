"""A first dashboard: what finance and supply chain open in the morning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from .facts.shapes import COMPANY
from .tables import MissingError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .joins import Explore
    from .templates import Templates

_ROW_HEIGHT = 8
_WIDTH = 12
_COMPANY_FILTER = "Company"


@dataclass(frozen=True)
class _Tile:
    """One tile.

    Args:
        title: for people.
        kind: of the chart.
        explore: that it asks.
        by: a column in Epicor's name, or with a frame such as `InvoiceDate:month`.
        measures: `stream.measure`.
        is_descending: whether the largest come first.
        pivot: a column that splits it where the tenant has it.
    """

    title: str
    kind: str
    explore: str
    by: str
    measures: tuple[str, ...]
    is_descending: bool = True
    pivot: str = ""


_TILES = (
    _Tile("Spend by supplier", "looker_bar", "payables", "vendors.Name", ("ap_invoices.spend",)),
    _Tile(
        "Open payables by age", "looker_column", "payables", "ap_invoices.=age",
        ("ap_invoices.open_payables",), is_descending=False,
    ),
    _Tile(
        "Spend by month", "looker_line", "payables", "ap_invoices.InvoiceDate:month",
        ("ap_invoices.spend",), is_descending=False,
    ),
    _Tile(
        "Received against ordered", "looker_bar", "purchasing", "vendors.Name",
        ("purchase_order_releases.release_quantity", "purchase_order_releases.received_quantity"),
    ),
    _Tile(
        "Receipts on time", "looker_line", "stock_movements", "part_transactions.TranDate:month",
        ("part_transactions.on_time_share",), is_descending=False,
    ),
    _Tile(
        "Inventory value by class", "looker_bar", "inventory", "parts.ClassID",
        ("part_warehouses.inventory_value", "part_warehouses.turns"),
    ),
    _Tile(
        "GL by department", "looker_bar", "gl_journal", "@department", ("gl_transactions.net",),
        pivot="gl_transactions.BookID",
    ),
)  # fmt: skip


def dashboard(
    name: str,
    explores: Sequence[Explore],
    templates: Templates,
    asked_for: Mapping[str, Sequence[Mapping[str, Any]]],
    department: str,
) -> list[dict[str, Any]]:
    """The tiles whose fields the tenant has; none where it has none of them.

    Args:
        name: of the model and the dashboard.
        explores: that there are.
        templates: finds columns.
        asked_for: measures by stream.
        department: the field of the department's name, if there is one.
    """
    measures = {f"{stream}.{each['name']}" for stream, some in asked_for.items() for each in some}
    by_name = {explore.name: explore for explore in explores}
    elements: list[dict[str, Any]] = []
    for tile in _TILES:
        explore = by_name.get(tile.explore)
        wanted = [each for each in tile.measures if each in measures]
        by = _field(tile.by, explore, templates, department) if explore else ""
        if explore and wanted and by:
            pivot = _field(tile.pivot, explore, templates, department)
            order = f"{wanted[0]} desc" if tile.is_descending else by
            company = explore.base.find(COMPANY)
            elements.append(
                {
                    "title": tile.title,
                    "name": tile.title,
                    "model": name,
                    "explore": tile.explore,
                    "type": tile.kind,
                    "fields": [by, *([pivot] if pivot else []), *wanted],
                    **({"pivots": [pivot]} if pivot else {}),
                    # Behind the order stands which of the pivoted columns it goes by.
                    "sorts": [pivot, f"{order} 0"] if pivot else [order],
                    "limit": 20 if tile.is_descending else 500,
                    **_listening(explore.base.view, company.name if company else ""),
                    "row": len(elements) // 2 * _ROW_HEIGHT,
                    "col": len(elements) % 2 * _WIDTH,
                    "width": _WIDTH,
                    "height": _ROW_HEIGHT,
                }
            )
    if not elements:
        return []
    return [
        {
            "dashboard": name,
            "title": "Epicor Kinetic",
            "layout": "newspaper",
            "preferred_viewer": "dashboards-next",
            **_filters(name, elements),
            "elements": elements,
        }
    ]


def as_text(dashboards: list[dict[str, Any]]) -> str:
    """The file of dashboards, which are YAML."""
    text: str = yaml.safe_dump(dashboards, sort_keys=False, allow_unicode=True, width=10_000)
    return text


def _field(by: str, explore: Explore, templates: Templates, department: str) -> str:
    views = {explore.base.view, *(join.view for join in explore.joins)}
    if by == "@department":
        return department if department.partition(".")[0] in views else ""
    stream, _, column = by.partition(".")
    names, _, frame = column.partition(":")
    table = templates.tables.get(stream)
    if table is None or table.view not in views:
        return ""
    if names.startswith("="):
        fact = next(each for each in table.facts.dimensions if each.name == names[1:])
        try:
            templates.used(table, fact.sql)
        except MissingError:
            return ""
        return f"{table.view}.{fact.name}"
    found = table.find(names)
    if found is None or (frame and frame not in found.frames):
        return ""
    return f"{table.view}.{found.name}_{frame}" if frame else f"{table.view}.{found.shown}"


def _listening(view: str, company: str) -> dict[str, Any]:
    return {"listen": {_COMPANY_FILTER: f"{view}.{company}"}} if company else {}


def _filters(model: str, elements: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One company at a time gives sums in one currency."""
    first = next((each for each in elements if "listen" in each), None)
    if first is None:
        return {}
    return {
        "filters": [
            {
                "name": _COMPANY_FILTER,
                "title": _COMPANY_FILTER,
                "type": "field_filter",
                "default_value": "",
                "allow_multiple_values": True,
                "model": model,
                "explore": first["explore"],
                "field": first["listen"][_COMPANY_FILTER],
            }
        ]
    }
