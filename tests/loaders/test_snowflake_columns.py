"""Which number goes where in Snowflake, and which key can be read."""

from decimal import Context, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kinetic_target_snowflake.columns import (
    ColumnType,
    change,
    decimal_test,
    number_of,
    one_value,
    read_type,
)
from kinetic_target_snowflake.errors import GuardError
from kinetic_target_snowflake.key import key_body

ALL_DIGITS = Context(prec=1000)


@pytest.mark.parametrize(
    ("stored", "wanted", "becomes"),
    [
        ("DECIMAL(18, 3)", "DECIMAL(18, 3)", None),
        ("DECIMAL(18, 3)", "DECIMAL(10, 2)", None),
        ("DECIMAL(18, 3)", "DECIMAL(20, 3)", "NUMBER(20, 3)"),
        ("DECIMAL(18, 3)", "DECIMAL(10, 5)", "NUMBER(20, 5)"),
        ("DECIMAL(38, 0)", "DECIMAL", None),
        ("VARCHAR(10)", "VARCHAR(20)", "VARCHAR(20)"),
        ("VARCHAR(10)", "VARCHAR", "VARCHAR(16777216)"),
        ("VARCHAR", "VARCHAR(20)", None),
        ("VARCHAR(16777216)", "VARCHAR", None),
        ("FLOAT", "DOUBLE", None),
        ("TIMESTAMP_TZ(9)", "TIMESTAMP_TZ", None),
        ("BOOLEAN", "BOOLEAN", None),
    ],
)
def test_a_column_becomes_as_wide_as_both_need(stored, wanted, becomes):
    found = change("amount", stored, wanted)
    assert (found and str(found[1])) == becomes


@pytest.mark.parametrize(
    ("stored", "wanted"),
    [
        ("DECIMAL(38, 0)", "DECIMAL(18, 3)"),
        ("DECIMAL(38, 9)", "DECIMAL(38, 10)"),
        ("FLOAT", "DECIMAL(18, 3)"),
        ("DECIMAL(18, 3)", "FLOAT"),
        ("TIMESTAMP_NTZ(9)", "TIMESTAMP_TZ"),
        ("DATE", "TIMESTAMP_TZ"),
        ("VARCHAR", "DECIMAL"),
        ("BOOLEAN", "VARCHAR"),
    ],
)
def test_what_no_type_holds_is_refused_by_name(stored, wanted):
    with pytest.raises(GuardError, match=r"column invoices\.amount is"):
        change("invoices.amount", stored, wanted)


@given(st.decimals(allow_nan=False, allow_infinity=False), st.integers(1, 38), st.data())
def test_a_number_fits_where_it_is_not_rounded(number, size, data):
    scale = data.draw(st.integers(0, size))
    unit = Decimal(1).scaleb(-scale)
    exact = number == 0 or (
        number.adjusted() < size - scale
        and number.normalize(ALL_DIGITS).as_tuple().exponent >= unit.as_tuple().exponent
    )
    fits = decimal_test(size, scale)
    assert fits(str(number)) == exact
    if abs(number.adjusted()) < 60:
        assert fits(f"{number:f}") == exact


def test_a_digit_too_many_is_seen_however_many_there_are():
    fits = decimal_test(38, 37)
    assert fits("0." + "1" * 37)
    assert not fits("0." + "1" * 38)


@pytest.mark.parametrize("text", ["", "many", "NaN", "Infinity", "1,5", "--1"])
def test_what_is_no_number_fits_nowhere(text):
    assert decimal_test(18, 3)(text) is False


@pytest.mark.parametrize("kind", ["integer", ["integer", "null"], ["null", "integer"]])
def test_an_integer_goes_into_a_number_without_a_fraction(kind):
    assert number_of({"type": kind}) == ColumnType("NUMBER", 38, 0)
    fits = decimal_test(38, 0)
    assert [fits(text) for text in ("1", "1.0", "1.5", "0.999", "True")] == [
        True, True, False, False, False
    ]  # fmt: skip


@pytest.mark.parametrize("schema", [{}, {"type": "number"}, {"type": ["integer", "number"]}])
def test_what_is_no_integer_is_not_tested_as_one(schema):
    assert number_of(schema) is None


def test_two_spellings_of_a_number_are_one_key_and_two_texts_are_two():
    amount = {"type": "string", "format": "x-singer.decimal", "precision": 18, "scale": 3}
    assert one_value(amount)("1.0") == one_value(amount)("1.000")
    assert one_value({"type": "string"})("1.0") != one_value({"type": "string"})("1.000")


MOMENT = {"type": ["string", "null"], "format": "date-time"}


@pytest.mark.parametrize(
    "other",
    [
        "2026-03-01T00:30:00Z", "2026-03-01T00:30Z", "2026-03-01t00:30:00.000z",
        "2026-03-01T06:00:00+05:30", "2026-02-28 19:30:00.0000000001-0500",
    ],
)  # fmt: skip
def test_two_spellings_of_an_instant_are_one_key(other):
    assert one_value(MOMENT)(other) == one_value(MOMENT)("2026-03-01T00:30:00+00:00")
    assert one_value({"type": "string"})(other) == other


@pytest.mark.parametrize(
    "other",
    [
        "2026-03-01T00:30:00.000000001Z", "2026-03-01T00:30:00+00:01", "2026-03-01T00:30:00",
        "2026-13-01T00:30:00Z", "", 7,
    ],
)  # fmt: skip
def test_another_instant_or_none_is_another_key(other):
    assert one_value(MOMENT)(other) != one_value(MOMENT)("2026-03-01T00:30:00Z")


def test_a_type_that_nobody_knows_is_kept_as_it_is_written():
    assert str(read_type("GEOGRAPHY")) == "GEOGRAPHY"


@pytest.mark.parametrize("line", ["\n", "\\n", "\\\\n", "\r\n", "\\r\\n", " "])
@pytest.mark.parametrize("kind", ["PRIVATE KEY", "ENCRYPTED PRIVATE KEY"])
def test_a_key_is_read_whatever_its_line_breaks_have_become(line, kind):
    text = line.join([f"-----BEGIN {kind}-----", "QUJD", "REVG", f"-----END {kind}-----", ""])
    assert key_body(text) == "QUJDREVG"
    assert key_body(f"QUJD{line}REVG") == "QUJDREVG"
