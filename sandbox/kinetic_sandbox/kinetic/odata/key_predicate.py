"""The key of a single row in its address: `('EPIC06',1001)`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kinetic_sandbox.kinetic.faults import odata_fault
from kinetic_sandbox.kinetic.spelling import instant

if TYPE_CHECKING:
    from kinetic_sandbox.kinetic.edm import Column, EntityFacts

_LITERAL = re.compile(r"\s*('(?:[^']|'')*'|[^',()]+)\s*(,|$)")


def read_key(text: str, facts: EntityFacts) -> tuple[Any, ...]:
    """Read the literals between the parentheses, in the key's order."""
    literals: list[str] = []
    place = 0
    while place < len(text) or not literals or text[:place].endswith(","):
        match = _LITERAL.match(text, place)
        if match is None:
            raise _malformed(text)
        literals.append(match[1].strip())
        place = match.end()
    if len(literals) != len(facts.key):
        raise _malformed(text)
    columns = [facts.columns[name] for name in facts.key]
    try:
        return tuple(_value(each, column) for each, column in zip(literals, columns, strict=True))
    except ValueError:
        raise _malformed(text) from None


def same_key(wanted: tuple[Any, ...], found: tuple[Any, ...], facts: EntityFacts) -> bool:
    """Whether two keys name the same row; instants may be spelt differently."""
    columns = [facts.columns[name] for name in facts.key]
    return all(
        instant(one) == instant(other) if column.type == "Edm.DateTimeOffset" else one == other
        for one, other, column in zip(wanted, found, columns, strict=True)
    )


def _value(literal: str, column: Column) -> Any:  # noqa: ANN401 - any key value
    is_quoted = literal.startswith("'")
    if is_quoted != (column.type == "Edm.String"):
        raise ValueError(literal)
    if is_quoted:
        return literal[1:-1].replace("''", "'")
    if column.type == "Edm.Boolean":
        return (
            {"true": True, "false": False}[literal]
            if literal in {"true", "false"}
            else _no(literal)
        )
    if column.type == "Edm.DateTimeOffset":
        instant(literal)
        return literal
    return int(literal)


def _no(literal: str) -> bool:
    raise ValueError(literal)


def _malformed(text: str) -> Exception:
    return odata_fault(f"Bad Request - Error in query syntax: the key predicate ({text}).")
