"""Date and time text as servers send it, without losing a digit or moving a calendar day.

Seen in payloads: `2026-09-30T00:00:00Z`, `2023-04-11T21:23:44.087+10:00` (fraction and the
tenant's offset) and `2017-11-28T00:00:00` (no zone, from methods and older services).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

_PATTERN = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d+))?)?\s*(Z|[+-]\d\d:?\d\d)?",
    re.IGNORECASE | re.ASCII,
)
_LAST_MINUTE = 59
_FARTHEST_ZONE = timedelta(hours=14)


@dataclass(frozen=True)
class Timestamp:
    """One point in time.

    Attributes:
        second: the whole second, in UTC.
        fraction: the digits behind the point as the server sent them, `""` where none.
        local_day: `YYYY-MM-DD` where the text is exactly midnight in its own zone, else None.
        has_zone: False where the text names no zone; `second` then reads it as UTC.
    """

    second: datetime
    fraction: str
    local_day: str | None
    has_zone: bool

    def __lt__(self, other: Timestamp) -> bool:
        return self._order() < other._order()

    def __le__(self, other: Timestamp) -> bool:
        return self._order() <= other._order()

    def _order(self) -> tuple[datetime, str]:
        # "5" and "50" are the same fraction: text comparison needs trailing zeros gone.
        return self.second, self.fraction.rstrip("0")

    def utc(self) -> str:
        """The instant in UTC with every digit of the fraction: `2023-04-11T11:23:44.087Z`."""
        fraction = f".{self.fraction}" if self.fraction else ""
        return f"{_whole_second(self.second)}{fraction}Z"

    def singer(self) -> str:
        """The form that is sent: UTC, but an exact local midnight keeps its calendar day."""
        return f"{self.local_day}T00:00:00Z" if self.local_day else self.utc()

    def text(self) -> str:
        """The form that is kept in STATE: UTC, or without a zone where the server named none."""
        return self.utc() if self.has_zone else self.utc()[:-1]


def parse_timestamp(text: str) -> Timestamp:
    """Read a date or date-time.

    Raises:
        ValueError: when the text is neither.
    """
    match = _PATTERN.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a date-time")
    day, clock, fraction, zone = match.groups()
    clock = clock or "00:00:00"
    clock = clock if len(clock) == len("00:00:00") else f"{clock}:00"
    local = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=timezone.utc)
    fraction = fraction or ""
    is_midnight = clock == "00:00:00" and not fraction.strip("0")
    try:
        second = local - _offset(zone)
    except OverflowError:  # 0001-01-01 and 9999-12-31 stand for "no date" in many rows
        second = local
    return Timestamp(second, fraction, day if is_midnight else None, has_zone=zone is not None)


def from_datetime(moment: datetime) -> Timestamp:
    """A timestamp of an aware datetime."""
    return parse_timestamp(moment.astimezone(timezone.utc).isoformat())


def _whole_second(moment: datetime) -> str:
    """`strftime` would write year 1 without its zeros."""
    return moment.replace(tzinfo=None, microsecond=0).isoformat()


def _offset(zone: str | None) -> timedelta:
    if zone is None or zone in "Zz":
        return timedelta(0)
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    offset = timedelta(hours=hours, minutes=minutes)
    if minutes > _LAST_MINUTE or offset > _FARTHEST_ZONE:
        raise ValueError(f"no place on earth has the zone {zone}")
    return -offset if zone[0] == "-" else offset
