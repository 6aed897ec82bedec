"""Which number goes whole into which column; BigQuery rounds half away from zero, and says nothing.

https://cloud.google.com/bigquery/docs/reference/rest/v2/RoundingMode
"""

from __future__ import annotations

import re
from decimal import Context, Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

DIGITS = {"NUMERIC": (29, 9), "BIGNUMERIC": (38, 38)}
"""Digits before and behind the point that a type holds for certain."""
MOST_EXACT = 2**53 - 1
"""The largest number that BigQuery takes from JSON as it is, and not only as a text.

https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-json#limitations
"""
_MOST = 2**63


def plain_test(kind: str) -> Callable[[str], object]:
    """Whether a text is, at a glance, a decimal that goes into NUMERIC or BIGNUMERIC."""
    whole, scale = DIGITS[kind]
    return re.compile(rf"-?\d{{1,{whole}}}(?:\.\d{{0,{scale}}})?", re.ASCII).fullmatch


def goes_whole(kind: str, value: object) -> bool:
    """Whether a value goes into NUMERIC or BIGNUMERIC without being rounded, however written."""
    whole, scale = DIGITS[kind]
    text = str(value)
    try:
        number = Decimal(text).normalize(Context(prec=len(text) or 1))  # 28 digits otherwise
    except ArithmeticError:
        return False
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and -exponent <= scale and number.adjusted() < whole


def integer(value: object) -> int | str | None:
    """A whole number as BigQuery takes it digit by digit; None where 64 bits do not hold it."""
    try:
        number = Decimal(str(value))
    except ArithmeticError:
        return None
    if not number.is_finite() or not -_MOST <= number < _MOST or number % 1:
        return None
    whole = int(number)
    if abs(whole) <= MOST_EXACT:
        return whole
    # What was a float by now may have been another number before.
    return None if isinstance(value, float) else str(whole)
