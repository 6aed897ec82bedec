"""What a column holds and what it would have to hold; nothing is guessed, nothing is rounded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any

from kinetic_target_snowflake.errors import GuardError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DECIMAL = "x-singer.decimal"
_MOST_DIGITS = 38
_LONGEST_TEXT = 16_777_216
_ONE_NAME = {
    "DECIMAL": "NUMBER",
    "INTEGER": "NUMBER",
    "DOUBLE": "FLOAT",
    "STRING": "VARCHAR",
    "TEXT": "VARCHAR",
    "CHAR": "VARCHAR",
}
_INSTANT = re.compile(
    r"(?P<day>[\d-]{10})[T ](?P<clock>[\d:]{5,8})(?:\.(?P<fraction>\d+))?"
    r"(?:Z|(?P<hours>[+-]\d\d):?(?P<minutes>\d\d))",
    re.IGNORECASE | re.ASCII,
)
_FINEST = 9
"""Digits behind a second's point that Snowflake keeps."""
_TYPE = re.compile(r"(?P<name>[A-Z_]+)(?:\((?P<first>\d+)(?:, ?(?P<second>\d+))?\))?")


@dataclass(frozen=True)
class ColumnType:
    """A type of Snowflake's."""

    name: str
    size: int = 0
    """Digits of a NUMBER, characters of a VARCHAR."""
    scale: int = 0
    """Digits behind the point."""

    def __str__(self) -> str:
        if self.name == "NUMBER":
            return f"NUMBER({self.size}, {self.scale})"
        return f"VARCHAR({self.size})" if self.name == "VARCHAR" else self.name

    def widened(self, wanted: ColumnType) -> ColumnType | None:
        """The narrowest type that holds what either does; None where there is none."""
        if self.name != wanted.name:
            return None
        if self.name == "VARCHAR":
            return max(self, wanted, key=lambda each: each.size)
        if self.name != "NUMBER":
            return self
        scale = max(self.scale, wanted.scale)
        size = scale + max(self.size - self.scale, wanted.size - wanted.scale)
        return ColumnType("NUMBER", size, scale) if size <= _MOST_DIGITS else None


def read_type(text: str) -> ColumnType:
    """A type as SQLAlchemy or Snowflake writes it."""
    found = _TYPE.match(text.upper())
    if found is None:
        return ColumnType(text)
    name = _ONE_NAME.get(found["name"], found["name"])
    if name == "NUMBER":
        return ColumnType(name, int(found["first"] or _MOST_DIGITS), int(found["second"] or 0))
    if name == "VARCHAR":
        return ColumnType(name, int(found["first"] or _LONGEST_TEXT))
    return ColumnType(name)


def change(column: str, stored: str, wanted: str) -> tuple[ColumnType, ColumnType] | None:
    """What a column is and what it has to become; None where it holds every value as it is.

    Raises:
        GuardError: when no type of Snowflake's keeps what is stored and what would come.
    """
    now, then = read_type(stored), read_type(wanted)
    wider = now.widened(then)
    if wider is None:
        raise GuardError(
            f"column {column} is {now} in Snowflake and would have to be {then}, which would "
            "change or cut what is stored; rename or drop the column in Snowflake, then load the "
            "stream anew (`meltano run --full-refresh`)"
        )
    return None if wider == now else (now, wider)


def check_decimal(column: str, schema: Mapping[str, Any]) -> None:
    """A declared decimal has to fit into a NUMBER.

    Raises:
        GuardError: when it does not, or does not say how wide it is.
    """
    size, scale = schema.get("precision"), schema.get("scale")
    if size is None or scale is None:
        raise GuardError(
            f"column {column} is a decimal without precision or scale, which Snowflake would round "
            "to whole numbers; cast it in a stream map, or deselect it"
        )
    if size > _MOST_DIGITS:
        raise GuardError(
            f"column {column} is a decimal of {size} digits, and Snowflake holds {_MOST_DIGITS}; "
            "deselect it"
        )


def decimal_test(size: int, scale: int) -> Callable[[str], bool]:
    """Whether a number in digits goes into NUMBER(size, scale) without being rounded."""
    whole = size - scale
    plain = re.compile(rf"[+-]?(?=\.?\d)0*\d{{0,{whole}}}(?:\.\d{{0,{scale}}}0*)?").fullmatch

    def fits(text: str) -> bool:
        if plain(text):
            return True
        try:
            number = Decimal(text).normalize(Context(prec=len(text) or 1))  # 28 digits otherwise
        except ArithmeticError:
            return False
        exponent = number.as_tuple().exponent
        return isinstance(exponent, int) and -exponent <= scale and number.adjusted() < whole

    return fits


def number_of(schema: Mapping[str, Any]) -> ColumnType | None:
    """The NUMBER that a property goes into; None where it is something else."""
    if schema.get("format") == DECIMAL:
        if {"precision", "scale"} <= schema.keys():
            return ColumnType("NUMBER", schema["precision"], schema["scale"])
        return None
    given = schema.get("type", ())
    kinds = {given} if isinstance(given, str) else set(given)
    return ColumnType("NUMBER", _MOST_DIGITS) if kinds - {"null"} == {"integer"} else None


def one_value(schema: Mapping[str, Any]) -> Callable[[Any], object]:
    """What makes two values of a column equal that Snowflake takes for one."""
    if schema.get("format") == "date-time":
        return _instant
    return _number if number_of(schema) else _as_it_is


def _number(value: object) -> Decimal:
    return Decimal(str(value))


def _instant(value: object) -> object:
    """A TIMESTAMP_TZ is its instant, whatever the offset; without one, nobody knows it here."""
    found = _INSTANT.fullmatch(str(value))
    if found is None:
        return value
    offset = f"{found['hours']}:{found['minutes']}" if found["hours"] else "+00:00"
    try:
        second = datetime.fromisoformat(f"{found['day']}T{found['clock']}{offset}")
    except ValueError:  # which Snowflake refuses
        return value
    return second, (found["fraction"] or "")[:_FINEST].rstrip("0")


def _as_it_is(value: object) -> object:
    return value
