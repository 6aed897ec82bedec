"""Rows as they are sent: dates in UTC, lineage added, everything else the server's own bytes."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from tap_epicor_kinetic.errors import ServerFault
from tap_epicor_kinetic.odata.literals import encode_segment, key_predicate
from tap_epicor_kinetic.odata.timestamps import parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tap_epicor_kinetic.odata.metadata import Column, EntityType

ROW_ID = "SysRowID"
_NULL = b"null"
_PLAIN_UTC = b'Z"'
_encode = msgspec.json.encode
_decode_text = msgspec.json.Decoder(str).decode
_decode_cells = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Peek:
    """Decodes only the columns that steer a read: position, replication key, flags."""

    def __init__(self, entity: EntityType, columns: Iterable[str]) -> None:
        self._entity = entity.name
        self._columns = tuple(dict.fromkeys(columns))
        fields = [
            (f"f{n}", _python_type(entity.columns[column]), msgspec.field(name=column))
            for n, column in enumerate(self._columns)
        ]
        self._decode = msgspec.json.Decoder(msgspec.defstruct("Peeked", fields)).decode

    def __call__(self, rows: Iterable[msgspec.Raw]) -> list[dict[str, Any]]:
        """The steering values of a page's rows, by column.

        Raises:
            ServerFault: when a row lacks one of them; a missing flag must not pass for "open".
        """
        astuple, columns, decode = msgspec.structs.astuple, self._columns, self._decode
        try:
            return [dict(zip(columns, astuple(decode(row)), strict=True)) for row in rows]
        except msgspec.ValidationError as error:
            raise ServerFault(
                f"A row of {self._entity} cannot be read: {error}. Fields are numbered in the "
                f"order {', '.join(self._columns)}; compare them with the service's $metadata."
            ) from error


def _python_type(column: Column) -> Any:  # noqa: ANN401 - a type expression
    if column.edm_type in {"Edm.Byte", "Edm.SByte", "Edm.Int16", "Edm.Int32", "Edm.Int64"}:
        return int | None
    if column.edm_type == "Edm.Decimal":
        return Decimal | None
    return bool | None if column.edm_type == "Edm.Boolean" else str | None


@dataclass(frozen=True)
class Lineage:
    """What is the same for all rows of one set, company and run.

    Attributes:
        instance: the root of the tenant, without a trailing slash.
        company: the company in whose path the row was read.
        set_url: the address of the entity set; the row's own is made of it and the key.
        run_id: the run.
    """

    instance: str
    company: str
    set_url: str
    run_id: str


class RowWriter:
    """Turns raw rows into the JSON objects of RECORD messages.

    Args:
        entity: the row's type.
        emitted: the columns to send.
        lineage: for the added columns.
        decimals_as_text: True writes decimals as strings, digit by digit.
    """

    def __init__(
        self,
        entity: EntityType,
        emitted: Sequence[str],
        lineage: Lineage,
        *,
        decimals_as_text: bool,
    ) -> None:
        self._emitted = frozenset(emitted)
        self._known = frozenset(entity.columns)
        self._lineage = lineage
        self._key = [(name, entity.columns[name].edm_type) for name in entity.key]
        self._peek_key = Peek(entity, entity.key)
        self._fixers = {
            name: fixer
            for name in emitted
            if (fixer := _fixer(entity.columns[name], decimals_as_text=decimals_as_text))
        }
        self.unknown_columns: set[str] = set()

    def write(
        self, rows: Sequence[msgspec.Raw], deleted_at: Sequence[str | None], synced_at: str
    ) -> list[bytes]:
        """The JSON objects of a page, in its order.

        Args:
            rows: as they came.
            deleted_at: per row, when it was retracted, or None.
            synced_at: the time of this page, for all of its rows.
        """
        keys = self._peek_key(rows)
        before = _encode(
            {"_epicor_instance": self._lineage.instance, "_epicor_company": self._lineage.company}
        )[1:-1]
        after = _encode({"_epicor_synced_at": synced_at, "_epicor_run_id": self._lineage.run_id})[
            1:-1
        ]
        return [
            self._write_row(row, key, before, after, gone)
            for row, key, gone in zip(rows, keys, deleted_at, strict=True)
        ]

    def _write_row(
        self,
        row: msgspec.Raw,
        key: Mapping[str, Any],
        before: bytes,
        after: bytes,
        gone: str | None,
    ) -> bytes:
        cells = _decode_cells(row)
        row_id = _text(cells.get(ROW_ID))
        if not self._emitted.issuperset(cells):
            self.unknown_columns.update(c for c in cells.keys() - self._known if "@" not in c)
            cells = {name: cell for name, cell in cells.items() if name in self._emitted}
        for name, fix in self._fixers.items():
            cell = cells.get(name)
            if cell is not None:
                cells[name] = self._fix(name, fix, cell, key)
        address = key_predicate([(key[name], edm_type) for name, edm_type in self._key])
        source = _encode(
            {
                "_epicor_source_id": row_id or address,
                "_epicor_source_url": f"{self._lineage.set_url}({encode_segment(address)})",
                "_sdc_deleted_at": gone,
            }
        )
        body = _encode(cells)
        comma = b"," if cells else b""
        return b"".join((body[:-1], comma, before, b",", after, b",", source[1:]))

    def _fix(
        self,
        name: str,
        fix: Callable[[msgspec.Raw], msgspec.Raw],
        cell: msgspec.Raw,
        key: Mapping[str, Any],
    ) -> msgspec.Raw:
        try:
            return fix(cell)
        except (ValueError, ArithmeticError) as error:
            raise ServerFault(
                f"{self._lineage.set_url}: column {name} of the row {tuple(key.values())} holds "
                f"{bytes(cell)[:60]!r}, which is no value of its type ({error}). Mend the row in "
                "Kinetic, or deselect the column."
            ) from error


def _text(cell: msgspec.Raw | None) -> str | None:
    if cell is None or bytes(cell) == _NULL:
        return None
    return _decode_text(cell)


def _fixer(
    column: Column, *, decimals_as_text: bool
) -> Callable[[msgspec.Raw], msgspec.Raw] | None:
    """What has to be changed in a cell of this column, None where nothing has."""
    if column.edm_type == "Edm.DateTimeOffset":
        return _utc
    if column.edm_type == "Edm.Guid":
        return _empty_is_null
    if column.edm_type == "Edm.Decimal" and decimals_as_text:
        return _quoted
    return None


def _utc(cell: msgspec.Raw) -> msgspec.Raw:
    raw = bytes(cell)
    if raw.endswith(_PLAIN_UTC) or raw == _NULL:
        return cell
    text = _decode_text(raw)
    return msgspec.Raw(_encode(parse_timestamp(text).singer() if text else None))


def _empty_is_null(cell: msgspec.Raw) -> msgspec.Raw:
    """Unset ids may arrive as empty strings, which no UUID column takes."""
    return msgspec.Raw(_NULL) if bytes(cell) == b'""' else cell


def _quoted(cell: msgspec.Raw) -> msgspec.Raw:
    raw = bytes(cell)
    if raw == _NULL or raw.startswith(b'"'):
        return cell
    if b"e" in raw or b"E" in raw:
        raw = format(Decimal(raw.decode()), "f").encode()
    return msgspec.Raw(b'"' + raw + b'"')
