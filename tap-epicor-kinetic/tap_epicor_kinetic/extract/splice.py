"""Cuts a page's body into its rows, and changes single members in place.

Everything here gives up rather than guess: where a page is not laid out as expected, the caller
takes the careful path.
"""

from __future__ import annotations

from datetime import datetime, timezone
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

from tap_epicor_kinetic.odata.payload import ABSENT
from tap_epicor_kinetic.odata.timestamps import parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence

Edits = dict[int, list[tuple[bytes, bytes]]]
"""By row: members to replace, as they stand in the body, and what comes in their place."""

_FIRST_ROW = b'"value":[{'
_BRACE = b"}"
_OPEN, _COMMA, _END = ord("{"), ord(","), ord("]")
_GUID_LENGTH, _DASHES = 36, (8, 13, 18, 23)
_GUID_BYTES = b"0123456789abcdefABCDEF-"
_zone = attrgetter("tzinfo")
_are_times = msgspec.json.Decoder(list[datetime]).decode


def row_spans(body: bytes, rows: int) -> list[Any] | None:
    """Views of the rows without their closing braces; None where they cannot be told apart.

    A flat row has one closing brace. The body is valid JSON, so if it holds one brace per row and
    one for the envelope, each of them ends a row, and none stands in a text.
    """
    start = body.find(_FIRST_ROW) + len(_FIRST_ROW) - 1
    if start < len(_FIRST_ROW) or b"\n" in body or b"\r" in body:
        return None
    view, find = memoryview(body), body.find
    spans: list[Any] = []
    append = spans.append
    for _ in range(rows):
        end = find(_BRACE, start)
        if end < 0 or body[start] != _OPEN:
            return None
        append(view[start:end])
        start = end + 2
    last = find(_BRACE, start - 1)
    is_all = last >= 0 and find(_BRACE, last + 1) < 0 and body[start - 1] == _END
    return spans if is_all else None


def apply_edits(spans: list[Any], edits: Edits) -> bool:
    """Change members of some rows; False where one was not found as expected.

    A member's name with its quotes and colon cannot stand inside a text: quotes are escaped there.
    """
    for index, changes in edits.items():
        row = bytes(spans[index])
        for old, new in changes:
            at = row.find(old)
            if at < 0:
                return False
            end = at + len(old)
            if not new and end < len(row):
                end += 1  # the comma behind it
            elif not new and row[at - 1] == _COMMA:
                at -= 1  # the last member: the comma before it
            row = row[:at] + new + row[end:]
        spans[index] = row
    return True


def are_guids(values: Sequence[Any]) -> bool:
    """Whether all of a page's values are ids as they are sent, or null."""
    texts = list(filter(None, values))  # neither null nor absent
    if "" in values or not set(map(len, texts)) <= {_GUID_LENGTH}:
        return False
    joined = "".join(texts)
    dashes = "-" * len(texts)
    return (
        all(joined[at::_GUID_LENGTH] == dashes for at in _DASHES)
        and joined.count("-") == len(_DASHES) * len(texts)
        and joined.isascii()
        and not joined.encode().translate(None, _GUID_BYTES)
    )


def are_plain_utc(values: Sequence[Any]) -> bool:
    """Whether all of a page's values are times in UTC as they are sent, or null."""
    if "" in values:
        return False
    texts = list(filter(None, values))  # neither null nor absent
    listed = ('["' + '","'.join(texts) + '"]').encode() if texts else b"[]"
    if listed.count(b'Z"') != len(texts):
        return False
    try:
        return len(_are_times(listed)) == len(texts)
    except msgspec.DecodeError:
        return False


def are_utc(values: Sequence[Any]) -> bool:
    """Whether all of a page's moments are in UTC, or null."""
    try:
        return set(map(_zone, filter(None, values))) <= {timezone.utc}
    except AttributeError:  # texts: one of them is written in no way that is usual
        return False


def utc_edits(name: str, values: Sequence[Any], edits: Edits) -> bool:
    """Add what turns a column's values into UTC; False where one is no time."""
    for index, value in enumerate(values):
        if value is None or value is ABSENT:
            continue
        try:
            member, changed = _utc_member(name, value)
        except ValueError:
            return False
        if member != changed:
            edits.setdefault(index, []).append((member, changed))
    return True


@lru_cache(maxsize=4096)
def _utc_member(name: str, text: str) -> tuple[bytes, bytes]:
    sent = utc_text(text)
    encode = msgspec.json.encode
    return (encode({name: text})[1:-1], encode({name: sent})[1:-1])


def utc_text(text: str) -> str | None:
    """A time as it is sent: UTC with `Z`; an empty text is no time.

    Raises:
        ValueError: when the text is no time.
    """
    if not text:
        return None
    moment = parse_timestamp(text)
    return text if text.endswith(("Z", "z")) else moment.singer()
