"""The bytes of records to Arrow columns; what does not fit its column is refused, never bent."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from .columns import MOMENT, spoken
from .errors import LoadError, NoKeyError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .columns import Column

_WHERE = re.compile(r"(.*?)(?: - at `\$\[(\d+)\](?:\.(.*))?`)?", re.DOTALL)
"""What msgspec says: the fault, the row, the column."""
_FINER = r"(\.\d{6})\d+"
_ZONELESS = r"[T ]\d\d:\d\d(:\d\d(\.\d+)?)?$"
_LONGEST_SHOWN = 60
_READ_AS = {pa.int64(): int | float, pa.float64(): float, pa.bool_(): bool}
"""What JSON may have for a type; text for any other."""
_AS_THEY_ARE = {pa.float64(), pa.bool_(), pa.string()}
_EPOCH = date(1970, 1, 1)
_FIRST_DAY, _LAST_DAY = (date.min - _EPOCH).days, (date.max - _EPOCH).days
_DAY = 24 * 60 * 60 * 1_000_000
"""In microseconds."""
_TIMES = {
    pa.date32(): (pa.int32(), _FIRST_DAY, _LAST_DAY),
    MOMENT: (pa.int64(), _FIRST_DAY * _DAY, (_LAST_DAY + 1) * _DAY - 1),
}
"""What Arrow counts them in, and the years 1 to 9999, which every warehouse has."""


class Rows:
    """Decodes the records of one stream.

    Args:
        stream: its name.
        columns: those of its schema.
        keys: names of columns that may not be null.
    """

    def __init__(self, stream: str, columns: Sequence[Column], keys: Sequence[str]) -> None:
        self._stream = stream
        self._columns = columns
        self._keys = keys
        self._getters: list[Callable[[Any], Any]] = []
        fields = []
        for number, column in enumerate(columns):
            fields.append((f"c{number}", *_field(column)))
            self._getters.append(attrgetter(f"c{number}"))
        renamed = {f"c{number}": column.name for number, column in enumerate(columns)}
        row = msgspec.defstruct("Row", fields, rename=renamed, forbid_unknown_fields=True, gc=False)
        self._decoder: msgspec.json.Decoder[list[Any]] = msgspec.json.Decoder(list[row])  # type: ignore[valid-type]

    def decode(self, records: Sequence[bytes | msgspec.Raw]) -> pa.RecordBatch:
        """Records as columns, typed by the schema.

        Raises:
            LoadError: naming stream, column and key of what does not fit.
        """
        text = b"[" + b",".join(records) + b"]"
        try:
            rows = self._decoder.decode(text)
        except msgspec.DecodeError as error:
            raise self._refused(str(error), records) from error
        except UnicodeDecodeError as error:
            raise LoadError(f"{self._stream}: a record is not UTF-8 ({error})") from error
        arrays = []
        for column, getter in zip(self._columns, self._getters, strict=True):
            values = list(map(getter, rows))
            try:
                array = _array(column, values)
            except (pa.ArrowException, ValueError, OverflowError) as error:
                raise self._misfit(column, values, records) from error
            if array.null_count and column.name in self._keys:
                raise NoKeyError(
                    f"a record of {self._stream} has no {column.name}, which is part of its key, "
                    "so it could not be told from others"
                )
            arrays.append(array)
        return pa.RecordBatch.from_arrays(arrays, [column.name for column in self._columns])

    def _refused(self, fault: str, records: Sequence[bytes | msgspec.Raw]) -> LoadError:
        """What msgspec told, with the key of the row."""
        what, number, column = _WHERE.fullmatch(fault).groups()  # type: ignore[union-attr] # any
        if number is None:
            return LoadError(f"{self._stream}: a record is no JSON that can be read: {what}")
        where = self._address(records[int(number)])
        if "unknown field" in what:
            name = what.rpartition(" ")[2].strip("`")
            return LoadError(
                f"{self._stream}: the record with {where} has a column {name} that its SCHEMA "
                "message lacks, so its values would be lost; discover the tap's catalog anew"
            )
        name = f"column {column.split('.')[0]} of " if column else ""
        return LoadError(f"{self._stream}: {name}the record with {where}: {what}")

    def _misfit(
        self, column: Column, values: list[Any], records: Sequence[bytes | msgspec.Raw]
    ) -> LoadError:
        """Which value it was; looked for one by one, since the load ends here."""
        for number, value in enumerate(values):
            try:
                _array(column, [value])
            except (pa.ArrowException, ValueError, OverflowError):
                shown = repr(str(value, "utf-8") if isinstance(value, msgspec.Raw) else value)
                return LoadError(
                    f"{self._stream}: column {column.name} of the record with "
                    f"{self._address(records[number])} holds {shown[:_LONGEST_SHOWN]}, which is no "
                    f"{'JSON of its type' if column.opening else spoken(column.type)}"
                    f"{' of the years 1 to 9999' if column.type in _TIMES else ''}"
                )
        return LoadError(
            f"{self._stream}: column {column.name} cannot be read as {spoken(column.type)}"
        )

    def _address(self, record: bytes | msgspec.Raw) -> str:
        try:
            row = msgspec.json.decode(record)
        except msgspec.DecodeError:
            row = {}
        if not isinstance(row, dict):
            return "no key"
        return ", ".join(f"{key} {row.get(key)!r}" for key in self._keys) or "no key"


def _field(column: Column) -> tuple[Any, Any]:
    """Type and default of a column's values as they are read from JSON."""
    if column.opening:
        return msgspec.Raw, msgspec.Raw()
    return _READ_AS.get(column.type, str) | None, None


def _array(column: Column, values: list[Any]) -> pa.Array:
    if column.opening:
        return _json(column.opening, values)
    if column.type == pa.int64():
        return _integers(values)
    if column.type in _AS_THEY_ARE:
        return pa.array(values, column.type)
    texts = pa.array(values, pa.string())
    try:
        array = texts.cast(column.type)
    except pa.ArrowInvalid:
        if column.type != MOMENT:
            raise
        array = _timestamps(texts)
    if column.type in _TIMES:
        _check_years(array)
    return array


def _check_years(array: pa.Array) -> None:
    unit, first, last = _TIMES[array.type]
    found = pc.min_max(array.view(unit)).as_py()
    if found["min"] is not None and not first <= found["min"] <= found["max"] <= last:
        raise ValueError


def _json(opening: str, values: list[Any]) -> pa.Array:
    """JSON text as it came, every digit of it."""
    texts = [bytes(value).decode() for value in values]
    kept = [None if text in {"", "null"} else text for text in texts]
    if any(text is not None and text[0] not in opening for text in kept):
        raise ValueError
    return pa.array(kept, pa.string())


def _integers(values: list[Any]) -> pa.Array:
    """JSON does not tell 1.0 from 1; Arrow would make 1 of 1.5."""
    if float in set(map(type, values)):
        if any(isinstance(value, float) and not value.is_integer() for value in values):
            raise ValueError
        values = [None if value is None else int(Decimal(value)) for value in values]
    return pa.array(values, pa.int64())


def _timestamps(texts: pa.Array) -> pa.Array:
    """Times with more than six digits of a second, which are cut, or without a zone: UTC."""
    cut = pc.replace_substring_regex(texts, _FINER, r"\1")
    zoned = pc.if_else(
        pc.match_substring_regex(cut, _ZONELESS), pc.binary_join_element_wise(cut, "Z", ""), cut
    )
    return zoned.cast(MOMENT)
