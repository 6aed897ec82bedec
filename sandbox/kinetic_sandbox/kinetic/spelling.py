"""How values are spelt on the wire: exact numbers, three kinds of midnight, offsets."""

from __future__ import annotations

import json
import re
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kinetic_sandbox.kinetic.edm import EntityFacts

TENANT_ZONE = timezone(timedelta(hours=-5))

_SHORT = 40
"""Texts up to here repeat from row to row and are worth remembering."""
_FRACTION = re.compile(r"\.\d+")


def json_bytes(value: object) -> bytes:
    """Spell one value as JSON; decimals keep every digit because no float is involved."""
    if isinstance(value, str):
        return _quoted(value) if len(value) < _SHORT else _quote(value)
    if value is None:
        return b"null"
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, Decimal):
        return format(value, "f").encode()
    return repr(value).encode()


def _quote(text: str) -> bytes:
    return json.dumps(text, ensure_ascii=False).encode()


_quoted = lru_cache(maxsize=50_000)(_quote)


def moment_text(moment: datetime) -> str:
    """Spell an instant as the tenant does: its own offset and milliseconds."""
    return moment.astimezone(TENANT_ZONE).isoformat(timespec="milliseconds")


def day_text(day: date, midnight: str) -> str:
    """Spell a date without time as midnight; the ending differs from table to table."""
    return f"{day.isoformat()}T00:00:00{midnight}"


def spelt(value: object, facts: EntityFacts) -> object:
    """Turn dates and instants into the text this table sends; leave the rest."""
    if isinstance(value, datetime):
        return moment_text(value)
    if isinstance(value, date):
        return day_text(value, facts.midnight)
    return value


@lru_cache(maxsize=200_000)
def instant(text: str) -> datetime:
    """Read a date text of any of the tenant's spellings; no offset means the tenant's zone."""
    # `fromisoformat` of Python 3.10 takes neither `Z` nor fractions of any length.
    fraction = _FRACTION.search(text)
    plain = _FRACTION.sub("", text).replace("Z", "+00:00")
    moment = datetime.fromisoformat(plain)
    if fraction:
        moment += timedelta(microseconds=int(fraction[0][1:7].ljust(6, "0")))
    return moment if moment.tzinfo else moment.replace(tzinfo=TENANT_ZONE)


def wall_clock_text(text: str) -> str:
    """Spell a date text as methods do: the tenant's wall clock, without a zone."""
    day, _, clock = text.partition("T")
    if clock.startswith("00:00:00") and "." not in clock:
        return f"{day}T00:00:00"
    local = instant(text).astimezone(TENANT_ZONE).replace(tzinfo=None)
    return local.isoformat(timespec="milliseconds" if local.microsecond else "seconds")


def day_of(text: str) -> date:
    """Read the calendar day of a date text, as it is written."""
    return date.fromisoformat(text[:10])
