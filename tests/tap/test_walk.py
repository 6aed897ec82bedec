"""Walks over random tables: every row is met, also while rows change, or the walk says so."""

from datetime import timedelta
from threading import Event

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from table import Table, entity
from tap_epicor_kinetic.errors import PageTooHeavy, WalkError
from tap_epicor_kinetic.extract.ahead import Ahead
from tap_epicor_kinetic.extract.bookmark import Bookmark
from tap_epicor_kinetic.extract.cursor import Cursor
from tap_epicor_kinetic.extract.reader import Reader, steering_columns
from tap_epicor_kinetic.extract.terms import NotEqual, Verbatim
from tap_epicor_kinetic.extract.walk import KeyWalk, OffsetWalk, PageSize
from tap_epicor_kinetic.extract.wanted import Wanted
from tap_epicor_kinetic.odata.payload import PageDecoder
from tap_epicor_kinetic.odata.query import Query

KEYS = st.lists(st.tuples(st.integers(0, 5), st.sampled_from("abcd")), unique=True, max_size=24)
SIZES = st.integers(1, 7)


def table(keys, *, row_version=True, **habits) -> Table:
    rows = {}
    for n, (a, b) in enumerate(keys):
        rows[a, b] = {"Company": "X", "A": a, "B": b, "Inactive": None, "Note": ""}
        if row_version:
            rows[a, b]["SysRevID"] = 6_000_000_000 + 7 * n
    return Table(entity(row_version=row_version), rows, **habits)


def key_walk(
    source: Table, size: PageSize, names=("SysRevID",), newest=None, *, ends_at_newest=False
) -> list[tuple]:
    columns = [source.entity.columns[name] for name in names]
    decoder = PageDecoder(source.entity, [*names, "A", "B"])
    walk = KeyWalk(source, Query(), columns, decoder, size, Ahead(Event()))
    walk.ends_at_newest, walk.follows = ends_at_newest, not ends_at_newest
    return [key for page in walk.pages(walk.begin(), newest) for key in keys_of(page)]


def offset_walk(source: Table, size: PageSize) -> list[tuple]:
    columns = [source.entity.columns[name] for name in ("A", "B")]
    decoder = PageDecoder(source.entity, ["A", "B"])
    walk = OffsetWalk(source, Query(), columns, decoder, size, Ahead(Event()))
    return [key for page in walk.pages(walk.begin()) for key in keys_of(page)]


def keys_of(page) -> list[tuple]:
    every = list(zip(page.page.column("A"), page.page.column("B"), strict=True))
    return [every[n] for n in page.rows]


@given(KEYS, SIZES, SIZES)
def test_a_walk_by_row_version_meets_each_row_once_whatever_the_servers_cap(keys, size, cap):
    assert key_walk(table(keys, cap=cap), PageSize(size)) == keys


@given(KEYS, SIZES, SIZES)
def test_a_walk_by_a_composite_key_passes_ties_in_its_first_column(keys, size, cap):
    source = table(keys, row_version=False, cap=cap)

    assert key_walk(source, PageSize(size), ("A", "B")) == sorted(keys)


@given(KEYS, SIZES, SIZES)
def test_a_walk_by_offset_meets_each_row_once_while_nothing_moves(keys, size, cap):
    source = table(keys, row_version=False, cap=max(cap, 2))

    assert offset_walk(source, PageSize(size)) == sorted(keys)


@settings(max_examples=300)
@given(KEYS, SIZES, st.randoms(use_true_random=False))
def test_a_walk_by_row_version_misses_no_row_that_changes_meanwhile(keys, size, random):
    newest = 7_000_000_000
    budget = 40

    def change(source: Table) -> None:
        nonlocal newest, budget
        for key in random.sample(sorted(source.rows), min(2, len(source.rows), budget)):
            newest, budget = newest + 1, budget - 1
            source.rows[key]["SysRevID"] = newest

    met = key_walk(table(keys, before_page=change), PageSize(size))

    assert set(met) == set(keys)


@settings(max_examples=300)
@given(KEYS, SIZES, st.randoms(use_true_random=False))
def test_a_walk_by_offset_misses_no_row_that_stays_while_others_vanish(keys, size, random):
    gone = set()

    def vanish(source: Table) -> None:
        if source.rows and len(gone) < len(keys) // 2:
            key = random.choice(sorted(source.rows))
            gone.add(key)
            del source.rows[key]

    met = offset_walk(table(keys, row_version=False, before_page=vanish), PageSize(size))

    assert set(keys) - gone <= set(met)


@given(KEYS, SIZES, st.randoms(use_true_random=False))
def test_pages_of_any_length_end_nothing_early(keys, size, random):
    """A gateway may cap by bytes: any page can be short."""

    def cap_by_bytes(source: Table) -> None:
        source.cap = random.randint(1, 5)

    assert key_walk(table(keys, before_page=cap_by_bytes), PageSize(size)) == keys


def test_a_short_page_ends_the_walk_only_where_it_reaches_the_newest_key():
    """And only where the next run begins there: a row that moves meanwhile moves behind it."""
    source, newest = table([(n, "a") for n in range(6)], cap=4), 6_000_000_035

    assert len(key_walk(source, PageSize(9), newest=newest, ends_at_newest=True)) == 6
    assert len(source.queries) == 2
    assert len(key_walk(source, PageSize(9), newest=newest)) == 6
    assert len(source.queries) == 5
    assert len(key_walk(source, PageSize(9), ends_at_newest=True)) == 6
    assert len(source.queries) == 8


def one_row_moves(room: int) -> Table:
    """Behind all others, long before it would be met, and after what lies far off was read."""
    versions = [*range(1, 61), 101, 103]
    source = table([(n, "a") for n in range(len(versions))], room=room)
    for row, version in zip(source.rows.values(), versions, strict=True):
        row["SysRevID"] = version

    def change(source: Table) -> None:
        if source.queries[-1].filter.endswith(("SysRevID gt 14", "SysRevID gt 16")):
            source.rows[20, "a"]["SysRevID"] = 104

    source.before_page = change
    return source


@pytest.mark.parametrize("room", [1, 2])
def test_a_row_that_moves_behind_a_range_that_has_ended_is_met(room):
    """A key sweep, a full table, a stream by time: no later run looks where such a row went."""
    source = one_row_moves(room)

    assert set(key_walk(source, PageSize(2), newest=103)) == set(source.rows)


@pytest.mark.parametrize("room", [1, 2])
def test_among_many_changes_a_row_that_moves_without_a_new_stamp_is_met(room):
    """The next run begins above its stamp, so that only this run can meet it."""
    source, bookmark = one_row_moves(room), Bookmark()
    rows, source.rows = source.rows, {(0, "a"): source.rows[0, "a"]}
    read(source, bookmark, cursor="A")
    source.rows = rows

    met = {key for key, _ in read(source, bookmark, size=2, cursor="A")}

    assert met == set(source.rows)


def test_rows_that_come_back_after_an_empty_first_page_are_met():
    source = table([(n, "a") for n in range(5)])
    rows = source.rows

    def come_back(source: Table) -> None:
        source.rows = {} if len(source.queries) == 1 else rows

    source.before_page = come_back

    assert set(key_walk(source, PageSize(3), newest=6_000_000_028)) == set(rows)


def test_a_tenant_that_never_rests_is_not_followed_for_ever():
    source = table([(n, "a") for n in range(9)])
    highest = 7_000_000_000

    def change(source: Table) -> None:
        nonlocal highest
        highest += 1
        source.rows[0, "a"]["SysRevID"] = highest

    source.before_page = change

    met = key_walk(source, PageSize(2), newest=6_000_000_056)

    assert set(met) >= source.rows.keys() - {(0, "a")}
    assert len(source.queries) < 30


@settings(max_examples=300)
@given(
    st.lists(st.integers(1, 10_000), unique=True, max_size=60),
    st.integers(1, 5), st.integers(1, 6), st.integers(1, 6),
)  # fmt: skip
def test_ranges_read_side_by_side_meet_each_row_once(versions, size, cap, room):
    """However the keys lie: a half without rows, one row at an end, a cap below `$top`."""
    source = table([(n, "a") for n in range(len(versions))], cap=cap, room=room)
    for row, version in zip(source.rows.values(), sorted(versions), strict=True):
        row["SysRevID"] = version

    met = key_walk(source, PageSize(size), newest=max(versions, default=None))

    assert sorted(met) == sorted(source.rows)


@settings(max_examples=200)
@given(st.integers(10, 60), st.integers(1, 4), st.integers(2, 6), st.integers(0, 12), st.data())
def test_a_walk_in_ranges_that_is_cut_goes_on_where_each_range_was(rows, size, room, pages, data):
    keys = [(n, "a") for n in range(rows)]
    source = table(keys, room=room)
    bookmark = Bookmark()
    reader = reader_of(source, bookmark, size)
    met = set()
    for _, page in zip(range(pages), reader.read(), strict=False):
        met |= set(keys_of(page))
        reader.sent(page)
    changed = data.draw(st.sampled_from(keys))
    source.rows[changed]["SysRevID"] = 7_000_000_000

    resumed = Bookmark.read(bookmark.keep())
    met |= {key for key, _ in read(source, resumed, size)}

    assert set(keys) - {changed} <= met
    # Where the last range was at its end by then, what moved behind it is the next run's.
    met |= {key for key, _ in read(source, Bookmark.read(resumed.keep()), size)}
    assert met == set(keys)


def test_ranges_are_only_read_side_by_side_where_there_is_room():
    keys = [(n, "a") for n in range(100)]
    alone, beside = table(keys, room=1), table(keys, room=4)

    key_walk(alone, PageSize(5), newest=6_000_000_693)
    key_walk(beside, PageSize(5), newest=6_000_000_693)

    starts = [query.filter for query in beside.queries[:5]]
    assert starts != [query.filter for query in alone.queries[:5]]
    assert len(alone.queries) == 21


@pytest.mark.parametrize("habit", ["ignores_filter", "ignores_order"])
def test_a_composite_key_that_is_not_walked_in_order_stops_the_walk(habit):
    keys = [(3, "c"), (1, "b"), (7, "a"), (2, "d"), (9, "a"), (4, "x")]

    with pytest.raises(WalkError, match="A, B"):
        key_walk(table(keys, row_version=False, **{habit: True}), PageSize(2), ("A", "B"))


def test_a_page_that_is_too_heavy_is_halved_and_read_from_the_same_key():
    keys = [(n, "a") for n in range(20)]
    source = table(keys, too_heavy=5)

    assert key_walk(source, PageSize(16)) == keys
    assert [query.top for query in source.queries[:4]] == [16, 8, 4, 4]


def test_a_single_row_that_is_too_heavy_is_told():
    with pytest.raises(PageTooHeavy):
        key_walk(table([(1, "a")], too_heavy=0), PageSize(4))


@pytest.mark.parametrize("habit", ["ignores_filter", "ignores_order"])
def test_a_server_that_ignores_filter_or_order_stops_the_walk_loudly(habit):
    keys = [(n, "a") for n in (3, 1, 2, 5, 4)]
    source = table(keys, **{habit: True})
    source.rows = dict(sorted(source.rows.items()))

    with pytest.raises(WalkError, match="stream_options"):
        key_walk(source, PageSize(2))


def test_a_server_that_ignores_skip_stops_the_walk_loudly():
    with pytest.raises(WalkError, match=r"\$skip is ignored"):
        offset_walk(table([(n, "a") for n in range(9)], ignores_skip=True), PageSize(3))


def reader_of(source: Table, bookmark: Bookmark, size: int = 3, cursor="SysRevID", **wanted):
    column = source.entity.columns.get(cursor)
    options = {"closed": None, **wanted}
    all_wanted = Wanted(source.entity, Cursor(column) if column else None, **options)
    steering = [*steering_columns(all_wanted), "A", "B"]
    decoder = PageDecoder(source.entity, steering)
    return Reader(source, all_wanted, bookmark, size, Ahead(Event()), decoder=decoder)


def read(source: Table, bookmark: Bookmark, size: int = 3, **wanted) -> list[tuple]:
    """What a run sends, as pairs of a key and whether it is retracted."""
    reader = reader_of(source, bookmark, size, **wanted)
    rows = []
    for page in reader.read():
        rows += [(key, n in page.closed) for key, n in zip(keys_of(page), page.rows, strict=True)]
        reader.sent(page)
    reader.finish()
    return rows


@settings(max_examples=300)
@given(KEYS, SIZES, st.randoms(use_true_random=False))
def test_what_closes_while_a_first_sync_runs_is_retracted_by_the_next(keys, size, random):
    source = table(keys)
    closed = NotEqual(source.entity.columns["Inactive"], value=True)
    newest = 7_000_000_000

    def close_one(table: Table) -> None:
        nonlocal newest
        still_open = [k for k, row in sorted(table.rows.items()) if not row["Inactive"]]
        if len(still_open) > len(keys) // 2:
            newest += 1
            table.rows[random.choice(still_open)].update(Inactive=True, SysRevID=newest)

    bookmark, target = Bookmark(), {}
    for habit in (close_one, lambda _: None):
        source.before_page = habit
        target.update(read(source, bookmark, size, closed=closed))

    loaded_as_open = {key for key, is_closed in target.items() if not is_closed}
    assert loaded_as_open == {key for key, row in source.rows.items() if not row["Inactive"]}


def test_a_second_run_without_changes_asks_for_one_page():
    source = table([(n, "a") for n in range(9)])
    bookmark = Bookmark()
    read(source, bookmark, size=100)
    source.queries.clear()

    again = read(source, bookmark, size=100)

    assert len(again) == 1
    assert [(query.filter, query.count) for query in source.queries] == [
        ("SysRevID ge 6000000056", True)
    ]


def test_a_server_that_does_not_count_is_asked_for_the_end():
    source = table([(n, "a") for n in range(9)], counts=False)
    bookmark = Bookmark()
    read(source, bookmark, size=100)
    source.queries.clear()

    assert len(read(source, bookmark, size=100)) == 1
    assert [query.filter for query in source.queries][1:] == [
        "SysRevID ge 6000000056 and SysRevID gt 6000000056"
    ]


@pytest.mark.parametrize("room", [1, 4])
def test_a_walk_that_the_tenant_refuses_is_done_by_key_and_that_is_remembered(room):
    keys = [(n, "a") for n in range(9)]
    source, bookmark = table(keys, refuses="SysRevID gt", room=room), Bookmark()

    assert {key for key, _ in read(source, bookmark)} == set(keys)
    assert list(bookmark.refused) == ["SysRevID gt"]
    source.queries.clear()
    again = read(source, Bookmark.read(bookmark.keep()))

    assert not any("SysRevID gt" in query.filter for query in source.queries)
    assert len(again) == 1


def test_what_was_refused_is_asked_for_again_after_a_month():
    source, bookmark = table([(n, "a") for n in range(9)], refuses="SysRevID gt"), Bookmark()
    read(source, bookmark)
    source.refuses, source.server_time = "", source.server_time + timedelta(days=31)

    read(source, bookmark)

    assert bookmark.refused == {}


def test_where_nothing_can_be_compared_the_set_is_read_by_offset():
    keys = [(n, "a") for n in range(9)]
    source, bookmark = table(keys, refuses=" gt "), Bookmark()

    assert {key for key, _ in read(source, bookmark)} == set(keys)
    assert list(bookmark.refused) == ["SysRevID gt", "A gt, B gt"]


def test_a_replication_key_that_cannot_be_compared_makes_each_run_read_everything():
    keys = [(n, "a") for n in range(9)]
    source, bookmark = table(keys), Bookmark()
    read(source, bookmark)
    source.refuses = "SysRevID ge"

    assert len(read(source, bookmark)) == 9
    assert list(bookmark.refused) == ["SysRevID ge"]
    assert bookmark.value == 6_000_000_056


def test_an_interrupted_walk_goes_on_behind_the_last_page_with_its_own_mark():
    source = table([(n, "a") for n in range(9)])
    kept = cut(source, Bookmark(), size=4, closed=None)
    source.rows[0, "a"]["SysRevID"] = 7_000_000_000

    rest = read(source, kept, size=4)

    assert [key[0] for key, _ in rest] == [4, 5, 6, 7, 8, 0]
    assert kept.value == 6_000_000_056
    assert kept.walk is None


def test_state_of_a_version_that_kept_one_position_is_resumed():
    source = table([(n, "a") for n in range(9)])
    state = cut(source, Bookmark(), size=4, closed=None).keep()
    state["walk"]["position"] = state["walk"].pop("ranges")[0][0]

    rest = read(source, Bookmark.read(state), size=4)

    assert [key[0] for key, _ in rest] == [4, 5, 6, 7, 8]


def test_a_restored_copy_is_read_whole():
    keys = [(n, "a") for n in range(9)]
    source, bookmark = table(keys), Bookmark()
    read(source, bookmark)
    for n, row in enumerate(source.rows.values()):
        row["SysRevID"] = 1000 + n

    again = read(source, bookmark)

    assert len(again) == len(keys)
    assert bookmark.value == 1008


def opened_and_closed(source: Table, bookmark: Bookmark, runs) -> set[tuple]:
    """Apply runs to a target; the keys that it shows as open."""
    target = {}
    for wanted in runs:
        target.update(read(source, bookmark, **wanted))
    return {key for key, is_closed in target.items() if not is_closed}


def half_closed() -> tuple[Table, NotEqual]:
    source = table([(n, "a") for n in range(8)])
    for a, _ in source.rows:
        source.rows[a, "a"]["Inactive"] = a % 2 == 0
    return source, NotEqual(source.entity.columns["Inactive"], value=True)


def cut(source: Table, bookmark: Bookmark, size: int = 3, **wanted) -> Bookmark:
    """A run that sends one page and is then killed; what STATE holds of it."""
    reader = reader_of(source, bookmark, size, **wanted)
    reader.sent(next(reader.read()))
    return Bookmark.read(reader.bookmark.keep())


@pytest.mark.parametrize("before", [False, True])
def test_rows_that_a_cut_run_sent_in_another_mode_are_retracted(before):
    source, closed = half_closed()
    bookmark, exclude = Bookmark(), {"closed": closed}
    if before:
        read(source, bookmark, **exclude)
        for row in source.rows.values():
            row["SysRevID"] += 1_000
    bookmark = cut(source, bookmark, closed=closed, leaves_closed_out=False)

    rows = read(source, bookmark, **exclude)

    retracted = {key[0] for key, gone in rows if gone}
    assert retracted == {0, 2, 4, 6}


def test_a_restored_copy_is_still_read_whole_after_a_cut():
    source, bookmark = table([(n, "a") for n in range(9)]), Bookmark()
    read(source, bookmark)
    for n, row in enumerate(source.rows.values()):
        row["SysRevID"] = 1000 + n
    bookmark = cut(source, bookmark, closed=None)
    source.rows[0, "a"]["SysRevID"] = 8_000_000_000

    again = read(source, bookmark)

    met = {key[0] for key, _ in again}
    assert met == {0, 3, 4, 5, 6, 7, 8}


def test_another_filter_of_the_users_reads_everything_once():
    source, bookmark = table([(n, "a") for n in range(9)]), Bookmark()
    read(source, bookmark, always=(Verbatim("A lt 3"),))

    assert len(read(source, bookmark)) == 9


def test_another_closed_rule_reads_everything_once_and_retracts():
    source, closed = half_closed()

    assert opened_and_closed(source, Bookmark(), [{}, {"closed": closed}]) == {
        (1, "a"), (3, "a"), (5, "a"), (7, "a")
    }  # fmt: skip


def test_another_replication_key_starts_over_and_does_not_resume_the_old_walk():
    source = table([(n, "a") for n in range(9)])
    bookmark = cut(source, Bookmark(), closed=None)

    rows = read(source, bookmark, size=4, cursor="A")

    assert len(rows) == 9
    assert (bookmark.replication_key, bookmark.value) == ("A", 8)


def test_a_row_without_its_flag_is_an_error_and_never_an_open_row():
    source = table([(1, "a")])
    del source.rows[1, "a"]["Inactive"]
    closed = NotEqual(source.entity.columns["Inactive"], value=True)
    source.ignores_filter = True

    with pytest.raises(Exception, match="missing required field `Inactive`"):
        read(source, Bookmark(), closed=closed)
