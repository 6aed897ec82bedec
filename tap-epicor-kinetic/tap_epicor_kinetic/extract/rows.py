"""Rows as they are sent: RECORD lines with the server's own bytes, lineage added.

A page whose rows need no change goes through as bytes (`splice`); any other takes the careful path,
cell by cell (`cells`). Both give the same lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from tap_epicor_kinetic.errors import ServerFault
from tap_epicor_kinetic.odata.literals import encode_segment, key_predicate
from tap_epicor_kinetic.odata.payload import ABSENT, PageDecoder, UnreadableRowError

from .cells import CellWriter
from .row_types import RowTypes, end_in_z
from .splice import (
    Edits,
    apply_edits,
    are_guids,
    are_plain_utc,
    are_utc,
    row_spans,
    utc_edits,
)

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

    from tap_epicor_kinetic.odata.metadata import EntityType
    from tap_epicor_kinetic.odata.payload import Page

ROW_ID = "SysRowID"
_encode = msgspec.json.encode
_PARTS, _BATCH = 7, 64
_NO_ID = (None, "", ABSENT)
_MOST_EXCISIONS = 8
"""Cutting out more unwanted columns than this costs more than building the row anew."""


@dataclass(frozen=True)
class Lineage:
    """What is the same for all rows of one set, company and run.

    Attributes:
        instance: the root of the tenant, without a trailing slash.
        company: the company in whose path the row was read.
        set_url: the address of the entity set; the row's own is made of it and the key. None where
            a row has no address of its own (BAQs).
        run_id: the run.
    """

    instance: str
    company: str
    set_url: str | None
    run_id: str


class RowWriter:
    """Turns pages into RECORD lines.

    Args:
        stream: the stream's name.
        entity: the row's type.
        emitted: the columns to send.
        names: source column to sent name, where that differs.
        lineage: for the added columns.
        steering: columns that the read needs; decoded in the same pass.
        decimals_as_text: True writes decimals as strings, digit by digit.
    """

    def __init__(
        self,
        stream: str,
        entity: EntityType,
        emitted: Sequence[str],
        lineage: Lineage,
        *,
        steering: Sequence[str] = (),
        names: Mapping[str, str] | None = None,
        decimals_as_text: bool = False,
    ) -> None:
        self._entity = entity
        self._emitted = frozenset(emitted)
        self._lineage = lineage
        self._has_row_id = ROW_ID in entity.columns
        types = {name: entity.columns[name].edm_type for name in emitted}
        self._times = [name for name in emitted if types[name] == "Edm.DateTimeOffset"]
        self._guids = [name for name in emitted if types[name] == "Edm.Guid"]
        needed = [*entity.key, *steering]
        row_id = [ROW_ID] if self._has_row_id else []
        self._unwanted = [name for name in entity.columns if name not in self._emitted]
        renames = any(sent != name for name, sent in (names or {}).items())
        has_text_decimals = decimals_as_text and "Edm.Decimal" in types.values()
        self._may_splice = not renames and not has_text_decimals
        excised = self._unwanted if len(self._unwanted) <= _MOST_EXCISIONS else []
        self._excised = excised
        self._is_decoded = {name for name in excised if name in {*needed, *row_id}}
        # Times that steer are texts, for they are compared; of others it counts what they are.
        self._moments = [name for name in self._times if name not in needed]
        optional = [*row_id, *self._guids]
        self.decoder = PageDecoder(entity, needed, optional, excised, self._moments, emitted)
        self._texts = PageDecoder(entity, (), self._times)
        self._types = RowTypes(entity, emitted, {*emitted, *excised})
        self._cells = CellWriter(entity, emitted, names or {}, decimals_as_text=decimals_as_text)
        self._before = _encode({"type": "RECORD", "stream": stream})[:-1] + b',"record":'
        self.unknown_columns: set[str] = set()

    def lines(
        self, page: Page, kept: Sequence[int], closed: Container[int], gone: str, synced_at: str
    ) -> Iterator[bytes]:
        """The RECORD lines of a page, some at a time: small pieces of memory are used again.

        Args:
            page: decoded by this writer's `decoder`.
            kept: the rows to send, by index, in this order.
            closed: those of them that are retracted.
            gone: when they were retracted.
            synced_at: the time of this page.
        """
        if not kept:
            return
        bodies: Sequence[Any] | None = self._spliced(page, kept)
        if bodies is None:
            bodies = list(self._careful(page, kept))
        head, middle, opened, ended = self._constants(gone, synced_at)
        marks = [ended if n in closed else opened for n in kept] if closed else [opened] * len(kept)
        ids, addresses = self._ids(page), self._addresses(page)
        if len(kept) < len(page):
            ids, addresses = ([values[i] for i in kept] for values in (ids, addresses))
        rows = len(kept)
        parts: list[Any] = [b""] * (_PARTS * rows)
        parts[0::_PARTS] = [self._before] * rows
        parts[1::_PARTS] = bodies
        parts[2::_PARTS] = [head] * rows
        parts[3::_PARTS] = ids
        parts[4::_PARTS] = [middle] * rows
        parts[5::_PARTS] = addresses
        parts[6::_PARTS] = marks
        for start in range(0, len(parts), _PARTS * _BATCH):
            yield b"".join(parts[start : start + _PARTS * _BATCH])

    def _spliced(self, page: Page, kept: Sequence[int]) -> list[Any] | None:
        """The rows without their closing braces, as they came; None where that cannot be."""
        spans = row_spans(page.body, len(page)) if self._may_splice else None
        if spans is None or not self._types.prove(spans):
            return None
        edits = self._edits(page, spans)
        if edits is None or (edits and not apply_edits(spans, edits)):
            return None
        if len(kept) == len(spans):
            return spans
        return [spans[index] for index in kept]

    def _edits(self, page: Page, spans: Sequence[Any]) -> Edits | None:
        """What has to change in rows that otherwise go through; None where that is no edit."""
        edits: Edits = {}
        if not all(are_guids(page.column(name)) for name in self._guids):
            return None
        steering = [name for name in self._times if name not in self._moments]
        moments = {name: page.column(name) for name in self._moments}
        is_utc = all(are_plain_utc(page.column(name)) for name in steering)
        if not (is_utc and all(map(are_utc, moments.values())) and end_in_z(spans, moments)):
            texts = self._texts(page.body)
            for name in self._times:
                if not utc_edits(name, texts.column(name), edits):
                    return None
        for name in self._excised:
            member = f'"{name}":'.encode()
            for index, cell in enumerate(page.column(name)):
                if cell is ABSENT:
                    continue
                raw = _encode(cell) if name in self._is_decoded else bytes(cell)
                if raw:
                    edits.setdefault(index, []).append((member + raw, b""))
        return edits

    def _careful(self, page: Page, kept: Sequence[int]) -> Iterator[bytes]:
        try:
            rows = page.value
        except UnreadableRowError as error:
            raise ServerFault(f"{self._entity.name}: {error}. Run again.") from error
        where = self._lineage.set_url or self._entity.name
        keys = list(zip(*(page.column(name) for name in self._entity.key), strict=True))
        is_typed = self._types.prove([memoryview(row)[:-1] for row in rows])
        for index in kept:
            row = self._cells.write(
                rows[index], where, keys[index], self._types.shape, is_typed=is_typed
            )
            yield row[:-1]
        self.unknown_columns |= self._cells.unknown_columns

    def _constants(self, gone: str, synced_at: str) -> tuple[bytes, bytes, bytes, bytes]:
        """What stands between a row's members, its id, its address and the end of the line."""
        lineage = self._lineage
        head = _encode(
            {
                "_epicor_instance": lineage.instance,
                "_epicor_company": lineage.company,
                "_epicor_synced_at": synced_at,
                "_epicor_run_id": lineage.run_id,
            }
        )
        url = b"null" if lineage.set_url is None else _encode(f"{lineage.set_url}(")[:-1]
        close = b"" if lineage.set_url is None else b')"'
        end = b'},"time_extracted":' + _encode(synced_at) + b"}\n"
        return (
            b"," + head[1:-1] + b',"_epicor_source_id":',
            b',"_epicor_source_url":' + url,
            close + b',"_sdc_deleted_at":null' + end,
            close + b',"_sdc_deleted_at":' + _encode(gone) + end,
        )

    def _ids(self, page: Page) -> list[bytes]:
        """`SysRowID` where a row has one, else its key, as JSON."""
        ids: list[Any] = page.column(ROW_ID) if self._has_row_id else [None] * len(page)
        if all(ids) and are_guids(ids):
            return ('"' + '"\n"'.join(ids) + '"').encode().split(b"\n")
        columns = [page.column(name) for name in self._entity.key]
        return [
            _encode(self._predicate(columns, n) if row_id in _NO_ID else row_id)
            for n, row_id in enumerate(ids)
        ]

    def _addresses(self, page: Page) -> list[bytes]:
        """Key predicates, percent-encoded."""
        if self._lineage.set_url is None:
            return [b""] * len(page)
        columns = self._entity.columns
        texts = [_literals(page.column(name), columns[name].edm_type) for name in self._entity.key]
        return "\n".join(map(",".join, zip(*texts, strict=True))).encode().split(b"\n")

    def _predicate(self, columns: Sequence[Sequence[Any]], index: int) -> str:
        """The row's key as OData writes it, `'EPIC06',1001`."""
        entity = self._entity
        return key_predicate(
            [
                (column[index], entity.columns[name].edm_type)
                for name, column in zip(entity.key, columns, strict=True)
            ]
        )


def _literals(values: Sequence[Any], edm_type: str) -> list[str]:
    """Key values as they stand in an address; most are numbers or plain words."""
    if values.count(values[0]) == len(values):  # the company
        return [encode_segment(key_predicate([(values[0], edm_type)]))] * len(values)
    if edm_type == "Edm.String":
        return [
            f"'{value}'"
            if value is not None and value.isascii() and value.isalnum()
            else encode_segment(key_predicate([(value, edm_type)]))
            for value in values
        ]
    if values and set(map(type, values)) == {int}:
        return list(map(str, values))
    return [encode_segment(key_predicate([(value, edm_type)])) for value in values]
