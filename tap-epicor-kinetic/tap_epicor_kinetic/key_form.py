"""How a row's key is written down: one line of JSON, the same for equal keys wherever they met."""

from __future__ import annotations

from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

Key = tuple[Any, ...]
"""Values of the key columns in `$metadata` order: text, integers, decimals, flags."""

_encode_lines = msgspec.json.Encoder().encode_lines
_decode = msgspec.json.Decoder(tuple[Any, ...], float_hook=Decimal).decode


def write_keys(keys: Sequence[Key]) -> list[bytes]:
    """One line per key, in their order: `["EPIC06",1001]`; decimals are compared by value."""
    if Decimal in set(map(type, chain.from_iterable(keys))):
        keys = [tuple(map(_without_scale, key)) for key in keys]
    return _encode_lines(keys).split(b"\n")[:-1]


def read_key(line: bytes) -> Key:
    """The key that was written; a decimal without a fraction comes back as an integer."""
    return _decode(line)


def _without_scale(value: object) -> object:
    """`1.50` and `1.5` are one key; a server may write either."""
    if not isinstance(value, Decimal):
        return value
    digits = format(value, "f")
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return msgspec.Raw(b"0" if digits == "-0" else digits.encode())
