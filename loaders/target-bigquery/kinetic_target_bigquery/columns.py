"""JSON Schema to BigQuery columns; nothing is guessed, nothing is rounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.cloud.bigquery import SchemaField

from kinetic_target_bigquery.errors import GuardError
from kinetic_target_bigquery.values import DIGITS

if TYPE_CHECKING:
    from collections.abc import Mapping

_DECIMAL = "x-singer.decimal"
_FORMATS = {"date-time": "TIMESTAMP", "date": "DATE", "time": "TIME"}
_TYPES = {
    "string": "STRING",
    "integer": "INTEGER",
    "boolean": "BOOLEAN",
    "number": "FLOAT",
    "object": "JSON",
    "array": "JSON",
}
_WIDER = {
    ("INTEGER", "NUMERIC"),
    ("INTEGER", "BIGNUMERIC"),
    ("NUMERIC", "BIGNUMERIC"),
}
"""Changes of type that BigQuery makes in place and that keep every digit."""


def column_of(name: str, schema: Mapping[str, Any]) -> SchemaField:
    """A property as a nullable column.

    Raises:
        GuardError: when BigQuery has no type that holds every value.
    """
    return SchemaField(name, _type_of(name, schema), mode="NULLABLE")


def _type_of(name: str, schema: Mapping[str, Any]) -> str:
    if schema.get("format") == _DECIMAL:
        return _decimal(name, schema)
    given = schema.get("type", "string")
    kinds = [kind for kind in ([given] if isinstance(given, str) else given) if kind != "null"]
    if schema.get("format") in _FORMATS and kinds == ["string"]:
        return _FORMATS[schema["format"]]
    if len(kinds) == 1 and kinds[0] in _TYPES:
        return _TYPES[kinds[0]]
    raise GuardError(
        f"column {name} may hold {' or '.join(kinds) or 'nothing'}, for which BigQuery has no "
        "type; deselect it, or cast it in a stream map"
    )


def _decimal(name: str, schema: Mapping[str, Any]) -> str:
    usual = DIGITS["NUMERIC"]
    precision, scale = schema.get("precision", sum(usual)), schema.get("scale", usual[1])
    whole = precision - scale
    for kind, (most_whole, most_scale) in DIGITS.items():
        if whole <= most_whole and scale <= most_scale:
            return kind
    raise GuardError(
        f"column {name} is a decimal of {precision} digits, {scale} of them behind the point, more "
        "than BIGNUMERIC holds; deselect it"
    )


def widening(place: str, stored: SchemaField, wanted: SchemaField) -> str | None:
    """The type to give to a stored column; None where it fits as it is.

    A decimal that somebody made with digits of its own, NUMERIC(10, 2), loses them: BigQuery would
    round what has more of them behind the point.

    Args:
        place: table and column, for the message.
        stored: as BigQuery has it.
        wanted: as the stream needs it.

    Raises:
        GuardError: when the values would not fit, or lose digits.
    """
    there, needed = _plain(stored.field_type), _plain(wanted.field_type)
    if there == needed or (needed, there) in _WIDER:
        return there if stored.precision is not None else None
    if (there, needed) in _WIDER:
        return needed
    raise GuardError(
        f"column {place} is {there} in BigQuery and would have to be {needed}, which would change "
        "what is stored; rename or drop the column in BigQuery, then load the stream anew "
        "(`meltano run --full-refresh`)"
    )


def _plain(kind: str) -> str:
    """One name for each type; the API has two for some."""
    return {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN"}.get(kind, kind)
