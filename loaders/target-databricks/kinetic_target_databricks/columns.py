"""JSON Schema to Spark types and Arrow types; nothing is guessed, nothing is rounded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from .errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DECIMAL_FORMAT = "x-singer.decimal"
_MOST_DIGITS = 38
_DEFAULT_DIGITS = (38, 9)
_LONG_DIGITS = 20
"""What Delta wants before the point of a decimal that a BIGINT becomes."""
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")
_FORMATS = {"date-time": "TIMESTAMP", "date": "DATE"}
_TYPES = {
    "string": "STRING",
    "integer": "BIGINT",
    "boolean": "BOOLEAN",
    "number": "DOUBLE",
    "object": "STRING",
    "array": "STRING",
}
_ARROW = {
    "STRING": pa.string(),
    "BIGINT": pa.int64(),
    "BOOLEAN": pa.bool_(),
    "DOUBLE": pa.float64(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us", "UTC"),
}


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: as the stream has it.
        type: Spark's, such as DECIMAL(18,3).
        opening: of a column that holds JSON text: the characters that its values begin with.
    """

    name: str
    type: str
    opening: str = ""

    @property
    def arrow(self) -> pa.DataType:
        """The type of its values in a file.

        Raises:
            LoadError: when the table has a type that this loader never gives.
        """
        if digits := _digits(self.type):
            return pa.decimal128(*digits)
        if self.type not in _ARROW:
            raise LoadError(
                f"column {self.name} is {self.type} in Databricks, which this loader cannot fill; "
                "rename or drop it there, then load the stream anew (`meltano run --full-refresh`)"
            )
        return _ARROW[self.type]


def column_of(name: str, schema: Mapping[str, Any]) -> Column:
    """A property as a nullable column.

    Raises:
        LoadError: when Databricks has no type that holds every value.
    """
    branches = [branch for branch in _branches(schema) if branch[0] != "null"]
    kinds = {kind for kind, _ in branches}
    if kinds == {"integer", "number"}:
        kinds = {"number"}
    if kinds <= {"object", "array"} and kinds:
        opening = "".join("{" if kind == "object" else "[" for kind in sorted(kinds))
        return Column(name, "STRING", opening)
    if len(kinds) != 1:
        raise LoadError(
            f"column {name} may hold {' or '.join(sorted(kinds)) or 'anything'}, for which "
            "Databricks has no type; deselect it, or cast it in a stream map of the tap"
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


def _decimal(name: str, schema: Mapping[str, Any]) -> str:
    precision = schema.get("precision", _DEFAULT_DIGITS[0])
    scale = schema.get("scale", min(_DEFAULT_DIGITS[1], precision))
    if not 0 <= scale <= precision <= _MOST_DIGITS:
        raise LoadError(
            f"column {name} is a decimal of {precision} digits, {scale} of them behind the point; "
            f"Databricks holds at most {_MOST_DIGITS}; deselect it"
        )
    return f"DECIMAL({precision},{scale})"


def _digits(kind: str) -> tuple[int, int] | None:
    """Precision and scale of a decimal type."""
    found = _DECIMAL.fullmatch(kind)
    return (int(found[1]), int(found[2])) if found else None


def wider(table: str, stored: Column, wanted: Column) -> Column | None:
    """The type to give to a stored column; None where every value fits as it is.

    Raises:
        LoadError: when Delta cannot hold both what is there and what comes.
    """
    if stored.type == wanted.type:
        return None
    whole, scale = _room(stored.type)
    more_whole, more_scale = _room(wanted.type)
    if whole and more_whole:
        if whole >= more_whole and scale >= more_scale:
            return None
        if stored.type == "BIGINT":
            whole = _LONG_DIGITS
        whole, scale = max(whole, more_whole), max(scale, more_scale)
        if whole + scale <= _MOST_DIGITS:
            return Column(stored.name, f"DECIMAL({whole + scale},{scale})")
    raise LoadError(
        f"column {wanted.name} of {table} is {stored.type} in Databricks and would have to be "
        f"{wanted.type}, which would change or lose what is stored; rename or drop the column "
        "there, then load the stream anew (`meltano run --full-refresh`)"
    )


def _room(kind: str) -> tuple[int, int]:
    """Digits before and behind the point of an exact number; zeros for anything else."""
    if kind == "BIGINT":
        return 19, 0
    precision, scale = _digits(kind) or (0, 0)
    return precision - scale, scale
