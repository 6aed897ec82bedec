"""Values as OData literals: the one form that Kinetic accepts, and nothing else."""

from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from odata_query import ast
from odata_query.grammar import ODataLexer, ODataParser
from tap_epicor_kinetic.odata.literals import key_predicate, literal

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))


def parsed(text: str):
    """The literal as an independent OData parser reads it."""
    return ODataParser().parse(ODataLexer().tokenize(f"X eq {text}")).right


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r")))
def test_any_text_survives_quoting(text):
    node = parsed(literal(text, "Edm.String"))

    assert node == ast.String(text)


@given(st.integers(-(2**63), 2**63 - 1))
def test_64_bit_integers_keep_every_digit(number):
    assert int(literal(number, "Edm.Int64")) == number


@given(st.decimals(allow_nan=False, allow_infinity=False, places=9))
def test_decimals_keep_every_digit_and_never_use_an_exponent(number):
    text = literal(number, "Edm.Decimal")

    assert Decimal(text) == number
    assert "E" not in text


@given(st.datetimes(datetime(1900, 1, 2), datetime(2200, 1, 1), timezones=ZONES))
def test_a_time_is_floored_to_a_whole_second_of_utc(moment):
    text = literal(moment, "Edm.DateTimeOffset")

    assert text.endswith("Z")
    assert "." not in text
    written = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z")
    assert timedelta(0) <= moment - written < timedelta(seconds=1)


@pytest.mark.parametrize(
    ("value", "edm_type", "expected"),
    [
        ("O'Brien", "Edm.String", "'O''Brien'"),
        (True, "Edm.Boolean", "true"),
        (None, "Edm.DateTimeOffset", "null"),
        ("2023-04-11T21:23:44.987+10:00", "Edm.DateTimeOffset", "2023-04-11T11:23:44Z"),
        ("2026-09-30T00:00:00", "Edm.DateTimeOffset", "2026-09-30T00:00:00Z"),
        ("2026-09-30", "Edm.Date", "2026-09-30"),
        (
            "b6830304-ca0b-46b5-ae0a-0055a49aed59",
            "Edm.Guid",
            "b6830304-ca0b-46b5-ae0a-0055a49aed59",
        ),
    ],
)
def test_each_type_has_its_form(value, edm_type, expected):
    assert literal(value, edm_type) == expected


@pytest.mark.parametrize(
    ("value", "edm_type"),
    [(True, "Edm.Int32"), ("1", "Edm.Int32"), (1, "Edm.String"), (1, "Erp.Colour")],
)
def test_a_value_of_another_type_is_refused(value, edm_type):
    with pytest.raises(ValueError, match=r"cannot be written|is not"):
        literal(value, edm_type)


def test_a_key_predicate_lists_values_in_key_order():
    assert key_predicate([("EPIC06", "Edm.String"), (1001, "Edm.Int32")]) == "'EPIC06',1001"
