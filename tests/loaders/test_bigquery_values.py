"""Which number goes whole into which column of BigQuery."""

from decimal import Context, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kinetic_target_bigquery.values import DIGITS, goes_whole, integer, plain_test

ALL_DIGITS = Context(prec=1000)


@given(st.decimals(allow_nan=False, allow_infinity=False), st.sampled_from(list(DIGITS)))
def test_a_decimal_goes_where_it_is_not_rounded(number, kind):
    whole, scale = DIGITS[kind]
    exact = number == 0 or (
        number.adjusted() < whole and number.normalize(ALL_DIGITS).as_tuple().exponent >= -scale
    )
    texts = [str(number), f"{number:f}"] if abs(number.adjusted()) < 60 else [str(number)]

    assert [goes_whole(kind, text) for text in texts] == [exact] * len(texts)
    assert exact or not any(plain_test(kind)(text) for text in texts)


def test_a_third_goes_into_bignumeric_and_not_into_numeric():
    third = "0.333333333333"

    assert [goes_whole(kind, third) for kind in ("NUMERIC", "BIGNUMERIC")] == [False, True]
    assert goes_whole("NUMERIC", "0.3333333330000")


def test_a_digit_too_many_is_seen_however_many_there_are():
    assert goes_whole("BIGNUMERIC", "0." + "1" * 38)
    assert not goes_whole("BIGNUMERIC", "0." + "1" * 39)
    assert not goes_whole("NUMERIC", "1" * 29 + "." + "1" * 10)


@pytest.mark.parametrize("text", ["0", "-12.5", "123456789012345.678", "0.123456789"])
def test_a_usual_amount_is_seen_at_a_glance(text):
    assert plain_test("NUMERIC")(text)


@pytest.mark.parametrize("value", ["", "many", "NaN", "Infinity", "1,5", "--1", True])
def test_what_is_no_number_goes_nowhere(value):
    assert goes_whole("NUMERIC", value) is False
    assert not plain_test("NUMERIC")(str(value))
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
