"""What a click on a number leads to: its rows, or the number by department, project, supplier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .facts.shapes import COMPANY
from .measures import counted, names_of
from .segments import department_of
from .tables import Column, MissingError, Table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from .segments import Segment
    from .templates import Templates

Lookml = dict[str, Any]
_AMOUNTS = 3
_UNKNOWN_SHOWS = 8
_SUPPLIER = "by_supplier"


def drill_sets(
    table: Table,
    templates: Templates,
    segments: Sequence[Segment],
    reached: Collection[str],
    asked_for: Mapping[str, Sequence[Lookml]],
) -> list[Lookml]:
    """Rows, then one set for each way to split a number.

    Args:
        table: whose measures are clicked on.
        templates: finds columns.
        segments: of the chart of accounts.
        reached: views that are there wherever its measures are offered.
        asked_for: measures by stream.
    """
    sets: list[Lookml] = [{"name": "detail", "fields": list(_rows(table, templates, reached))}]
    finer = templates.tables.get(table.facts.finer)
    for name, fields in _splits(table, templates, segments, reached):
        # A document has one supplier; departments and projects stand on its lines.
        is_below = finer is not None and finer.view in reached and name != _SUPPLIER
        there = finer if finer is not None and is_below else table
        prefix = f"{there.view}." if there is not table else ""
        amounts = names_of(asked_for.get(there.stream, ()))[: _AMOUNTS + 1]
        sets.append({"name": name, "fields": [*fields, *(f"{prefix}{each}" for each in amounts)]})
    return sets


def with_drills(table: Table, asked_for: Sequence[Lookml], sets: Sequence[Lookml]) -> list[Lookml]:
    """The measures with their drills; a link opens the drill of a hidden measure."""
    splits = [str(each["name"]) for each in sets[1:]]
    links = [
        {"label": name.replace("by_", "By "), "url": f"{{{{ drill_{name}._link }}}}"}
        for name in splits
    ]
    drill: Lookml = {"drill_fields": ["detail*"], **({"links": links} if links else {})}
    return [
        *({**each, **drill} for each in (counted(table), *asked_for)),
        *(
            {
                "name": f"drill_{name}",
                "hidden": "yes",
                "type": "number",
                "sql": "1",
                "drill_fields": [f"{name}*"],
            }
            for name in splits
        ),
    ]


def _rows(table: Table, templates: Templates, reached: Collection[str]) -> Iterator[str]:
    if company := table.find(COMPANY):
        yield company.shown
    for each in table.facts.detail.split() or [column.epicor for column in _first(table)]:
        try:
            field = templates.shown(table, each)
        except MissingError:
            continue
        view, dot, _ = field.rpartition(".")
        if not dot or view in reached:
            yield field


def _first(table: Table) -> list[Column]:
    """What to show of a stream of which nothing is known: its key, then a few columns."""
    shown = [
        column
        for column in sorted(table.columns.values(), key=lambda each: each.name)
        if not column.is_technical and not column.epicor.startswith("_")
    ]
    rest = [column for column in shown if column not in table.key]
    return [*(column for column in table.key if column in shown), *rest][:_UNKNOWN_SHOWS]


def _splits(
    table: Table, templates: Templates, segments: Sequence[Segment], reached: Collection[str]
) -> Iterator[tuple[str, list[str]]]:
    department = department_of(segments)
    for name, view, stream, columns in (
        ("by_department", department.view if department else "", "gl_segment_values",
         "SegmentCode SegmentName"),
        ("by_project", "projects", "projects", "ProjectID Description"),
        (_SUPPLIER, "vendors", "vendors", "VendorID Name"),
    ):  # fmt: skip
        other = templates.tables.get(stream)
        if other is not None and other is not table and view in reached:
            fields = [f"{view}.{found.shown}" for c in columns.split() if (found := other.find(c))]
            if fields:
                yield name, fields
