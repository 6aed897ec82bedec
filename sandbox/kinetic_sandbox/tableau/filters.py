"""Lists as the API gives them: filtered, sorted, in pages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kinetic_sandbox.tableau.call import Call, Done, Refused
from kinetic_sandbox.tableau.xml import Element, element

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LARGEST = 1000
_OPERATORS = {"eq", "in", "has", "gt", "gte", "lt", "lte"}


def page(
    call: Call,
    name: str,
    things: Sequence[Element],
    fields: Mapping[str, str],
    above: Mapping[str, str] | None = None,
) -> Done:
    """Answer one page of a list.

    Args:
        call: with `filter`, `sort`, `pageSize` and `pageNumber`.
        name: of the list's element.
        things: all that the user may see.
        fields: what can be filtered by, and the attribute that has it.
        above: the same for what stands in an attribute `name` of a child element.
    """
    found = list(things)
    for expression in _expressions(call.query.get("filter", "")):
        found = _kept(found, expression, fields, above or {})
    for order in reversed([each for each in call.query.get("sort", "").split(",") if each]):
        found = _sorted(found, order, fields)
    size, number = (_number(call, "pageSize", 100), _number(call, "pageNumber", 1))
    if not 1 <= size <= _LARGEST:
        raise Refused("400007", str(size))
    first = (number - 1) * size
    if number < 1 or (number > 1 and first >= len(found)):
        raise Refused("400006", str(number))
    told = element("pagination", pageNumber=number, pageSize=size, totalAvailable=len(found))
    return Done((told, element(name, found[first : first + size])))


def _number(call: Call, name: str, otherwise: int) -> int:
    try:
        return int(call.query.get(name, otherwise))
    except ValueError:
        raise Refused("400000", f"{name} is no number") from None


def _expressions(text: str) -> list[str]:
    """Parted at the commas that stand in no list; a name's own comma cannot be escaped."""
    return [each for each in re.split(r",(?![^\[]*\])", text) if each]


def _kept(
    things: list[Element], expression: str, fields: Mapping[str, str], above: Mapping[str, str]
) -> list[Element]:
    parts = expression.split(":", 2)
    if len(parts) != 3 or parts[1] not in _OPERATORS:  # noqa: PLR2004 - field, operator, value
        raise Refused("400008", expression)
    field, operator, wanted = parts
    if field not in fields and field not in above:
        raise Refused("400008", expression)
    return [each for each in things if _fits(_value(each, field, fields, above), operator, wanted)]


def _value(
    thing: Element, field: str, fields: Mapping[str, str], above: Mapping[str, str]
) -> str | None:
    if field in fields:
        return thing.get(fields[field])
    child = thing.find(above[field])
    return None if child is None else child.get("name")


def _sorted(things: list[Element], order: str, fields: Mapping[str, str]) -> list[Element]:
    field, _, direction = order.partition(":")
    if field not in fields:
        raise Refused("400008", order)
    return sorted(
        things, key=lambda each: each.get(fields[field]) or "", reverse=direction == "desc"
    )


def _fits(value: str | None, operator: str, wanted: str) -> bool:
    if value is None:
        return False
    if value.isdigit() and wanted.isdigit():
        difference = int(value) - int(wanted)
    else:
        difference = (value > wanted) - (value < wanted)
    return {
        "eq": _is_like(value, wanted),
        "in": value in wanted.strip("[]").split(","),
        "has": wanted.lower() in value.lower(),
        "gt": difference > 0,
        "gte": difference >= 0,
        "lt": difference < 0,
        "lte": difference <= 0,
    }[operator]


def _is_like(value: str, wanted: str) -> bool:
    """A star stands for anything: the way around the characters that cannot be escaped."""
    return re.fullmatch(re.escape(wanted).replace(r"\*", ".*"), value) is not None
