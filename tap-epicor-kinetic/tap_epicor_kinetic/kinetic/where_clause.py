"""OData conditions as the SQL-like where clause of a Kinetic method.

A clause has no known spelling for null, and a comparison with null is neither true nor false in
it. A condition that lets nulls in is therefore left out: more rows come, and whoever asked judges
each row again. Everything else is said exactly or refused, for a walk that loses its lower bound
would never end, and one that loses its upper one would bring too much unnoticed.

Dates are compared as the tenant's wall clock, which is also how methods answer: without a zone.
Text without a zone is read as UTC everywhere in this tap, so the digits go to and fro unchanged
and a bookmark that came out of such rows means the same moment when it is sent back. A moment that
came from elsewhere (`start_date`, `replay_since`) is off by the tenant's distance from UTC.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tap_epicor_kinetic.errors import QueryRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_OPERATORS = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_SECOND = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
_LITERAL = rf"'(?:[^']|'')*'|{_SECOND}Z|\d{{4}}-\d\d-\d\d|-?\d+(?:\.\d+)?|true|false|null"
_COMPARISON = rf"(?P<column>[A-Za-z_]\w*) (?P<operator>\w\w) (?P<literal>{_LITERAL})(?![^ )])"
_TOKEN = re.compile(rf"(?P<glue> and | or |[()])|{_COMPARISON}")
_LETS_NULL_IN = (
    re.compile(rf"{_COMPARISON} or (?P=column) eq null"),
    re.compile(_COMPARISON.replace(r"\w\w", "ne", 1)),
)
_MOMENT = re.compile(rf"(?P<second>{_SECOND})Z|(?P<day>\d{{4}}-\d\d-\d\d)")


def translate(conditions: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    """A clause that is true for each row that satisfies all conditions, and what it leaves out.

    Raises:
        QueryRefused: for a condition that can be neither said exactly nor left out.
    """
    said, left_out = [], []
    for condition in conditions:
        if any(form.fullmatch(condition) for form in _LETS_NULL_IN):
            left_out.append(condition)
        else:
            said.append(_said(condition))
    if len(said) > 1:
        said = [f"({clause})" if " or " in clause else clause for clause in said]
    return " and ".join(said), tuple(left_out)


def ordered(clause: str, order_by: Sequence[str]) -> str:
    """The clause with the order behind it: `SysRevID > 5 BY SysRevID desc`."""
    if not order_by:
        return clause
    return f"{clause} BY {', '.join(order_by)}".lstrip()


def _said(condition: str) -> str:
    clause, place = "", 0
    while place < len(condition):
        match = _TOKEN.match(condition, place)
        if match is None:
            raise _refused(condition, condition[place:])
        clause += match["glue"] or _comparison(condition, match)
        place = match.end()
    return clause


def _comparison(condition: str, match: re.Match[str]) -> str:
    operator, literal = match["operator"], match["literal"]
    if operator not in _OPERATORS or operator == "ne" or literal == "null":
        raise _refused(condition, match[0])
    moment = _MOMENT.fullmatch(literal)
    if moment:
        literal = f"'{moment['second'] or moment['day']}'"
    return f"{match['column']} {_OPERATORS[operator]} {literal}"


def _refused(condition: str, part: str) -> QueryRefused:
    return QueryRefused(
        f"{condition!r} has no exact form in a GetRows where clause (at {part!r}). Write "
        "`stream_options` filter with eq, gt, ge, lt, le, and, or and parentheses only, without "
        "null, or set read_method to odata."
    )
