"""Columns as Arrow, exactly: one type for each kind of column, and nothing is rounded to fit it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from .errors import ServerFault
from .json_schema import column_schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .odata.metadata import Column

_MICROSECONDS = len("2026-11-21T00:00:00.123456")
_MOST_DIGITS = 38
"""Of `decimal128`."""
_BY_FORMAT = {"date-time": pa.timestamp("us", "UTC"), "date": pa.date32()}
_BY_TYPE = {"integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}


def schema_of(columns: Mapping[str, Column]) -> pa.Schema:
    """The schema of rows with these columns, all nullable."""
    return pa.schema([pa.field(name, _type(column)) for name, column in columns.items()])


def batch_of(schema: pa.Schema, columns: Mapping[str, Sequence[Any]], where: str) -> pa.RecordBatch:
    """A batch of values as `RowPage.columns` gives them.

    Raises:
        ServerFault: when a value does not fit its column's type.
    """
    arrays = [_array(field, columns[field.name], where) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _type(column: Column) -> pa.DataType:
    sent = column_schema(column, decimals_as_text=True)
    if sent.get("format") == "x-singer.decimal":
        decimal = pa.decimal128 if sent["precision"] <= _MOST_DIGITS else pa.decimal256
        return decimal(sent["precision"], sent["scale"])
    return _BY_FORMAT.get(sent.get("format", "")) or _BY_TYPE.get(sent["type"][0], pa.string())


def _array(field: pa.Field, values: Sequence[Any], where: str) -> pa.Array:
    try:
        if pa.types.is_timestamp(field.type):
            return pa.array(_to_microseconds(values), pa.string()).cast(field.type)
        if pa.types.is_date(field.type):
            return pa.array(values, pa.string()).cast(field.type)
        return pa.array(values, field.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ServerFault(
            f"{where}: column {field.name} holds what does not fit {field.type}, the type that "
            f"$metadata gives it ({error}). Correct the column's precision in Kinetic, leave it "
            "out with `select`, or read `rows()`, which have no such bounds."
        ) from error


def _to_microseconds(texts: Sequence[Any]) -> Sequence[Any]:
    """Servers send up to seven digits of a second's fraction; databases and Arrow keep six."""
    if max((len(text) for text in texts if text), default=0) <= _MICROSECONDS + 1:
        return texts
    return [f"{t[:_MICROSECONDS]}Z" if t and len(t) > _MICROSECONDS + 1 else t for t in texts]
