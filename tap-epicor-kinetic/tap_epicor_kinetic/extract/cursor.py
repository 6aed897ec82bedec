"""The column that tells what changed, and arithmetic on its values: numbers, instants, days."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from tap_epicor_kinetic.errors import ServerFault
from tap_epicor_kinetic.odata.timestamps import Timestamp, from_datetime, parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tap_epicor_kinetic.odata.metadata import Column

CursorValue = int | Timestamp

ROW_VERSION = "SysRevID"
_DAY_GRANULAR = {"ChangeDate"}
"""Holds midnights on many tenants, with the time apart in `ChangeTime` or nowhere."""
_INTEGERS = {"Edm.Int16", "Edm.Int32", "Edm.Int64"}
_TIMES = {"Edm.DateTimeOffset", "Edm.Date"}
_ONE_DAY = timedelta(days=1)
_T, _ZONE = len("2026-11-21"), len("+10:00")
_FIRST_SECOND = datetime(1, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Cursor:
    """A replication key."""

    column: Column

    @staticmethod
    def fits(column: Column) -> bool:
        """Whether a column's type can be a replication key at all."""
        return column.edm_type in _INTEGERS | _TIMES

    @property
    def is_number(self) -> bool:
        """A row version or counter: it has no clock."""
        return self.column.edm_type in _INTEGERS

    @property
    def is_day(self) -> bool:
        """Only whole days can be told apart, so a whole last day is read again."""
        return self.column.edm_type == "Edm.Date" or self.column.name in _DAY_GRANULAR

    def read(self, raw: object) -> CursorValue | None:
        """A value out of a row or out of STATE."""
        if raw is None or self.is_number:
            return raw if isinstance(raw, int) else None
        return parse_timestamp(str(raw)) if raw else None

    def keep(self, value: CursorValue | None) -> int | str | None:
        """The form that is kept in STATE and in the audit."""
        return value.text() if isinstance(value, Timestamp) else value

    def less(self, value: CursorValue, seconds: int) -> CursorValue:
        """Where a run starts that overlaps the previous one; row versions have no seconds."""
        if isinstance(value, int):
            return value
        start = _back(value.second, timedelta(seconds=seconds))
        if self.is_day:
            start = start.replace(hour=0, minute=0, second=0)
        if not value.has_zone:
            start = _back(start, _ONE_DAY)  # no zone is more than a day away from UTC
        return from_datetime(start) if seconds or self.is_day or not value.has_zone else value


def _back(moment: datetime, delta: timedelta) -> datetime:
    return _FIRST_SECOND if moment - _FIRST_SECOND < delta else moment - delta


def lower(first: CursorValue | None, second: CursorValue | None) -> CursorValue | None:
    """The lower of two values of one cursor; None stands for "not known" and does not count."""
    if first is None or second is None:
        return second if first is None else first
    return first if _not_above(first, second) else second


def higher(first: CursorValue | None, second: CursorValue | None) -> CursorValue | None:
    """The higher of two values of one cursor, None where neither is known."""
    if first is None or second is None:
        return second if first is None else first
    return second if _not_above(first, second) else first


def is_at_least(value: CursorValue, bound: CursorValue) -> bool:
    """Whether a filter `ge bound` lets a value pass, judged as leniently as its zone is known."""
    if isinstance(value, Timestamp) and isinstance(bound, Timestamp):
        floor = replace(bound, fraction="")  # literals carry whole seconds
        if not value.has_zone:
            floor = replace(floor, second=_back(floor.second, _ONE_DAY))
        return floor <= value
    return _not_above(bound, value)


def extremes(cursor: Cursor, raw: Sequence[Any]) -> tuple[CursorValue, CursorValue] | None:
    """The lowest and the highest of a page's values, None where no row has one.

    Texts of times in one format are in the order of their times, so only few have to be read.
    """
    if cursor.is_number:
        numbers = [value for value in raw if value is not None]
        return (min(numbers), max(numbers)) if numbers else None
    present = list(filter(None, raw))
    if not present:
        return None
    try:
        candidates = [
            parse_timestamp(text)
            for texts in _by_format(present)
            for text in (min(texts), max(texts))
        ]
    except ValueError as error:
        raise ServerFault(
            f"The replication key {cursor.column.name} holds what is no time: {error}. Mend the "
            "row in Kinetic, or choose another replication_key in `stream_options`."
        ) from error
    return min(candidates), max(candidates)


def _by_format(texts: list[str]) -> Iterable[list[str]]:
    """Texts that compare like their times: of one length, separator and zone."""
    lengths = set(map(len, texts))
    if len(lengths) == 1 and min(lengths) > _T:
        shapes = set(map(itemgetter(_T, -1), texts))
        if len(shapes) == 1 and shapes.pop()[1] == "Z":
            return [texts]
    formats: dict[tuple[int, str, str], list[str]] = {}
    for text in texts:
        zone = "Z" if text[-1] in "zZ" else text[-_ZONE:]
        formats.setdefault((len(text), text[_T : _T + 1], zone), []).append(text)
    return formats.values()


def _not_above(first: CursorValue, second: CursorValue) -> bool:
    if isinstance(first, Timestamp) and isinstance(second, Timestamp):
        return first <= second
    if isinstance(first, int) and isinstance(second, int):
        return first <= second
    raise TypeError(f"{first!r} and {second!r} are not values of one cursor")
