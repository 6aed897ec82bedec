"""JSON Schema to Arrow types; nothing is guessed, nothing is rounded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from .errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DECIMAL_FORMAT = "x-singer.decimal"
LONG_DIGITS = 19
"""Of a 64-bit integer."""
MOMENT = pa.timestamp("us", "UTC")
MOST_DIGITS = 38
"""Of a decimal that every warehouse has."""
_DEFAULT_DIGITS = (38, 9)
_FORMATS = {"date-time": MOMENT, "date": pa.date32()}
_TYPES = {
    "string": pa.string(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "number": pa.float64(),
}
_WORDS = {
    pa.string(): "text",
    pa.int64(): "64-bit integer",
    pa.bool_(): "boolean",
    pa.float64(): "double",
    pa.date32(): "date",
    MOMENT: "date-time",
}


@dataclass(frozen=True)
class Column:
    """A column of a stream.

    Attributes:
        name: as the stream has it.
        type: of its values; decimals have the precision and scale of the schema, instants are
            microseconds of UTC.
        opening: of a column that holds JSON text: the characters that its values begin with.
    """

    name: str
    type: pa.DataType
    opening: str = ""


def spoken(kind: pa.DataType) -> str:
    """A type as a person on call reads it."""
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    return _WORDS.get(kind, str(kind))


def column_of(name: str, schema: Mapping[str, Any]) -> Column:
    """A property as a nullable column.

    Raises:
        LoadError: when no one type holds every value.
    """
    branches = [branch for branch in _branches(schema) if branch[0] != "null"]
    kinds = {kind for kind, _ in branches}
    if kinds == {"integer", "number"}:
        kinds = {"number"}
    if kinds <= {"object", "array"} and kinds:
        opening = "".join("{" if kind == "object" else "[" for kind in sorted(kinds))
        return Column(name, pa.string(), opening)
    if len(kinds) != 1:
        raise LoadError(
            f"column {name} may hold {' or '.join(sorted(kinds)) or 'anything'}, for which "
            "no warehouse has one type; deselect it, or cast it in a stream map of the tap"
        )
    kind = kinds.pop()
    formats = {branch.get("format") for _, branch in branches}
    if kind == "string" and formats == {DECIMAL_FORMAT}:
        return Column(name, _decimal(name, branches[0][1]))
    only = next(iter(formats)) if len(formats) == 1 else None
    if kind == "string" and only in _FORMATS:
        return Column(name, _FORMATS[only])
    if kind not in _TYPES:
        raise LoadError(f"column {name} is of type {kind}, which JSON Schema does not know")
    return Column(name, _TYPES[kind])


def _branches(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each type that a value may have, with the schema that says so."""
    for branch in schema.get("anyOf") or schema.get("oneOf") or ():
        yield from _branches(branch)
    given = schema.get("type", ())
    for kind in [given] if isinstance(given, str) else given:
        yield kind, schema


def _decimal(name: str, schema: Mapping[str, Any]) -> pa.DataType:
    precision = schema.get("precision", _DEFAULT_DIGITS[0])
    scale: Any = schema.get("scale")
    if scale is None and isinstance(precision, int):
        scale = min(_DEFAULT_DIGITS[1], precision)
    are_whole = isinstance(precision, int) and isinstance(scale, int)
    if not are_whole or not 0 <= scale <= precision <= MOST_DIGITS:
        raise LoadError(
            f"column {name} is a decimal of {precision} digits, {scale} of them behind the point; "
            f"{MOST_DIGITS} digits are the most that can be loaded; deselect it"
        )
    return pa.decimal128(precision, scale)


def holder(
    stored: pa.DataType,
    wanted: pa.DataType,
    *,
    long_digits: int = LONG_DIGITS,
    most_digits: int = MOST_DIGITS,
) -> pa.DataType | None:
    """The type that holds every value of both as it is; `stored` where it is wide enough.

    Args:
        stored: of a table's column.
        wanted: of what comes.
        long_digits: digits before the point that a warehouse wants of a decimal which a 64-bit
            integer becomes.
        most_digits: of the widest decimal of a warehouse.

    Returns:
        None where no type holds both.
    """
    if stored == wanted:
        return stored
    whole, scale = _room(stored)
    more_whole, more_scale = _room(wanted)
    if not whole or not more_whole:
        return None
    if whole >= more_whole and scale >= more_scale:
        return stored
    if stored == pa.int64():
        whole = long_digits
    whole, scale = max(whole, more_whole), max(scale, more_scale)
    if whole + scale > most_digits:
        return None
    make = pa.decimal128 if whole + scale <= MOST_DIGITS else pa.decimal256
    return make(whole + scale, scale)


def _room(kind: pa.DataType) -> tuple[int, int]:
    """Digits before and behind the point of an exact number; zeros for anything else."""
    if kind == pa.int64():
        return LONG_DIGITS, 0
    if pa.types.is_decimal(kind):
        return kind.precision - kind.scale, kind.scale
    return 0, 0
