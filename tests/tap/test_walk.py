"""Walks over random tables: every row is met, also while rows change, or the walk says so."""

from threading import Event

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from table import Table, entity
from tap_epicor_kinetic.errors import PageTooHeavy, WalkError
from tap_epicor_kinetic.extract.bookmark import Bookmark
from tap_epicor_kinetic.extract.cursor import Cursor
from tap_epicor_kinetic.extract.reader import Reader, Wanted
from tap_epicor_kinetic.extract.rows import Peek
from tap_epicor_kinetic.extract.terms import NotEqual
from tap_epicor_kinetic.extract.walk import KeyWalk, OffsetWalk, PageSize
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


def key_walk(source: Table, size: PageSize, names=("SysRevID",)) -> list[tuple]:
    columns = [source.entity.columns[name] for name in names]
    peek = Peek(source.entity, [*names, "A", "B"])
    walk = KeyWalk(source, Query(), columns, peek, size, Event())
    return [(row["A"], row["B"]) for page in walk.pages(None) for row in page.cells]


def offset_walk(source: Table, size: PageSize) -> list[tuple]:
    columns = [source.entity.columns[name] for name in ("A", "B")]
    walk = OffsetWalk(source, Query(), columns, Peek(source.entity, ["A", "B"]), size, Event())
    return [(row["A"], row["B"]) for page in walk.pages() for row in page.cells]


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


def test_a_full_last_page_costs_one_more_request_and_loses_nothing():
    keys = [(n, "a") for n in range(6)]
    source = table(keys, cap=3)

    assert key_walk(source, PageSize(1000)) == keys
    assert len(source.queries) == 3


def test_a_page_shorter_than_the_largest_ends_the_walk_without_asking_again():
    source = table([(n, "a") for n in range(5)], cap=3)

    assert len(key_walk(source, PageSize(1000))) == 5
    assert len(source.queries) == 2


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


def read(source: Table, bookmark: Bookmark, size: int = 3, **wanted) -> list[tuple]:
    version = source.entity.columns.get("SysRevID")
    reader = Reader(
        source,
        Wanted(source.entity, Cursor(version) if version else None, **{"closed": None, **wanted}),
        bookmark,
        size,
        Event(),
    )
    rows = []
    for page in reader.read():
        rows += zip(page.rows, page.closed, strict=True)
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
        for row, is_closed in read(source, bookmark, size, closed=closed):
            cells = Peek(source.entity, ["A", "B"])([row])[0]
            target[cells["A"], cells["B"]] = is_closed

    loaded_as_open = {key for key, is_closed in target.items() if not is_closed}
    assert loaded_as_open == {key for key, row in source.rows.items() if not row["Inactive"]}


def test_a_second_run_without_changes_asks_for_the_mark_and_one_page():
    source = table([(n, "a") for n in range(9)])
    bookmark = Bookmark()
    read(source, bookmark, size=100)
    source.queries.clear()

    again = read(source, bookmark, size=100)

    assert len(again) == 1
    assert [query.filter for query in source.queries] == ["", "SysRevID ge 6000000056"]


def test_an_interrupted_walk_goes_on_behind_the_last_page_with_its_own_mark():
    source = table([(n, "a") for n in range(9)])
    reader = Reader(
        source, Wanted(source.entity, Cursor(source.entity.columns["SysRevID"]), None),
        Bookmark(), 4, Event(),
    )  # fmt: skip
    pages = reader.read()
    reader.sent(next(pages))
    kept = Bookmark.read(reader.bookmark.keep())
    source.rows[0, "a"]["SysRevID"] = 7_000_000_000

    rest = read(source, kept, size=4)

    met = [Peek(source.entity, ["A"])([row])[0]["A"] for row, _ in rest]
    assert met == [4, 5, 6, 7, 8, 0]
    assert kept.value == 6_000_000_056
    assert kept.walk is None


def test_a_restored_copy_is_read_whole():
    keys = [(n, "a") for n in range(9)]
    source, bookmark = table(keys), Bookmark()
    read(source, bookmark)
    for n, row in enumerate(source.rows.values()):
        row["SysRevID"] = 1000 + n

    again = read(source, bookmark)

    assert len(again) == len(keys)
    assert bookmark.value == 1008


def test_a_row_without_its_flag_is_an_error_and_never_an_open_row():
    source = table([(1, "a")])
    del source.rows[1, "a"]["Inactive"]
    closed = NotEqual(source.entity.columns["Inactive"], value=True)
    source.ignores_filter = True

    with pytest.raises(Exception, match="missing required field `Inactive`"):
        read(source, Bookmark(), closed=closed)
