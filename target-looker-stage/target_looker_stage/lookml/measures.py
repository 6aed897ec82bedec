"""What people ask for, as far as a tenant's columns carry it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .safe_text import spoken
from .tables import COUNT, ROWS, Column, MissingError, Table
from .templates import path

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from .facts.shapes import Measure, Money
    from .templates import Templates

Lookml = dict[str, Any]
_REFERENCE = re.compile(r"\$\{(?:(\w+)\.)?(\w+)\}")


def all_measures(
    templates: Templates, reach: Mapping[str, Collection[str]], notes: list[str]
) -> dict[str, list[Lookml]]:
    """The measures of every table that are offered somewhere, by stream.

    Args:
        templates: fills SQL.
        reach: by stream, the views that are there wherever its measures are offered.
        notes: takes what had to be left out.
    """
    offered = [table for stream, table in templates.tables.items() if stream in reach]
    made: dict[tuple[str, str], Lookml] = {}
    for is_number in (False, True):  # a number works on measures that are made before
        for table in offered:
            for fact in table.facts.measures:
                if (fact.type == "number") is is_number:
                    try:
                        made[table.view, fact.name] = _measure(
                            fact, table, templates, reach[table.stream], made
                        )
                    except MissingError as error:
                        notes.append(f"measure {table.view}.{fact.name} is left out: {error}")
    return {
        table.stream: [
            made[table.view, fact.name]
            for fact in table.facts.measures
            if (table.view, fact.name) in made
        ]
        for table in offered
    }


def counted(table: Table) -> Lookml:
    """How many rows there are."""
    return {"name": COUNT, "label": f"Number of {table.facts.label}", "type": "count"}


def for_tests() -> Lookml:
    """The same for tests: without drills, which not every explore carries."""
    return {"name": ROWS, "hidden": "yes", "type": "count"}


def mark(column: Column) -> str:
    """The measure that tells whether a column has one value."""
    return f"one_{column.name}"


def money_of(table: Table, column: Column) -> Money | None:
    """What is known of a column that is an amount."""
    for money in table.facts.money:
        if column.epicor.casefold() in money.columns.casefold().split():
            return money
    return None


def _measure(
    fact: Measure,
    table: Table,
    templates: Templates,
    reached: Collection[str],
    before: Collection[tuple[str, str]],
) -> Lookml:
    made: Lookml = {"name": fact.name, "label": fact.label}
    if said := ". ".join(filter(None, (fact.description, *_apart(fact, table, templates)))):
        made["description"] = said
    made["type"] = fact.type
    if filters := list(_filters(fact, table, templates, reached)):
        made["filters__all"] = [filters]
    if fact.sql:
        made["sql"] = templates.filled(table, fact.sql)
    used = _REFERENCE.findall(made.get("sql", ""))
    _check({view for view, _ in used if view}, reached)
    for view, name in used if fact.type == "number" else ():
        if (view or table.view, name) not in before:
            raise MissingError(f"there is no measure {f'{view}.' if view else ''}{name}")
    return {**made, **_format(fact, table, templates, reached)}


def _apart(fact: Measure, table: Table, templates: Templates) -> Iterator[str]:
    """What a sum must not run over, besides several currencies."""
    for there, column in templates.used(table, fact.sql) if fact.type == "sum" else ():
        if money := money_of(there, column):
            for each in money.of[1:]:
                if found := there.find(each):
                    name = spoken(found.epicor)
                    yield f"Filter or split by {name}: several together are no total"
            return


def _filters(
    fact: Measure, table: Table, templates: Templates, reached: Collection[str]
) -> Iterator[dict[str, str]]:
    for each in fact.where:
        name, _, value = each.partition("=")
        known = next((own for own in table.facts.dimensions if own.name == name), None)
        sql = known.sql if known else f"{{{name}}}"
        others = {other.view for other, _ in templates.used(table, sql) if other is not table}
        _check(others, reached)
        yield {name if known else templates.shown(table, name): value or "yes"}
    for stream in (table.stream, *table.facts.under.split()) if fact.type != "number" else ():
        there = templates.tables.get(stream)
        if there and (closed := there.find(there.facts.closed)):
            _check({there.view} - {table.view}, reached)
            yield {path(table, there, closed.name): "no"}


def _check(views: Collection[str], reached: Collection[str]) -> None:
    for view in sorted(set(views) - set(reached)):
        raise MissingError(f"{view} is not joined")


def _format(fact: Measure, table: Table, templates: Templates, reached: Collection[str]) -> Lookml:
    """The format; behind an amount, what it is of."""
    if fact.format or fact.type != "sum":
        return {"value_format_name": fact.format} if fact.format else {}
    for there, column in templates.used(table, fact.sql):
        if money := money_of(there, column):
            marks = [
                f"{{{{ {name}._value }}}}"
                for each in money.of
                if (name := _mark(each, there, table, templates, reached))
            ]
            html = {"html": " ".join(["{{ rendered_value }}", *marks])} if marks else {}
            return {"value_format_name": "decimal_2", **html}
    return {"value_format_name": "decimal_2"}


def _mark(
    names: str, there: Table, table: Table, templates: Templates, reached: Collection[str]
) -> str:
    """The measure that says of what an amount is; empty where the tenant does not tell."""
    try:
        owner, column = templates.column(there, names)
    except MissingError:
        return ""
    if owner is table:
        return mark(column)
    return f"{owner.view}.{mark(column)}" if owner.view in reached else ""


def names_of(measures: Sequence[Lookml]) -> list[str]:
    """Their names, that of the count in front."""
    return [COUNT, *(str(each["name"]) for each in measures)]
