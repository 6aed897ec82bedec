"""One value of a key, whoever wrote it down: the tenant, a loader, a database driver."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, timezone
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING
from uuid import UUID

from .odata.timestamps import from_datetime, parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .key_form import Key
    from .odata.metadata import Column

_INTEGERS = {"Edm.Byte", "Edm.SByte", "Edm.Int16", "Edm.Int32", "Edm.Int64"}
_FLAGS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
_MICROSECONDS = 6
"""What databases keep of a fraction of a second."""


class KeyValues:
    """Brings keys into the one form in which they are compared.

    A value that is no value of its column's type is kept as text, so that it shows as a
    difference rather than being guessed at.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._readers = [_READERS.get(column.edm_type, _text) for column in columns]

    def __call__(self, values: Sequence[object]) -> Key:
        """The key: integers, decimals, flags and text; instants in UTC, ids in lower case."""
        return tuple(
            None if value is None else _read(reader, value)
            for reader, value in zip(self._readers, values, strict=True)
        )


def _read(reader: Callable[[object], object], value: object) -> object:
    with suppress(ValueError, InvalidOperation, OverflowError):
        return reader(value)
    return str(value)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _number(value: object) -> int | Decimal:
    if isinstance(value, int):
        return int(value)
    number = value if isinstance(value, Decimal) else Decimal(str(value).strip())
    if not number.is_finite():
        raise ValueError(f"{number} is no key")
    return number


def _flag(value: object) -> bool:
    text = str(value).strip().lower()
    if text not in _FLAGS:
        raise ValueError(f"{text} is no flag")
    return _FLAGS[text]


def _id(value: object) -> str | None:
    if isinstance(value, bytes):
        return str(UUID(bytes=value))
    text = str(value).strip().lower()
    return text or None  # the tap sends an id that is not set as null


def _instant(value: object) -> str:
    """As it is sent: an exact local midnight keeps its day. A driver's naive time is in UTC."""
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=timezone.utc)
        sent = from_datetime(aware)
    else:
        sent = parse_timestamp(parse_timestamp(str(value)).singer())
    fraction = sent.fraction[:_MICROSECONDS].rstrip("0")
    second = sent.second.replace(tzinfo=None, microsecond=0).isoformat()
    return f"{second}.{fraction}Z" if fraction else f"{second}Z"


def _day(value: object) -> str:
    if isinstance(value, datetime):
        value = value.date()
    if isinstance(value, date):
        return value.isoformat()
    return parse_timestamp(str(value)).second.date().isoformat()


_READERS: dict[str, Callable[[object], object]] = {
    **dict.fromkeys(_INTEGERS, _number),
    "Edm.Decimal": _number,
    "Edm.Boolean": _flag,
    "Edm.Guid": _id,
    "Edm.DateTimeOffset": _instant,
    "Edm.Date": _day,
}
