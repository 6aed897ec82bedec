"""Arrow types to Spark types and back; nothing is guessed, nothing is rounded."""

from __future__ import annotations

import re

import pyarrow as pa
from kinetic_batches.columns import MOMENT, holder
from kinetic_batches.errors import LoadError

_LONG_DIGITS = 20
"""What Delta wants before the point of a decimal that a BIGINT becomes."""
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")
_SPARK = {
    pa.string(): "STRING",
    pa.int64(): "BIGINT",
    pa.bool_(): "BOOLEAN",
    pa.float64(): "DOUBLE",
    pa.date32(): "DATE",
    MOMENT: "TIMESTAMP",
}
_ARROW = {spark: arrow for arrow, spark in _SPARK.items()}


def spark_type(kind: pa.DataType) -> str:
    """Spark's name of a type, such as DECIMAL(18,3)."""
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision},{kind.scale})"
    return _SPARK[kind]


def arrow_type(kind: str) -> pa.DataType | None:
    """What Spark's name means; None for types that this loader never gives."""
    if found := _DECIMAL.fullmatch(kind):
        return pa.decimal128(int(found[1]), int(found[2]))
    return _ARROW.get(kind)


def wide_enough(table: str, name: str, stored: str, wanted: pa.DataType) -> pa.DataType:
    """The type that a stored column needs: the one that it has, where every value fits as it is.

    Args:
        table: for the message.
        name: of the column.
        stored: its type in Databricks.
        wanted: the type of what comes.

    Raises:
        LoadError: when Delta cannot hold both what is there and what comes.
    """
    there = arrow_type(stored)
    if there is not None:
        found = holder(there, wanted, long_digits=_LONG_DIGITS)
        if found is not None:
            return found
    raise LoadError(
        f"column {name} of {table} is {stored} in Databricks and would have to be "
        f"{spark_type(wanted)}, which would change or lose what is stored; rename or drop the "
        "column there, then load the stream anew (`meltano run --full-refresh`)"
    )
