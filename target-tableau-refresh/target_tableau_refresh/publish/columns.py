"""Types of Arrow and of Hyper, one for one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyarrow as pa
from kinetic_batches.columns import MOMENT, holder, spoken
from kinetic_batches.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Iterable

_TYPES = {
    pa.int64(): "BIG_INT",
    pa.string(): "TEXT",
    pa.bool_(): "BOOL",
    pa.float64(): "DOUBLE",
    pa.date32(): "DATE",
    MOMENT: "TIMESTAMP_TZ",
}
_ARROW = {text: kind for kind, text in _TYPES.items()}
_SQL = {
    "BIG_INT": "BIGINT", "BOOL": "BOOLEAN", "DOUBLE": "DOUBLE PRECISION",
    "TIMESTAMP_TZ": "TIMESTAMPTZ",
}  # fmt: skip
"""What SQL calls otherwise than the catalog."""
_NUMERIC = re.compile(r"NUMERIC\((\d+), (\d+)\)")


def quoted(*names: str) -> str:
    """A name of SQL, its parts joined by points."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def hyper_type(kind: pa.DataType) -> str:
    """What SQL calls the type that holds every value of one of Arrow."""
    if pa.types.is_decimal(kind):
        return f"NUMERIC({kind.precision}, {kind.scale})"
    name = _TYPES[kind]
    return _SQL.get(name, name)


def schema_of(where: str, columns: Iterable[tuple[str, str]]) -> pa.Schema:
    """Columns of a stored table.

    Args:
        where: the file, for people.
        columns: names and types, as Hyper's catalog has them.

    Raises:
        LoadError: one is of a type that this loader does not write.
    """
    found = []
    for name, text in columns:
        numeric = _NUMERIC.fullmatch(text)
        kind = pa.decimal128(int(numeric[1]), int(numeric[2])) if numeric else _ARROW.get(text)
        if kind is None:
            raise LoadError(
                f"column {name} of {where} is of type {text}, which this loader never writes: "
                "another program has changed the file; delete it and load the stream anew"
            )
        found.append((name, kind))
    return pa.schema(found)


def union(where: str, stored: pa.Schema, wanted: pa.Schema) -> pa.Schema:
    """The columns of both, each wide enough for either; those that are stored come first.

    Raises:
        LoadError: no type holds both.
    """
    kinds = {field.name: field.type for field in stored}
    for field in wanted:
        there = kinds.get(field.name, field.type)
        fitting = holder(there, field.type)
        if fitting is None:
            raise LoadError(
                f"column {field.name} of {where} is {spoken(there)} and would have to hold "
                f"{spoken(field.type)}, for which there is no one type: delete that file and load "
                "the stream anew (`meltano run --full-refresh`)"
            )
        kinds[field.name] = fitting
    return pa.schema(list(kinds.items()))
