"""Where a run starts and how far a bookmark may move."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_epicor_kinetic.extract.bookmark import Bookmark, Mark, OpenWalk
from tap_epicor_kinetic.extract.cursor import Cursor
from tap_epicor_kinetic.odata.metadata import Column
from tap_epicor_kinetic.odata.timestamps import parse_timestamp

VERSION = Cursor(Column("SysRevID", "Edm.Int64"))
UPDATED = Cursor(Column("UpdatedOn", "Edm.DateTimeOffset"))
DAY = Cursor(Column("ChangeDate", "Edm.DateTimeOffset"))
NOON = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)


def mark(minutes: float, value: int | None = None) -> Mark:
    return Mark(NOON + timedelta(minutes=minutes), value)


def after_runs(*marks: Mark) -> Bookmark:
    bookmark = Bookmark()
    for one in marks:
        bookmark.finish(VERSION, one.value, one, one.taken_at, 300)
    return bookmark


def test_a_bookmark_never_passes_the_mark_of_its_run():
    bookmark = Bookmark()

    bookmark.finish(VERSION, 900, mark(0, 800), NOON, 300)

    assert bookmark.value == 800


def test_a_bookmark_stays_at_the_highest_key_seen():
    bookmark = Bookmark()

    bookmark.finish(VERSION, 700, mark(0, 800), NOON, 300)

    assert bookmark.value == 700


def test_a_run_that_saw_nothing_keeps_the_bookmark():
    bookmark = after_runs(mark(0, 700))

    bookmark.finish(VERSION, None, mark(60, 700), NOON, 300)

    assert bookmark.value == 700


def test_a_row_stamped_ahead_of_the_servers_clock_does_not_drag_the_bookmark_along():
    bookmark = Bookmark()

    bookmark.finish(UPDATED, parse_timestamp("2999-01-01T00:00:00Z"), mark(0), NOON, 300)

    assert bookmark.value == "2026-11-21T12:00:00Z"


def test_the_fraction_of_a_time_is_kept_in_state():
    bookmark = Bookmark()

    bookmark.finish(UPDATED, parse_timestamp("2026-11-21T06:30:00.123+01:00"), mark(0), NOON, 300)

    assert bookmark.value == "2026-11-21T05:30:00.123Z"


def test_times_start_at_the_bookmark_less_the_lookback():
    bookmark = Bookmark(replication_key="UpdatedOn", value="2026-11-21T12:00:00.5Z")

    assert bookmark.start(UPDATED, 300).utc() == "2026-11-21T11:55:00Z"
    assert bookmark.start(UPDATED, 0).utc() == "2026-11-21T12:00:00.5Z"


@pytest.mark.parametrize(
    ("kept", "start"),
    [
        ("2026-11-21T00:00:00Z", "2026-11-21"),
        ("2026-11-21T05:00:00Z", "2026-11-21"),  # midnight five hours west of UTC
        ("2026-11-20T14:00:00Z", "2026-11-20"),  # midnight ten hours east of UTC
        ("2026-11-21T00:00:00", "2026-11-20"),  # no zone: a day wider
    ],
)
def test_of_a_day_column_the_whole_last_day_is_read_again(kept, start):
    bookmark = Bookmark(replication_key="ChangeDate", value=kept)

    assert bookmark.start(DAY, 0).utc().startswith(f"{start}T00:00:00")


def test_the_second_run_starts_at_the_mark_of_the_first():
    assert after_runs(mark(0, 100)).start(VERSION, 300) == 100


def test_row_versions_overlap_with_what_was_not_settled_when_the_previous_run_read():
    """A transaction that was open at 12:58 may commit below the mark of the run at 13:00."""
    bookmark = after_runs(mark(0, 100), mark(58, 190), mark(60, 200))

    assert bookmark.start(VERSION, 300) == 100


def test_without_lookback_the_previous_mark_is_settled():
    bookmark = after_runs(mark(0, 100), mark(60, 200))

    assert bookmark.start(VERSION, 0) == 200


@given(st.lists(st.tuples(st.integers(1, 5000), st.integers(0, 50)), min_size=1, max_size=60))
def test_few_marks_are_kept_and_the_start_covers_the_lookback(steps):
    bookmark, clock, version, taken = Bookmark(), NOON, 0, []
    for seconds, changes in steps:
        clock, version = clock + timedelta(seconds=seconds), version + changes
        taken.append(Mark(clock, version))
        bookmark.finish(VERSION, version, taken[-1], clock, 300)

    settled = [m.value for m in taken if m.taken_at <= clock - timedelta(seconds=300)]
    assert bookmark.start(VERSION, 300) == (settled[-1] if settled else taken[0].value)
    assert sum(m.taken_at <= clock - timedelta(seconds=300) for m in bookmark.marks) <= 20


def test_a_run_without_a_mark_of_its_own_leaves_one_of_what_it_saw():
    """Changes are read to the open end, so what was seen existed when the run ended."""
    bookmark = after_runs(mark(0, 100))

    bookmark.finish(VERSION, 200, mark(60), NOON + timedelta(minutes=70), 300)
    bookmark.finish(VERSION, 300, mark(74), NOON + timedelta(minutes=80), 300)

    assert bookmark.value == 300
    assert bookmark.start(VERSION, 300) == 100  # at 13:14 what was written at 13:10 could be open
    bookmark.finish(VERSION, 300, mark(120), NOON + timedelta(minutes=121), 300)
    assert bookmark.start(VERSION, 300) == 300


def test_a_year_of_hourly_runs_leaves_few_marks_and_any_day_can_be_replayed():
    bookmark = after_runs(*(mark(60 * hour, hour) for hour in range(24 * 365)))
    end = bookmark.marks[-1].taken_at

    assert len(bookmark.marks) < 25
    for days in (1, 30, 300):
        since, until = end - timedelta(days=days), end - timedelta(days=days / 2)
        first, last = bookmark.window(since, until, 300)
        hour = 24 * 365 - 1 - 24 * days
        assert first <= hour
        assert last is None or last >= 24 * 365 - 1 - 12 * days


def test_a_window_before_the_first_mark_has_no_versions():
    assert after_runs(mark(60, 100)).window(NOON, None, 300) is None


def test_state_survives_a_round_trip_with_a_walk_under_way():
    bookmark = after_runs(mark(0, 100), mark(60, 200))
    bookmark.walk = OpenWalk(
        "SysRevID ge 5", {"source": "S/Xs"}, [[[150], 180]], mark(61, 230), 150
    )

    assert Bookmark.read(bookmark.keep()) == bookmark


def test_fields_of_a_later_version_do_not_hurt():
    kept = {**after_runs(mark(0, 100)).keep(), "invented_later": {"x": 1}}

    assert Bookmark.read(kept) == after_runs(mark(0, 100))
