"""Proves that cells are of the types that `$metadata` declares, and that rows have one shape.

A server writes all rows of a set with one serialiser, so a page is proved on its first and last row
and on some in between; a page of few rows is proved whole. What steers a read, keys, times and ids
are proved on every row elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tap_epicor_kinetic.odata.payload import cheapest_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tap_epicor_kinetic.odata.metadata import EntityType

_PROVED_WHOLE = 64
_SAMPLES = 3
_cells = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class RowTypes:
    """What rows of one stream look like.

    Args:
        entity: the row's type.
        columns: those whose types count.
        allowed: all columns that a row may have.
    """

    def __init__(
        self,
        entity: EntityType,
        columns: Iterable[str],
        allowed: Iterable[str],
    ) -> None:
        self._types = {name: cheapest_type(entity.columns[name]) for name in columns}
        self._allowed = frozenset(allowed)
        self._decode: Callable[[bytes], Any] | None = None
        self.shape: frozenset[str] = frozenset()
        """The columns that rows have, no more and no less, because the first ones had them."""

    def prove(self, rows: Sequence[Any]) -> bool:
        """Whether rows without their closing braces are as declared.

        A row that lacks a column which the first rows had is not.
        """
        count = len(rows)
        step = 1 if count <= _PROVED_WHOLE else count // _SAMPLES
        try:
            ends = [_cells(bytes(rows[index]) + b"}") for index in (0, count - 1)]
            shape = frozenset().union(*ends).intersection(self._types)
            decode = self._decode or self._learn(shape)
            if shape != self.shape or not all(map(self._allowed.issuperset, ends)):
                return False
            for index in (*range(0, count, step), count - 1):
                decode(bytes(rows[index]) + b"}")
        except msgspec.DecodeError:
            return False
        return True

    def _learn(self, shape: frozenset[str]) -> Callable[[bytes], Any]:
        self.shape = shape
        self._decode = msgspec.json.Decoder(_row(self._types, shape)).decode
        return self._decode


def end_in_z(rows: Sequence[Any], moments: Mapping[str, Sequence[Any]]) -> bool:
    """Whether moments in UTC are written with `Z`, and not with `+00:00`.

    Of a long page the first and the last of each column tell.

    Args:
        rows: without their closing braces.
        moments: values by column, in row order.
    """
    every = range(len(rows))
    columns: dict[int, list[str]] = {}
    for name, values in moments.items():
        there = (n for n in every if values[n])
        if len(rows) > _PROVED_WHOLE:
            last = next((n for n in reversed(every) if values[n]), None)
            there = (n for n in (next(there, None), last) if n is not None)
        for index in there:
            columns.setdefault(index, []).append(name)
    return all(
        bytes(cells[name]).endswith((b'Z"', b'z"'))
        for index, names in columns.items()
        if (cells := _cells(bytes(rows[index]) + b"}"))
        for name in names
    )


def _row(types: Mapping[str, Any], required: frozenset[str]) -> type[msgspec.Struct]:
    names = [*required, *(name for name in types if name not in required)]
    fields: list[Any] = [
        (f"f{n}", types[name], msgspec.field(name=name))
        if name in required
        else (f"f{n}", types[name], msgspec.field(name=name, default=None))
        for n, name in enumerate(names)
    ]
    return msgspec.defstruct("Row", fields, gc=False)
