"""Times as servers send them: no digit lost, no due date moved to the day before."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_epicor_kinetic.odata.timestamps import parse_timestamp

OFFSETS = st.integers(-14 * 60, 14 * 60)


def spelled(moment: datetime, fraction: str, minutes: int) -> str:
    sign, size = ("-" if minutes < 0 else "+"), abs(minutes)
    tail = f".{fraction}" if fraction else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{tail}{sign}{size // 60:02}:{size % 60:02}"


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("2026-09-30T00:00:00Z", "2026-09-30T00:00:00Z"),
        ("2026-09-30T00:00:00+10:00", "2026-09-30T00:00:00Z"),
        ("2026-09-30T00:00:00-05:00", "2026-09-30T00:00:00Z"),
        ("2026-09-30T00:00:00.000-05:00", "2026-09-30T00:00:00Z"),
        ("2017-11-28T00:00:00", "2017-11-28T00:00:00Z"),
        ("2023-04-11T21:23:44.087+10:00", "2023-04-11T11:23:44.087Z"),
        ("2023-04-11T21:23:44.1234567+10:00", "2023-04-11T11:23:44.1234567Z"),
        ("2023-04-11T00:00:00.001+10:00", "2023-04-10T14:00:00.001Z"),
        ("0001-01-01T00:00:00+10:00", "0001-01-01T00:00:00Z"),
    ],
)
def test_a_time_is_sent_in_utc_and_a_midnight_keeps_its_day(text, sent):
    assert parse_timestamp(text).singer() == sent


@given(
    st.datetimes(datetime(1900, 1, 2), datetime(2200, 1, 1)).map(
        lambda m: m.replace(microsecond=0)
    ),
    st.text("0123456789", max_size=7),
    OFFSETS,
)
def test_the_instant_and_every_digit_of_the_fraction_survive(moment, fraction, minutes):
    stamp = parse_timestamp(spelled(moment, fraction, minutes))

    assert stamp.second == moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert stamp.fraction == fraction
    assert parse_timestamp(stamp.utc()).utc() == stamp.utc()


@given(st.lists(st.text("0123456789", max_size=7), min_size=2, max_size=2))
def test_order_follows_the_fraction_whatever_its_length(fractions):
    first, second = (parse_timestamp(f"2026-01-01T10:00:00.{f or '0'}Z") for f in fractions)

    by_value = float(f"0.{fractions[0] or '0'}") <= float(f"0.{fractions[1] or '0'}")
    assert (first <= second) == by_value


def test_the_first_year_keeps_its_zeros():
    assert parse_timestamp("0001-01-01T10:00:00Z").text() == "0001-01-01T10:00:00Z"


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01T00:00:00Z", "20260101"])
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError):
        parse_timestamp(text)
