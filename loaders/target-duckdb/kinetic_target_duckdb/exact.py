"""How a JSON value becomes text that DuckDB casts without losing anything, or is refused."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from decimal import Decimal, InvalidOperation
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from target_duckdb.db_sync import column_type

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Encode = Callable[[Any], str]

INTEGER_BITS = {"smallint": 16, "integer": 32, "bigint": 64, "hugeint": 128}
MAX_PRECISION = 38  # of DuckDB's DECIMAL

_DECIMAL_TYPE = re.compile(r"decimal\((\d+),(\d+)\)")
_TIMESTAMP = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(?:\.(\d+))?)?\s?(?:(Z)|([+-]\d\d):?(\d\d)?)?",
)


def exact_column_type(schema: Mapping[str, Any]) -> str:
    """The community's type, except that `x-singer.decimal` becomes a real DECIMAL."""
    if schema.get("format") == "x-singer.decimal" and {"precision", "scale"} <= schema.keys():
        precision = min(int(schema["precision"]), MAX_PRECISION)
        return f"decimal({precision},{min(int(schema['scale']), precision)})"
    return str(column_type(schema))


def decimal_places(kind: str) -> tuple[int, int] | None:
    """Digits before and after the point of a `decimal(p,s)`; None for any other type."""
    if not (match := _DECIMAL_TYPE.fullmatch(kind)):
        return None
    precision, scale = int(match[1]), int(match[2])
    return precision - scale, scale


def holds(wide: str, narrow: str) -> bool:
    """Whether each value of type `narrow` is also one of type `wide`."""
    outer, inner = decimal_places(wide), decimal_places(narrow)
    if outer and inner:
        return outer[0] >= inner[0] and outer[1] >= inner[1]
    bits = INTEGER_BITS
    return wide == narrow or (wide in bits and narrow in bits and bits[wide] >= bits[narrow])


def encoder_for(kind: str) -> Encode:
    """The function that writes a value, never None, for a column of this type."""
    if places := decimal_places(kind):
        return partial(_decimal, digits=places[0], scale=places[1])
    if kind in INTEGER_BITS:
        return partial(_integer, limit=2 ** (INTEGER_BITS[kind] - 1))
    return _ENCODERS.get(kind, _text)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _boolean(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    raise ValueError("is not a boolean")


def _integer(value: object, *, limit: int) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON does not tell 1.0 from 1
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("is not an integer")  # noqa: TRY004 - one type means "refused" here
    if not -limit <= value < limit:
        raise ValueError("is out of range")
    return str(value)


def _double(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("is not a number")  # noqa: TRY004 - as above
    if isinstance(value, int) and (abs(value) >= 2**1023 or int(float(value)) != value):
        raise ValueError("has more digits than a DOUBLE (send it as x-singer.decimal)")
    return repr(value)


def _decimal(value: object, *, digits: int, scale: int) -> str:
    """Plain notation in one spelling per number: 1.50, 1.5 and 15E-1 are the same key."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("is not a decimal")  # noqa: TRY004 - as above
    try:
        number = Decimal(value if isinstance(value, str) else repr(value))
    except InvalidOperation:
        raise ValueError("is not a decimal") from None
    if not number.is_finite():
        raise ValueError("is not a finite decimal")
    if number.is_zero():
        return "0"  # -0.00 and 0E-10 as well
    if number.adjusted() >= digits:
        raise ValueError("is out of range")
    if number.adjusted() < -scale:
        raise ValueError("has more decimal places than the column")
    whole, _, fraction = format(number, "f").partition(".")
    fraction = fraction.rstrip("0")
    if len(fraction) > scale:
        raise ValueError("has more decimal places than the column")
    return f"{whole}.{fraction}" if fraction else whole


def _timestamp(value: object) -> str:
    if isinstance(value, str):
        return _utc(value)
    raise ValueError("is not a timestamp")


@lru_cache(maxsize=65536)  # a batch repeats its dates and its _epicor_synced_at
def _utc(value: str) -> str:
    """UTC without a zone, as the community stores it; digits beyond microseconds are cut."""
    if not (match := _TIMESTAMP.fullmatch(value)):
        raise ValueError("is not a timestamp")
    day, minute, second, fraction, _, hours, minutes = match.groups()
    offset = f"{hours}:{minutes or '00'}" if hours else "+00:00"
    micros = (fraction or "")[:6].ljust(6, "0")
    text = f"{day}T{minute or '00:00'}{second or ':00'}.{micros}{offset}"
    try:
        moment = datetime.fromisoformat(text).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise ValueError("is not a timestamp") from None
    return moment.replace(tzinfo=None).isoformat(" ")


_ENCODERS: dict[str, Encode] = {
    "boolean": _boolean,
    "double": _double,
    "json": _json,
    "timestamp": _timestamp,
}
