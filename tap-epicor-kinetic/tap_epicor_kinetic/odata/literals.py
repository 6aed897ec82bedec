"""Python values as OData literals, in the one form that Kinetic servers accept.

A date-time literal with a fraction or an explicit offset is answered with HTTP 500, a quoted one
with HTTP 400, a bare date is read as a subtraction: only UTC, `Z` and whole seconds work.
"""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from urllib.parse import quote

from .timestamps import Timestamp, parse_timestamp

_QUOTED = {"Edm.String"}
_BARE_TEXT = {"Edm.Guid"}
_INTEGERS = {"Edm.Byte", "Edm.SByte", "Edm.Int16", "Edm.Int32", "Edm.Int64"}
_FRACTIONS = {"Edm.Decimal"}
COMPARABLE = _QUOTED | _INTEGERS | _FRACTIONS | {"Edm.DateTimeOffset", "Edm.Date"}
"""Types whose `gt` means the same to every server; Guid order, for one, is the database's own."""


def literal(value: object, edm_type: str) -> str:  # noqa: PLR0911 - one line per type
    """Write a value of a column of type `edm_type`.

    Raises:
        ValueError: when the type has no literal here, or the value is not of that type.
    """
    if value is None:
        return "null"
    if edm_type in _QUOTED and isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if edm_type in _BARE_TEXT and isinstance(value, str):
        return value
    if edm_type == "Edm.Boolean" and isinstance(value, bool):
        return "true" if value else "false"
    if edm_type in _INTEGERS and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if edm_type in _FRACTIONS and isinstance(value, int | Decimal) and not isinstance(value, bool):
        return format(value, "f") if isinstance(value, Decimal) else str(value)
    if edm_type == "Edm.DateTimeOffset":
        return _instant(value).replace(tzinfo=None, microsecond=0).isoformat() + "Z"
    if edm_type == "Edm.Date":
        return _instant(value).date().isoformat()
    raise ValueError(f"{value!r} cannot be written as a literal of type {edm_type}")


def _instant(value: object) -> datetime:
    """The whole second at or before a value: a filter that is floored misses nothing."""
    if isinstance(value, str):
        value = parse_timestamp(value)
    if isinstance(value, Timestamp):
        return value.second
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(timezone.utc)
    raise ValueError(f"{value!r} is not a point in time")


def key_predicate(values: list[tuple[object, str]]) -> str:
    """A row's positional key, `'EPIC06',1001`, of (value, Edm type) pairs in key order."""
    return ",".join(literal(value, edm_type) for value, edm_type in values)


def encode_segment(predicate: str) -> str:
    """Percent-encode a key predicate for a URL's path; quotes and commas stay readable."""
    return quote(predicate, safe="',=()")
