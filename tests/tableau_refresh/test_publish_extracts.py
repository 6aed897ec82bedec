"""Extracts, read back with Tableau's own engine: every value, each key once, what is open."""

from datetime import date, datetime, timezone
from decimal import Decimal

import pytest
from extracts import Extracts, needed_engine, types_of
from kinetic_batches.errors import LoadError
from stages import GONE, MOMENT, TEXT, WHOLE, amount, end, record, schema, state
from target_tableau_refresh.publish.folder import Folder

needed_engine()
UTC = timezone.utc
FIXED = {".lock", ".pending"}


@pytest.fixture
def extracts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Extracts(tmp_path / "extracts")


TEXTS = ["", "NULL", "\\N", "\\.", "a\n\\.\nb", "back\\slash\\", 'qu"o\'te', "line\r\nbreaks\n",
         "\t,;", "ünïcödé 🚀 \u2028 \x01 \x7f", " spaces ", "{}", "\ufeff"]  # fmt: skip


def test_every_value_arrives_as_it_is(extracts):
    most, finest = Decimal("9" * 29 + "." + "9" * 9), Decimal("0.00000000000000000001")
    rows = [
        {"Big": 2**63 - 1, "Exact": str(most), "Fine": str(finest), "Whole": "9" * 38,
         "Double": 0.1, "Yes": True, "Day": "0001-01-01", "At": "1066-10-14T01:02:03.123456Z",
         "Json": {"a": [1, "x"]}},
        {"Big": -(2**63), "Exact": str(most.copy_negate()), "Fine": "0", "Whole": "-" + "9" * 38,
         "Double": -1.5e300, "Yes": False, "Day": "9999-12-31",
         "At": "2026-03-29T01:30:00.000001+05:30", "Json": {}},
        *({"Words": text} for text in TEXTS),
    ]  # fmt: skip
    given = schema(
        "exact", Big=WHOLE, Exact=amount(38, 9), Fine=amount(38, 20), Whole=amount(38, 0),
        Words=TEXT, Double={"type": ["number", "null"]}, Yes={"type": ["boolean", "null"]},
        Day={**TEXT, "format": "date"}, At=MOMENT, Json={"type": ["object", "null"]},
    )  # fmt: skip

    extracts.load(given, *(record("exact", n, **row) for n, row in enumerate(rows)), end("r1"))

    found = extracts.by_key("exact")
    first, second = found[0], found[1]
    assert (first["Big"], second["Big"]) == (2**63 - 1, -(2**63))
    assert (first["Exact"], second["Exact"]) == (most, most.copy_negate())
    assert (first["Fine"], type(first["Fine"])) == (finest, Decimal)
    assert (first["Whole"], second["Whole"]) == (Decimal("9" * 38), Decimal("-" + "9" * 38))
    assert (first["Double"], second["Double"]) == (0.1, -1.5e300)
    assert (first["Yes"], second["Yes"]) == (True, False)
    assert (first["Day"], second["Day"]) == (date(1, 1, 1), date(9999, 12, 31))
    assert first["At"] == datetime(1066, 10, 14, 1, 2, 3, 123456, UTC)
    assert second["At"] == datetime(2026, 3, 28, 20, 0, 0, 1, UTC)
    assert first["Json"].replace(" ", "") == '{"a":[1,"x"]}'
    assert [found[n + 2]["Words"] for n in range(len(TEXTS))] == TEXTS
    assert {name for name, value in found[2].items() if value is None} == {
        "Amount", "Big", "Exact", "Fine", "Whole", "Double", "Yes", "Day", "At", "Json",
        "_epicor_run_id", "_sdc_deleted_at",
    }  # fmt: skip


def test_columns_have_the_exact_types_of_the_stream(extracts):
    given = schema(
        "typed", Double={"type": "number"}, Yes={"type": "boolean"}, Words=TEXT,
        Day={**TEXT, "format": "date"}, At=MOMENT, Most=amount(38, 20),
    )  # fmt: skip

    extracts.load(given, end("r1"))

    assert types_of(extracts.file("typed")) == {
        "K": "BIG_INT", "Amount": "NUMERIC(18, 3)", "Double": "DOUBLE", "Yes": "BOOL",
        "Words": "TEXT", "Day": "DATE", "At": "TIMESTAMP_TZ", "Most": "NUMERIC(38, 20)",
        "_epicor_run_id": "TEXT", "_sdc_deleted_at": "TIMESTAMP_TZ",
    }  # fmt: skip


def test_the_last_record_of_a_key_counts_within_a_batch_across_batches_and_across_runs(extracts):
    extracts.batch_rows = 2
    given = [record("last", n % 3, Amount=f"{n}.001") for n in range(11)]

    extracts.load(
        schema("last"), record("last", 0, Amount="7"), record("last", 0), *given, end("r1")
    )

    amounts = {key: row["Amount"] for key, row in extracts.by_key("last").items()}
    assert amounts == {0: Decimal("9.001"), 1: Decimal("10.001"), 2: Decimal("8.001")}

    extracts.load(schema("last"), record("last", 1, Amount="0.5"), record("last", 4), end("r2"))

    amounts = {key: row["Amount"] for key, row in extracts.by_key("last").items()}
    assert amounts == {0: Decimal("9.001"), 1: Decimal("0.5"), 2: Decimal("8.001"), 4: None}


def test_a_key_of_several_columns_of_any_type_tells_rows_apart(extracts):
    given = schema("many", keys=("K", "Amount", "Day", "Word"), Day=MOMENT, Word=TEXT, V=WHOLE)
    keys = [
        {"Amount": each, "Day": day, "Word": word}
        for each in ("1.5", "1.50", "-2")
        for day in ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", GONE)
        for word in ("a", "A", "", "a ")
    ]

    for run in ("r1", "r2"):
        extracts.load(given, *(record("many", 1, V=n, **key) for n, key in enumerate(keys)),
                      end(run))  # fmt: skip

    assert len(extracts.rows("many")) == 2 * 2 * 4


def test_retracted_rows_leave_and_come_back_when_they_reopen(extracts):
    keys = [record("gone", n, Amount="1") for n in range(4)]
    extracts.load(schema("gone"), *keys, record("gone", 9, _sdc_deleted_at=GONE), end("r1"))
    assert extracts.by_key("gone").keys() == {0, 1, 2, 3}

    twice = [record("gone", 2, _sdc_deleted_at=GONE), record("gone", 2)]
    extracts.load(schema("gone"), record("gone", 0, _sdc_deleted_at=GONE),
                  record("gone", 1, _sdc_deleted_at=GONE), *twice, end("r2"))  # fmt: skip
    assert extracts.by_key("gone").keys() == {2, 3}

    extracts.load(schema("gone"), record("gone", 1, Amount="2"), end("r3"))
    assert extracts.by_key("gone").keys() == {1, 2, 3}


def test_retracted_rows_stay_with_their_mark_where_that_is_asked_for(extracts):
    extracts.settings["publish_deleted"] = "keep"
    extracts.load(schema("kept"), record("kept", 1, Amount="1"), record("kept", 2), end("r1"))

    extracts.load(schema("kept"), record("kept", 1, Amount="1", _sdc_deleted_at=GONE), end("r2"))

    found = extracts.by_key("kept")
    assert found[1]["_sdc_deleted_at"] == datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert (found[1]["Amount"], found[2]["_sdc_deleted_at"]) == (1, None)

    del extracts.settings["publish_deleted"]
    extracts.load(schema("kept"), record("kept", 3), end("r3"))
    assert extracts.by_key("kept").keys() == {2, 3}


def test_a_stream_without_a_key_is_appended(extracts):
    messages = [schema("log", keys=()), *[record("log", 1)] * 2]

    extracts.load(*messages, end("r1"))
    extracts.load(*messages, end("r2"))

    assert len(extracts.rows("log")) == 4


def test_a_stream_without_rows_has_an_extract_without_rows(extracts):
    extracts.load(schema("empty"), end("r1"))

    assert extracts.rows("empty") == []


def test_a_new_column_is_added_and_one_that_is_no_longer_sent_keeps_its_values(extracts):
    old = [record("wide", 1, Old="kept"), record("wide", 2, Old="x")]
    extracts.load(schema("wide", Old=TEXT), *old, end("r1"))

    extracts.load(schema("wide", New=WHOLE), record("wide", 2, New=7), record("wide", 3), end("r2"))

    found = extracts.by_key("wide")
    assert (found[1]["Old"], found[1]["New"]) == ("kept", None)
    assert (found[2]["Old"], found[2]["New"]) == (None, 7)
    assert list(types_of(extracts.file("wide")))[-1] == "New"


def test_a_wider_decimal_widens_the_column_and_keeps_every_digit(extracts):
    extracts.load(schema("dec", V=WHOLE), record("dec", 1, Amount="1.125", V=2**63 - 1), end("r1"))

    fine = schema("dec", Amount=amount(38, 9), V=amount(22, 2))
    extracts.load(fine, record("dec", 2, Amount="0.000000001", V="99999999999999999999.99"),
                  end("r2"))  # fmt: skip
    extracts.load(schema("dec", V=WHOLE), record("dec", 3, Amount="2.5", V=-1), end("r3"))

    found = extracts.by_key("dec")
    assert [found[n]["Amount"] for n in (1, 2, 3)] == [
        Decimal("1.125"), Decimal("0.000000001"), Decimal("2.5")]  # fmt: skip
    assert [found[n]["V"] for n in (1, 2, 3)] == [
        2**63 - 1, Decimal("99999999999999999999.99"), -1]  # fmt: skip
    assert types_of(extracts.file("dec"))["Amount"] == "NUMERIC(38, 9)"


def test_another_schema_in_mid_run_loses_nothing(extracts):
    extracts.load(
        schema("mid", A=TEXT), record("mid", 1, A="a"), record("mid", 2, A="b"),
        schema("mid", Amount=amount(20, 5), B=TEXT), record("mid", 2, Amount="1.00001", B="c"),
        end("r1"),
    )  # fmt: skip

    found = extracts.by_key("mid")
    assert (found[1]["A"], found[1]["B"]) == ("a", None)
    assert (found[2]["A"], found[2]["B"], found[2]["Amount"]) == (None, "c", Decimal("1.00001"))


def test_a_column_that_becomes_something_else_is_refused_with_the_way_out(extracts):
    extracts.load(schema("turn", V=TEXT), record("turn", 1, V="x"), end("r1"))

    with pytest.raises(LoadError, match=r"column V of .*turn\.hyper is text and would have to "
                       r"hold 64-bit integer.*delete that file and load"):  # fmt: skip
        extracts.load(schema("turn", V=WHOLE), record("turn", 1, V=1), end("r2"))

    assert extracts.states == []
    assert extracts.by_key("turn")[1]["V"] == "x"


@pytest.mark.parametrize(
    ("column", "value", "named"),
    [
        ("Amount", "1.2345", "column Amount of the record with K 7"),
        ("Amount", "12x", "column Amount of the record with K 7"),
        ("At", "yesterday", "column At of the record with K 7"),
        ("V", 2**63, "column V of the record with K 7"),
        ("V", "x", "column V of the record with K 7"),
        ("Else", 1, "the record with K 7 has a column Else"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_its_address(extracts, column, value, named):
    extracts.load(schema("bad", At=MOMENT, V=WHOLE), record("bad", 1), end("r1"))

    with pytest.raises(LoadError, match=f"bad: {named}"):
        extracts.load(schema("bad", At=MOMENT, V=WHOLE), record("bad", 1, Amount="9"),
                      record("bad", 7, **{column: value}), end("r2"))  # fmt: skip

    assert extracts.states == []
    assert extracts.by_key("bad")[1]["Amount"] is None


def test_a_key_without_a_value_is_refused(extracts):
    with pytest.raises(LoadError, match="a record of nokey has no K, which is part of its key"):
        extracts.load(schema("nokey"), record("nokey", None), end("r1"))

    assert extracts.states == []


def test_what_an_older_run_wrote_and_this_one_did_not_touch_stays_the_same_file(extracts):
    extracts.load(schema("a"), schema("b"), record("a", 1), record("b", 1), end("r1"))
    before = extracts.file("b").stat()

    extracts.load(schema("a"), schema("b"), record("a", 2), end("r2"))

    assert extracts.file("b").stat() == before
    assert extracts.by_key("a").keys() == {1, 2}


def test_rows_that_were_taken_out_leave_no_space_behind(extracts):
    given = [record("size", n, Words="x" * 200 + str(n)) for n in range(4000)]
    extracts.load(schema("size", Words=TEXT), *given, end("r1"))
    size = extracts.file("size").stat().st_size

    for run in ("r2", "r3"):
        extracts.load(schema("size", Words=TEXT), *given, end(run))

    assert extracts.file("size").stat().st_size < 1.2 * size
    extracts.file("size").unlink()
    extracts.batch_rows = 1000
    extracts.load(schema("size", Words=TEXT), *given, *given[::2], *given[1::2], end("r4"))
    assert extracts.file("size").stat().st_size < 1.2 * size


def test_nothing_is_left_beside_the_extracts(extracts, tmp_path):
    extracts.load(schema("s"), record("s", 1), end("r1"))

    assert extracts.left == FIXED
    assert [path.name for path in tmp_path.iterdir()] == ["extracts"]


def test_a_cut_run_changes_no_extract_and_the_next_complete_one_brings_its_rows(extracts, caplog):
    extracts.load(schema("cut"), record("cut", 1, Amount="1"), record("cut", 2), end("r1"))

    states = extracts.load(
        schema("cut"), record("cut", 1, Amount="2"), record("cut", 2, _sdc_deleted_at=GONE),
        record("cut", 3), state("r2"),
    )  # fmt: skip

    assert states == [{"seen": "r2"}]
    assert "did not say that its run is complete" in caplog.text
    assert extracts.by_key("cut").keys() == {1, 2}
    assert extracts.by_key("cut")[1]["Amount"] == 1

    extracts.load(schema("cut"), record("cut", 3, Amount="3"), state("r3"))
    extracts.load(schema("cut"), end("r4"))

    assert {key: row["Amount"] for key, row in extracts.by_key("cut").items()} == {1: 2, 3: 3}
    assert extracts.left == FIXED


def test_state_waits_for_the_extracts(extracts):
    given = [record("s", 1), state(1), record("s", 2), state(2)]

    states = extracts.load(schema("s"), *given, end("r1"))

    assert [list(each) for each in states] == [["bookmarks", "last_complete_run"]]


def test_two_streams_that_would_be_one_file_are_refused(extracts):
    with pytest.raises(LoadError, match=r"streams a/b and a\?b would both be loaded into a_b"):
        extracts.load(schema("a/b"), schema("a?b"), end("r1"))


def test_two_runs_in_one_folder_are_refused(extracts):
    extracts.load(schema("s"), record("s", 1), end("r1"))
    other = Folder(extracts.folder)
    other.open()
    try:
        with pytest.raises(LoadError, match="another run is at work in"):
            extracts.load(schema("s"), record("s", 2), end("r2"))
    finally:
        other.close()

    extracts.load(schema("s"), record("s", 2), end("r3"))
    assert extracts.by_key("s").keys() == {1, 2}
