"""Edm types as JSON Schema, exactly: one row per Edm primitive, anything else is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .odata.metadata import Column

JsonSchema = dict[str, Any]

DATE_TIME: JsonSchema = {"type": ["string", "null"], "format": "date-time"}
TEXT: JsonSchema = {"type": ["string", "null"]}
INTEGER: JsonSchema = {"type": ["integer", "null"]}


def _whole(bits: int, *, signed: bool = True) -> JsonSchema:
    """Bounds let a loader choose a column that holds every value."""
    low = -(2 ** (bits - 1)) if signed else 0
    high = 2 ** (bits - 1) - 1 if signed else 2**bits - 1
    return {"type": ["integer", "null"], "minimum": low, "maximum": high}


_PRIMITIVES: dict[str, JsonSchema] = {
    "Edm.Binary": TEXT,
    "Edm.Boolean": {"type": ["boolean", "null"]},
    "Edm.Byte": _whole(8, signed=False),
    "Edm.Date": {"type": ["string", "null"], "format": "date"},
    "Edm.DateTimeOffset": DATE_TIME,
    "Edm.Double": {"type": ["number", "null"]},
    "Edm.Duration": TEXT,
    "Edm.Guid": {"type": ["string", "null"], "format": "uuid"},
    "Edm.Int16": _whole(16),
    "Edm.Int32": _whole(32),
    "Edm.Int64": _whole(64),
    "Edm.SByte": _whole(8),
    "Edm.Single": {"type": ["number", "null"]},
    "Edm.String": TEXT,
    "Edm.TimeOfDay": {"type": ["string", "null"], "format": "time"},
}

# The widest NUMERIC that every warehouse has, for decimals whose $metadata names no precision.
_WIDEST_PRECISION = 38
_USUAL_SCALE = 9


class UnknownTypeError(ValueError):
    """An Edm type that has no exact form here."""


def column_schema(column: Column, *, decimals_as_text: bool) -> JsonSchema:
    """The JSON Schema of one column.

    Args:
        column: as `$metadata` declares it.
        decimals_as_text: True for `decimal_format: singer_decimal`.

    Raises:
        UnknownTypeError: for complex types, collections and anything not in the table.
    """
    if column.edm_type == "Edm.Decimal":
        return _decimal(column) if decimals_as_text else {"type": ["number", "null"]}
    if column.edm_type not in _PRIMITIVES:
        raise UnknownTypeError(f"column {column.name} has the type {column.edm_type}")
    return dict(_PRIMITIVES[column.edm_type])


def _decimal(column: Column) -> JsonSchema:
    precision, scale = column.precision, column.scale
    if precision is None or scale is None:
        precision, scale = _WIDEST_PRECISION, _USUAL_SCALE if scale is None else scale
    return {
        "type": ["string", "null"],
        "format": "x-singer.decimal",
        "precision": precision,
        "scale": scale,
    }
