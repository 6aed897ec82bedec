"""The Looker stage on PostgreSQL and DuckDB: every value, nothing twice, STATE behind the rows."""

from datetime import date, datetime, timezone
from decimal import Decimal

import psycopg
import pytest
from kinetic_batches.errors import LoadError
from stages import (
    GONE,
    MOMENT,
    TEXT,
    WHOLE,
    DuckDB,
    Stage,
    amount,
    end,
    record,
    schema,
    state,
)

UTC = timezone.utc


@pytest.fixture
def on_postgresql(databases):
    return Stage(databases())


TEXTS = ["", "NULL", "\\N", "\\.", "a\n\\.\nb", "back\\slash\\", 'qu"o\'te', "line\r\nbreaks\n",
         "\t,;", "ünïcödé 🚀 \u2028 \x01 \x7f", " spaces ", "{}", "\ufeff"]  # fmt: skip


def test_every_value_arrives_as_it_is(stage):
    most, finest = Decimal("9" * 29 + "." + "9" * 9), Decimal("0.00000000000000000001")
    least = most.copy_negate()
    rows = [
        {"Big": 2**63 - 1, "Exact": str(most), "Fine": str(finest), "Double": 0.1, "Yes": True,
         "Day": "0001-01-01", "At": "1066-10-14T01:02:03.123456Z", "Json": {"a": [1, "x"]}},
        {"Big": -(2**63), "Exact": str(least), "Fine": "0", "Double": -1.5e300, "Yes": False,
         "Day": "9999-12-31", "At": "2026-03-29T01:30:00.000001+05:30", "Json": {}},
        *({"Words": text} for text in TEXTS),
    ]  # fmt: skip
    given = schema(
        "exact", Big=WHOLE, Exact=amount(38, 9), Fine=amount(38, 20), Words=TEXT,
        Double={"type": ["number", "null"]}, Yes={"type": ["boolean", "null"]},
        Day={**TEXT, "format": "date"}, At=MOMENT, Json={"type": ["object", "null"]},
    )  # fmt: skip

    stage.load(given, *(record("exact", n, **row) for n, row in enumerate(rows)), state(1))

    found = stage.by_key("exact")
    first, second = found[0], found[1]
    assert (first["big"], second["big"]) == (2**63 - 1, -(2**63))
    assert (first["exact"], second["exact"]) == (most, least)
    assert (first["fine"], type(first["fine"])) == (finest, Decimal)
    assert (first["double"], second["double"]) == (0.1, -1.5e300)
    assert (first["yes"], second["yes"]) == (True, False)
    assert (first["day"], second["day"]) == (date(1, 1, 1), date(9999, 12, 31))
    assert first["at"] == datetime(1066, 10, 14, 1, 2, 3, 123456, UTC)
    assert second["at"] == datetime(2026, 3, 28, 20, 0, 0, 1, UTC)
    assert first["json"].replace(" ", "") == '{"a":[1,"x"]}'
    assert [found[n + 2]["words"] for n in range(len(TEXTS))] == TEXTS
    assert {name for name, value in found[2].items() if value is None} == {
        "amount", "big", "exact", "fine", "double", "yes", "day", "at", "json", "_epicor_run_id",
        "_sdc_deleted_at",
    }  # fmt: skip


def test_the_last_record_of_a_key_counts_within_a_batch_and_across_batches(stage):
    stage.settings["batch_size_rows"] = 2
    given = [record("last", n % 3, Amount=f"{n}.001") for n in range(11)]

    stage.load(schema("last"), record("last", 0, Amount="7"), record("last", 0), *given, state(1))

    amounts = {key: row["amount"] for key, row in stage.by_key("last").items()}
    assert amounts == {0: Decimal("9.001"), 1: Decimal("10.001"), 2: Decimal("8.001")}


def test_a_key_of_several_columns_of_any_type_tells_rows_apart(stage):
    given = schema("many", keys=("K", "Amount", "Day", "Word"), Day=MOMENT, Word=TEXT, V=WHOLE)
    keys = [
        {"Amount": each, "Day": day, "Word": word}
        for each in ("1.5", "1.50", "-2")
        for day in ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", GONE)
        for word in ("a", "A", "")
    ]

    stage.load(given, *(record("many", 1, V=n, **key) for n, key in enumerate(keys)), state(1))
    stage.load(given, *(record("many", 1, V=n, **key) for n, key in enumerate(keys)), state(1))

    assert len(stage.rows("many")) == 2 * 2 * 3


def test_rows_that_are_sent_again_change_nothing(stage):
    messages = [schema("again"), *(record("again", n, Amount=f"{n}") for n in range(50)), state(1)]
    stage.load(*messages)
    before = stage.by_key("again")

    stage.load(*messages)

    assert stage.by_key("again") == before


def test_a_stream_without_a_key_is_appended(stage):
    messages = [schema("log", keys=()), *[record("log", 1)] * 2, state(1)]

    stage.load(*messages)
    stage.load(*messages)

    assert len(stage.rows("log")) == 4


def test_a_stream_of_keys_alone_is_loaded(stage):
    given = {"type": "SCHEMA", "stream": "bare", "schema": {"properties": {"K": WHOLE}},
             "key_properties": ["K"]}  # fmt: skip

    for _ in range(2):
        stage.load(given, record("bare", 1), record("bare", 2), state(1))

    assert stage.by_key("bare").keys() == {1, 2}


def test_a_new_column_is_added_and_one_that_is_no_longer_sent_keeps_its_values(stage):
    stage.load(schema("wide", Old=TEXT), record("wide", 1, Old="kept"), state(1))

    given = schema("wide", New=TEXT, Newer=WHOLE)
    stage.load(given, record("wide", 1, New="new", Newer=7), record("wide", 2), state(2))

    found = stage.by_key("wide")
    assert (found[1]["old"], found[1]["new"], found[1]["newer"]) == ("kept", "new", 7)
    assert (found[2]["old"], found[2]["new"], found[2]["newer"]) == (None, None, None)


def test_a_schema_that_changes_in_mid_run_loads_what_came_before_and_after(stage):
    stage.load(
        schema("mid"), record("mid", 1, Amount="1"),
        schema("mid", New=TEXT), record("mid", 2, New="x"), state(1),
    )  # fmt: skip

    found = stage.by_key("mid")
    assert (found[1]["amount"], found[1]["new"], found[2]["new"]) == (Decimal(1), None, "x")


@pytest.mark.parametrize(
    ("before", "value", "after", "wider"),
    [
        (amount(18, 3), "123456789012345.678", amount(28, 9), "1234567890123456789.123456789"),
        (amount(18, 2), "1234567890123456.78", amount(18, 9), "0.123456789"),
        (WHOLE, 2**63 - 1, amount(18, 3), "0.001"),
        (amount(18, 3), "0.001", WHOLE, 2**63 - 1),
        (amount(28, 9), "1234567890123456789.123456789", amount(18, 3), "0.001"),
    ],
    ids=["more of both", "more behind the point", "integer to decimal", "decimal to integer",
         "narrower"],
)  # fmt: skip
def test_an_exact_number_that_got_wider_keeps_every_digit(stage, before, value, after, wider):
    stage.load(schema("wider", N=before), record("wider", 1, N=value), state(1))

    stage.load(schema("wider", N=after), record("wider", 2, N=wider), state(2))

    found = stage.by_key("wider")
    assert (found[1]["n"], found[2]["n"]) == (Decimal(value), Decimal(wider))


def test_a_key_that_got_wider_stays_the_key(stage):
    stage.load(schema("key", K=amount(9, 0)), record("key", "1", Amount="1"), state(1))

    stage.load(schema("key", K=amount(20, 2)), record("key", "1.00", Amount="2"), state(2))

    assert {k: row["amount"] for k, row in stage.by_key("key").items()} == {1: 2}


@pytest.mark.parametrize(
    ("before", "value", "after", "other"),
    [
        (TEXT, "a", WHOLE, 1),
        (WHOLE, 1, TEXT, "a"),
        ({"type": "number"}, 0.5, amount(), "1"),
        (amount(38, 0), "9" * 38, amount(38, 9), "0.1"),
        (MOMENT, GONE, {**TEXT, "format": "date"}, "2026-01-01"),
        ({"type": "boolean"}, True, WHOLE, 1),
    ],
    ids=["text", "integer", "double", "38 digits", "time", "boolean"],
)
def test_a_type_that_cannot_hold_both_is_refused_and_nothing_changes(
    stage, before, value, after, other
):
    stage.load(schema("typed", V=before), record("typed", 1, V=value), state(1))
    kept = stage.by_key("typed")

    with pytest.raises(
        LoadError, match=r"^column v of typed is [A-Z0-9 (),]+ in the warehouse and"
    ):
        stage.load(schema("typed", V=after), record("typed", 2, V=other), state(2))

    assert stage.states == []
    assert stage.by_key("typed") == kept


@pytest.mark.parametrize("hard", [False, True])
def test_retracted_rows_are_marked_or_deleted_and_come_back_when_reopened(stage, hard):
    stage.settings["hard_delete"] = hard
    gone = {"_sdc_deleted_at": GONE}
    stage.load(schema("mark"), *(record("mark", n, Amount="1") for n in (1, 2)), state(1))

    stage.load(
        schema("mark"), record("mark", 1, Amount="5", **gone), record("mark", 3, **gone), state(2)
    )

    found = {k: row["_sdc_deleted_at"] is not None for k, row in stage.by_key("mark").items()}
    assert found == ({2: False} if hard else {1: True, 2: False, 3: True})
    if not hard:
        assert stage.by_key("mark")[1]["amount"] == 5
    stage.load(schema("mark"), record("mark", 1, Amount="2"), state(3))
    assert stage.by_key("mark")[1]["_sdc_deleted_at"] is None


@pytest.mark.parametrize("hard", [False, True])
def test_activate_version_retires_rows_of_older_versions(stage, hard):
    stage.settings["hard_delete"] = hard
    for version, keys in ((1, (1, 2)), (2, (2, 3))):
        rows = [{**record("ver", key), "version": version} for key in keys]
        activate = {"type": "ACTIVATE_VERSION", "stream": "ver", "version": version}
        stage.load(schema("ver"), *rows, activate, state(version))

    found = {k: row["_sdc_deleted_at"] is None for k, row in stage.by_key("ver").items()}
    assert found == ({2: True, 3: True} if hard else {1: False, 2: True, 3: True})


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (amount(), "many"), (amount(), "1.0001"), (amount(), "1234567890123456"), (amount(), 1),
        (TEXT, 5), (WHOLE, 1.5), (WHOLE, 2**63), (WHOLE, True), (WHOLE, "1"),
        ({"type": "boolean"}, 1), (MOMENT, "2026-02-30T00:00:00Z"), (MOMENT, "yesterday"),
        ({**TEXT, "format": "date"}, "01.02.2026"), ({"type": "object"}, [1]),
    ],
)  # fmt: skip
def test_a_value_of_a_wrong_type_is_refused_with_stream_column_and_key(tmp_path, kind, value):
    stage = Stage(DuckDB(tmp_path / "stage.duckdb"))

    with pytest.raises(LoadError, match=r"^bad: column V of the record with K 2"):
        stage.load(schema("bad", V=kind), record("bad", 1), record("bad", 2, V=value), state(1))

    assert stage.states == []


def test_a_column_that_the_schema_lacks_is_refused_with_the_key(stage):
    with pytest.raises(LoadError, match=r"^odd: the record with K 7 has a column More"):
        stage.load(schema("odd"), record("odd", 7, More=1), state(1))


@pytest.mark.parametrize("row", [{"K": None}, {}], ids=["null", "missing"])
def test_a_record_without_its_key_is_refused(stage, row):
    with pytest.raises(LoadError, match="a record of nokey has no K"):
        stage.load(schema("nokey"), {"type": "RECORD", "stream": "nokey", "record": row}, state(1))


def test_columns_that_meet_in_one_name_are_refused_by_both_names(stage):
    with pytest.raises(
        LoadError, match="columns of clash: VendorID and VENDORID are both vendorid"
    ):
        stage.load(schema("clash", VendorID=TEXT, VENDORID=TEXT), record("clash", 1), state(1))


def test_streams_that_meet_in_one_name_are_refused_by_both_names(stage):
    with pytest.raises(
        LoadError, match="streams Orders and orders would both be loaded into orders"
    ):
        stage.load(schema("Orders"), record("Orders", 1), schema("orders"), record("orders", 1),
                   state(1))  # fmt: skip


def test_long_and_reserved_names_are_tables_and_columns_of_their_own(stage):
    alike = ["x" * 70 + "1", "x" * 70 + "2"]
    names = [*alike, "Order", "Group", "a b-c", "1st", "Straße"]

    stage.load(
        schema("Table", **dict.fromkeys(names, TEXT)), record("Table", 1, **{n: n for n in names}),
        *(each for s in alike for each in (schema(s), record(s, 1, Amount="1"))), state(1),
    )  # fmt: skip

    (row,) = stage.rows('"table"')
    assert sorted(set(row.values()) & set(names)) == sorted(names)
    assert {"order", "group", "a_b_c", "_1st", "stra_e"} < row.keys()
    assert max(map(len, row)) == 63
    tables = stage.place.query(
        "SELECT table_name AS n FROM information_schema.tables WHERE table_schema = 'epicor_stage'"
    )
    assert sum(each["n"].startswith("xxx") for each in tables) == 2


def test_state_stands_behind_the_rows_before_it_and_no_others(stage):
    stage.settings["batch_size_rows"] = 1

    with pytest.raises(LoadError):
        stage.load(
            schema("good"), record("good", 1), state(1), record("good", 2), state(2),
            schema("bad", V=WHOLE), record("bad", 1, V="x"), state(3), record("good", 3), state(4),
        )  # fmt: skip

    assert [each["seen"] for each in stage.states] in ([], [1], [1, 2])
    seen = max((each["seen"] for each in stage.states), default=0)
    assert set(range(1, seen + 1)) <= stage.by_key("good").keys()


def test_a_batch_is_there_whole_or_not_at_all(on_postgresql):
    stage = on_postgresql
    stage.load(schema("whole", New=TEXT), record("whole", 1, Amount="1"), state(1))
    stage.place.query("ALTER TABLE epicor_stage.whole ADD CHECK (amount < 100)")
    kept = stage.by_key("whole")

    with pytest.raises(LoadError):
        stage.load(
            schema("whole", Later=TEXT), record("whole", 1, Amount="2"),
            record("whole", 2, Amount="100"), state(2),
        )  # fmt: skip

    assert stage.states == []
    assert stage.by_key("whole") == kept


def test_a_character_that_postgresql_cannot_hold_is_refused_with_the_row(on_postgresql):
    with pytest.raises(
        LoadError, match=r"^nul: column word of the row k 2, .* holds a character of code 0"
    ):
        on_postgresql.load(
            schema("nul", Word=TEXT), record("nul", 1), record("nul", 2, Word="a\x00b"), state(1)
        )

    assert on_postgresql.states == []


def test_a_connection_that_was_ended_between_batches_is_made_anew(on_postgresql, monkeypatch):
    stage = on_postgresql
    stage.settings["batch_size_rows"] = 1
    stage.load(schema("cut"), record("cut", 0), state(0))
    from target_looker_stage.table import Table  # noqa: PLC0415

    write, ended = Table.write, []

    def end_and_write(self, connection, rows, **options):
        if self.name == "cut" and len(ended) < 2:
            ended.append(1)
            pid = connection.connection.driver_connection.info.backend_pid
            with psycopg.connect(stage.place.url, autocommit=True) as other:
                other.execute(f"SELECT pg_terminate_backend({pid})")
        write(self, connection, rows, **options)

    monkeypatch.setattr(Table, "write", end_and_write)

    stage.load(schema("cut"), record("cut", 1), record("cut", 2), state(2), end("r"))

    assert stage.by_key("cut").keys() == {0, 1, 2}
    assert len(ended) == 2
    (earlier, run) = sorted(stage.rows("_sync_audit"), key=lambda row: row["started_at"])[:2]
    assert (earlier["status"], earlier["rows_upserted"]) == ("cut", 1)
    assert {each["rows_upserted"] for each in stage.audit(run["run_id"]).values()} == {2}


def test_a_value_that_a_narrower_column_of_the_warehouse_cannot_hold_is_refused(on_postgresql):
    stage = on_postgresql
    stage.load(schema("narrow"), record("narrow", 1), state(1))
    stage.place.query("ALTER TABLE epicor_stage.narrow ADD COLUMN word VARCHAR(3)")

    with pytest.raises(LoadError, match="the warehouse cannot hold a value of this batch"):
        stage.load(schema("narrow", Word=TEXT), record("narrow", 1, Word="long"), state(2))


def test_a_database_that_is_not_there_is_told_at_once(on_postgresql):
    on_postgresql.place.url += "_not"

    with pytest.raises(LoadError, match="`sqlalchemy_url` names a database that is not there"):
        on_postgresql.load(schema("s"), record("s", 1), state(1))


def test_a_user_that_may_make_nothing_is_told_the_right_to_grant(on_postgresql):
    stage = on_postgresql
    stage.place.query("CREATE ROLE nobody_here LOGIN")
    try:
        stage.place.url = stage.place.url.replace("postgres:any", "nobody_here:any")
        with pytest.raises(LoadError, match=r"^a right is missing"):
            stage.load(schema("s"), record("s", 1), state(1))
    finally:
        stage.place.url = stage.place.url.replace("nobody_here:any", "postgres:any")
        stage.place.query("DROP ROLE nobody_here")
