"""Which number goes whole into which column of BigQuery."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kinetic_target_bigquery.values import DIGITS, decimal_test, integer


@given(st.decimals(allow_nan=False, allow_infinity=False), st.sampled_from(list(DIGITS)))
def test_a_decimal_goes_where_it_is_not_rounded(number, kind):
    whole, scale = DIGITS[kind]
    exact = number == 0 or (
        number.adjusted() < whole and number.normalize().as_tuple().exponent >= -scale
    )
    fits = decimal_test(kind)

    assert fits(str(number)) == exact
    if abs(number.adjusted()) < 60:
        assert fits(f"{number:f}") == exact


def test_a_third_goes_into_bignumeric_and_not_into_numeric():
    third = "0.333333333333"

    assert [decimal_test(kind)(third) for kind in ("NUMERIC", "BIGNUMERIC")] == [False, True]
    assert decimal_test("NUMERIC")("0.3333333330000")


@pytest.mark.parametrize("value", ["", "many", "NaN", "Infinity", "1,5", "--1", True])
def test_what_is_no_number_goes_nowhere(value):
    assert decimal_test("NUMERIC")(value) is False
    assert integer(value) is None


@given(st.integers(-(2**64), 2**64))
def test_an_integer_is_a_number_where_json_holds_it_and_a_text_up_to_64_bits(number):
    if abs(number) < 2**53:
        assert integer(number) == number
    elif -(2**63) <= number < 2**63:
        assert integer(number) == str(number)
    else:
        assert integer(number) is None


@pytest.mark.parametrize(
    ("value", "whole"),
    [(1.0, 1), ("7", 7), (Decimal("3.0"), 3), (1.5, None), ("0.1", None), (2.0**53, None)],
)
def test_what_is_whole_is_an_integer_however_it_came_unless_digits_may_be_lost(value, whole):
    assert integer(value) == whole
