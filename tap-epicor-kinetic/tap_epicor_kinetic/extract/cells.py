"""The careful path: a row built anew, cell by cell, with every cell judged by its type."""

from __future__ import annotations

from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Any

import msgspec

from tap_epicor_kinetic.errors import ServerFault
from tap_epicor_kinetic.odata.payload import python_type

from .splice import are_guids, utc_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tap_epicor_kinetic.odata.metadata import Column, EntityType

_NULL = b"null"
LONGEST = 400
"""Digits before or behind the point; an exponent can ask for a thousand million of them."""
_encode = msgspec.json.encode
_decode_cells = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode


class CellWriter:
    """Builds rows out of their cells.

    Args:
        entity: the row's type.
        emitted: the columns to send.
        names: source column to sent name, where that differs.
        decimals_as_text: True writes decimals as strings, digit by digit.
    """

    def __init__(
        self,
        entity: EntityType,
        emitted: Sequence[str],
        names: Mapping[str, str],
        *,
        decimals_as_text: bool,
    ) -> None:
        self._known = frozenset(entity.columns)
        self._sent = {name: names.get(name, name) for name in emitted}
        self._judges = {
            name: _judge(entity.columns[name], as_text=decimals_as_text) for name in emitted
        }
        self._renames = any(name != sent for name, sent in self._sent.items())
        self._changing = {
            name: judge for name, judge in self._judges.items() if judge in _THAT_CHANGE
        }
        self.unknown_columns: set[str] = set()

    def write(
        self,
        row: msgspec.Raw,
        where: str,
        key: Sequence[Any],
        shape: frozenset[str],
        *,
        is_typed: bool,
    ) -> bytes:
        """The row's JSON object.

        Args:
            row: as it came.
            where: the set, for messages.
            key: the row's, for messages.
            shape: the columns that it has to have, of those that are sent.
            is_typed: the page was proved, so that only few cells can need a change.

        Raises:
            ServerFault: when a cell holds no value of its type.
        """
        cells = _decode_cells(row)
        if (cells.keys() & self._sent.keys()) != shape:
            odd = ", ".join(sorted((cells.keys() & self._sent.keys()) ^ shape))
            raise ServerFault(
                f"{where}: of the row {tuple(key)} and those before it, some have {odd} and some "
                "have not, so the answer cannot be trusted. Run again; if it stays, ask for the "
                "server's log."
            )
        if not self._sent.keys() >= cells.keys():
            unwanted = cells.keys() - self._sent.keys()
            self.unknown_columns.update(c for c in unwanted - self._known if "@" not in c)
            cells = {name: cell for name, cell in cells.items() if name not in unwanted}
        for name, judge in (self._changing if is_typed else self._judges).items():
            cell = cells.get(name)
            if cell is None or bytes(cell) == _NULL:
                continue
            try:
                cells[name] = judge(cell)
            except (ValueError, ArithmeticError) as error:
                raise ServerFault(
                    f"{where}: column {name} of the row {tuple(key)} holds "
                    f"{bytes(cell)[:60]!r}, which is no value of its type ({error}). Mend the row "
                    "in Kinetic, or deselect the column."
                ) from error
        if self._renames:
            cells = {self._sent[name]: cell for name, cell in cells.items()}
        return _encode(cells)


def _judge(column: Column, *, as_text: bool) -> Callable[[msgspec.Raw], msgspec.Raw]:
    """What a cell of this column has to be, and how it is sent."""
    edm_type = column.edm_type
    if edm_type == "Edm.DateTimeOffset":
        return _utc
    if edm_type == "Edm.Guid":
        return _guid
    if edm_type == "Edm.Decimal":
        return _decimal_text if as_text else _decimal
    return _checked(msgspec.json.Decoder(python_type(column)).decode)


def _checked(decode: Callable[[msgspec.Raw], object]) -> Callable[[msgspec.Raw], msgspec.Raw]:
    def judge(cell: msgspec.Raw) -> msgspec.Raw:
        decode(cell)
        return cell

    return judge


def _utc(cell: msgspec.Raw) -> msgspec.Raw:
    text = _decode_text(cell)
    sent = utc_text(text)
    return cell if sent == text else msgspec.Raw(_encode(sent))


def _guid(cell: msgspec.Raw) -> msgspec.Raw:
    """Unset ids may arrive as empty strings, which no UUID column takes."""
    text = _decode_text(cell)
    if text and not are_guids([text]):
        raise ValueError("no GUID")
    return cell if text else msgspec.Raw(_NULL)


def _decimal(cell: msgspec.Raw) -> msgspec.Raw:
    """Some services send decimals as strings; the digits are what counts."""
    raw = bytes(cell)
    text = _decode_text(raw) if raw.startswith(b'"') else raw.decode()
    number = Decimal(text)
    if not isfinite(float(number)) or abs(number.adjusted()) > LONGEST:
        raise ValueError("no number that a warehouse holds")
    return cell if not raw.startswith(b'"') else msgspec.Raw(format(number, "f").encode())


def _decimal_text(cell: msgspec.Raw) -> msgspec.Raw:
    raw = bytes(_decimal(cell))
    if b"e" in raw or b"E" in raw:
        raw = format(Decimal(raw.decode()), "f").encode()
    return msgspec.Raw(b'"' + raw + b'"')


_THAT_CHANGE = {_utc, _guid, _decimal_text}
