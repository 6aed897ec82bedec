"""The guard around target-duckdb, run as users run it: Singer lines in, a DuckDB file out."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

EXECUTABLE = Path(sys.executable).with_name("kinetic-target-duckdb")

TEXT = {"type": ["string", "null"]}
INTEGER = {"type": ["integer", "null"]}
NUMBER = {"type": ["number", "null"]}
BOOLEAN = {"type": ["boolean", "null"]}
MOMENT = {"type": ["string", "null"], "format": "date-time"}
DAY = {"type": ["string", "null"], "format": "date"}
ANYTHING = {"type": ["object", "array", "null"]}


def money(precision: int, scale: int):
    return {
        "type": ["string", "null"],
        "format": "x-singer.decimal",
        "precision": precision,
        "scale": scale,
    }


def schema(columns, keys=("id",), stream="vendors"):
    return {
        "type": "SCHEMA",
        "stream": stream,
        "schema": {"type": "object", "properties": columns},
        "key_properties": list(keys),
    }


def record(stream="vendors", **values):
    return {"type": "RECORD", "stream": stream, "record": values}


def state(value):
    return {"type": "STATE", "value": {"bookmarks": {}, "position": value}}


class Loader:
    """The console script, its configuration and the file it fills."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "kinetic.duckdb"

    def command(self, **config):
        path = self.folder / "config.json"
        settings = {"filepath": str(self.file), "default_target_schema": "raw", **config}
        path.write_text(json.dumps(settings))
        return [str(EXECUTABLE), "--config", str(path)]

    def run(self, *messages, **config):
        lines = "".join(json.dumps(message) + "\n" for message in messages)
        return subprocess.run(
            self.command(**config), input=lines, capture_output=True, text=True, check=False
        )

    def load(self, *messages, **config):
        """Run, expect success and return the STATE values it wrote."""
        done = self.run(*messages, **config)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def refusal(self, *messages, **config):
        """Run, expect exit 1 and return the one sentence."""
        done = self.run(*messages, **config)
        assert done.returncode == 1, done.stdout
        assert "Traceback" not in done.stderr
        return done.stderr.splitlines()[-1]

    def query(self, sql):
        with duckdb.connect(str(self.file), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def column_type(self, column):
        return self.query(
            f"select data_type from information_schema.columns where column_name = '{column}'"
        )


@pytest.fixture
def loader(tmp_path):
    return Loader(tmp_path)


def test_the_first_row_of_every_batch_arrives(loader):
    rows = [record(id=f"id-{n}", name="name") for n in range(50)]

    loader.load(schema({"id": TEXT, "name": TEXT}), *rows, batch_size_rows=7)

    assert loader.query("select count(*), count(distinct id) from raw.vendors") == [(50, 50)]


def test_an_empty_string_is_not_null(loader):
    loader.load(
        schema({"id": TEXT, "name": TEXT}),
        record(id="1", name=""),
        record(id="2", name=None),
        record(id="3"),
    )

    assert loader.query("select * from raw.vendors order by id") == [
        ("1", ""),
        ("2", None),
        ("3", None),
    ]


def test_an_empty_string_may_be_part_of_a_key(loader):
    columns = {"year": INTEGER, "suffix": TEXT, "amount": INTEGER}
    lines = [record(year=2026, suffix="", amount=1), record(year=2026, suffix="A", amount=2)]

    loader.load(schema(columns, keys=("year", "suffix")), *lines)
    loader.load(schema(columns, keys=("year", "suffix")), record(year=2026, suffix="", amount=9))

    assert loader.query("select year, suffix, amount from raw.vendors order by suffix") == [
        (2026, "", 9),
        (2026, "A", 2),
    ]


def test_a_key_without_a_value_is_refused_by_name(loader):
    columns = schema({"id": TEXT, "name": TEXT})

    assert loader.refusal(columns, record(id=None, name="x")) == (
        "kinetic-target-duckdb: stream vendors: a row has no value in key column id"
    )


def test_composite_keys_that_look_alike_when_joined_stay_apart(loader):
    columns = schema({"a": TEXT, "b": TEXT}, keys=("a", "b"))

    loader.load(columns, record(a="x,y", b="z"), record(a="x", b="y,z"))

    assert loader.query("select count(*) from raw.vendors") == [(2,)]


def test_two_spellings_of_one_key_in_a_batch_are_one_row(loader):
    columns = schema({"at": MOMENT, "no": money(9, 2), "v": TEXT}, keys=("at", "no"))

    loader.load(
        columns,
        record(at="2026-01-01T00:00:00Z", no="1.50", v="first"),
        record(at="2026-01-01T01:00:00.000+01:00", no="1.5", v="last"),
    )

    assert loader.query("select v from raw.vendors") == [("last",)]


def test_decimals_keep_29_digits(loader):
    exact = ["12345678901234567890.123456789", "-0.000000001", "-0.00", "0E-10", "1E+3", None]
    rows = [record(id=str(n), amount=text) for n, text in enumerate(exact)]

    loader.load(schema({"id": TEXT, "amount": money(38, 9)}), *rows)

    found = [value for (value,) in loader.query("select amount from raw.vendors order by id")]
    assert found == [None if text is None else Decimal(text) for text in exact]
    assert loader.column_type("amount") == [("DECIMAL(38,9)",)]


def test_a_precision_beyond_duckdb_is_capped(loader):
    loader.load(schema({"id": TEXT, "amount": money(76, 10)}), record(id="1", amount="1.5"))

    assert loader.column_type("amount") == [("DECIMAL(38,10)",)]


def test_integers_beyond_doubles_stay_exact(loader):
    bounded = {**INTEGER, "maximum": 2**63 - 1}
    values = [2**53 + 1, 2**63 - 1, -(2**63)]
    rows = [record(id=str(n), free=value, big=value) for n, value in enumerate(values)]

    loader.load(schema({"id": TEXT, "free": INTEGER, "big": bounded}), *rows)

    assert loader.query("select free, big from raw.vendors order by id") == [
        (value, value) for value in values
    ]


def test_numbers_keep_what_a_double_holds(loader):
    values = [0.1, 5e-324, 1.7976931348623157e308, 1e16, -2.5, 3]
    rows = [record(id=str(n), x=value) for n, value in enumerate(values)]

    loader.load(schema({"id": TEXT, "x": NUMBER}), *rows)

    assert [x for (x,) in loader.query("select x from raw.vendors order by id")] == values


def test_text_arrives_as_it_was_sent(loader):
    texts = [
        '{"a": 1}',
        "null",
        "NULL",
        "a,b;c|d\te",
        'quo"te',
        "line\r\nbreak",
        "\\N",
        "é😀\u2028",
    ]
    rows = [record(id=str(n), name=text) for n, text in enumerate(texts)]

    loader.load(schema({"id": TEXT, "name": TEXT}), *rows)

    assert [name for (name,) in loader.query("select name from raw.vendors order by id")] == texts


def test_a_row_longer_than_duckdb_expects_is_loaded(loader):
    loader.load(schema({"id": TEXT, "name": TEXT}), record(id="1", name="x" * 20_000_000))

    assert loader.query("select length(name) from raw.vendors") == [(20_000_000,)]


def test_timestamps_are_stored_in_utc_and_dates_keep_their_day(loader):
    loader.load(
        schema({"id": TEXT, "at": MOMENT, "due": MOMENT, "day": DAY}),
        record(id="1", at="2026-02-03T04:05:06.1234567Z", due="2026-02-03T00:00:00Z"),
        record(id="2", at="2026-02-03T04:05:06+05:30", day="2026-02-03"),
    )

    assert loader.query("select at::varchar, due::varchar, day from raw.vendors order by id") == [
        ("2026-02-03 04:05:06.123456", "2026-02-03 00:00:00", None),
        ("2026-02-02 22:35:06", None, "2026-02-03"),
    ]


def test_nested_values_are_json(loader):
    loader.load(schema({"id": TEXT, "more": ANYTHING}), record(id="1", more={"a": [1, "é", None]}))
    loader.load(schema({"id": TEXT, "more": ANYTHING}), record(id="2", more=None))

    found = loader.query("select more->>'$.a[1]', more is null from raw.vendors order by id")
    assert found == [("é", False), (None, True)]


def test_nested_values_are_flattened_when_asked(loader):
    nested = {"type": ["object", "null"], "properties": {"city": TEXT}}

    loader.load(
        schema({"id": TEXT, "address": nested}),
        record(id="1", address={"city": "Oslo"}),
        data_flattening_max_level=1,
    )

    assert loader.query("select address__city from raw.vendors") == [("Oslo",)]


@pytest.mark.parametrize(
    ("column", "value", "complaint"),
    [
        (money(9, 2), "1.005", "(decimal(9,2)): '1.005' has more decimal places than the column"),
        (money(9, 2), "1E-3", "(decimal(9,2)): '1E-3' has more decimal places than the column"),
        (money(9, 2), "12345678.00", "(decimal(9,2)): '12345678.00' is out of range"),
        (money(9, 2), "NaN", "(decimal(9,2)): 'NaN' is not a finite decimal"),
        (money(9, 2), "", "(decimal(9,2)): '' is not a decimal"),
        ({**INTEGER, "maximum": 32767}, 32768, "(smallint): 32768 is out of range"),
        ({**INTEGER, "maximum": 2**63 - 1}, 2**63, f"(bigint): {2**63} is out of range"),
        (INTEGER, 1.5, "(hugeint): 1.5 is not an integer"),
        (INTEGER, True, "(hugeint): True is not an integer"),
        (NUMBER, 2**53 + 1, "(double): 9007199254740993 has more digits than a DOUBLE"),
        (BOOLEAN, "yes", "(boolean): 'yes' is not a boolean"),
        (MOMENT, "soon", "(timestamp): 'soon' is not a timestamp"),
        (MOMENT, "2026-02-30T00:00:00Z", "'2026-02-30T00:00:00Z' is not a timestamp"),
        (MOMENT, {"at": 1}, "(timestamp): {'at': 1} is not a timestamp"),
        (TEXT, "\ud800", "a row holds text that is not Unicode"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_and_never_rounded(loader, column, value, complaint):
    sentence = loader.refusal(schema({"id": TEXT, "x": column}), record(id="1", x=value), state(1))

    assert "stream vendors" in sentence
    assert complaint in sentence
    assert loader.query("select count(*) from raw.vendors") == [(0,)]


def test_a_batch_sent_again_changes_nothing(loader):
    lines = [schema({"id": TEXT, "n": INTEGER}), *(record(id=str(n), n=n) for n in range(20))]

    loader.load(*lines, batch_size_rows=6)
    before = loader.query("select * from raw.vendors order by id")
    loader.load(*lines, batch_size_rows=6)

    assert loader.query("select * from raw.vendors order by id") == before


def test_a_later_row_replaces_an_earlier_one(loader):
    columns = schema({"id": TEXT, "name": TEXT})

    loader.load(columns, record(id="1", name="a"), record(id="1", name="b"), batch_size_rows=10)
    loader.load(columns, record(id="1", name="c"), record(id="2", name="d"))

    assert loader.query("select * from raw.vendors order by id") == [("1", "c"), ("2", "d")]


def test_a_table_of_keys_alone_can_be_loaded_twice(loader):
    for _ in range(2):
        loader.load(schema({"id": TEXT}), record(id="1"))

    assert loader.query("select * from raw.vendors") == [("1",)]


def test_a_retraction_marks_the_row_and_a_reopening_clears_the_mark(loader):
    columns = schema({"id": TEXT, "_sdc_deleted_at": MOMENT})
    is_open = "select _sdc_deleted_at is null from raw.vendors"

    loader.load(columns, record(id="1", _sdc_deleted_at=None))
    loader.load(columns, record(id="1", _sdc_deleted_at="2026-02-03T04:05:06Z"))
    assert loader.query(is_open) == [(False,)]

    loader.load(columns, record(id="1", _sdc_deleted_at=None))
    assert loader.query(is_open) == [(True,)]


def test_hard_delete_removes_marked_rows(loader):
    columns = schema({"id": TEXT, "_sdc_deleted_at": MOMENT})

    loader.load(
        columns,
        record(id="1", _sdc_deleted_at="2026-02-03T04:05:06Z"),
        record(id="2", _sdc_deleted_at=None),
        hard_delete=True,
    )

    assert loader.query("select id from raw.vendors") == [("2",)]


def test_a_new_column_is_added_to_rows_that_stay(loader):
    loader.load(schema({"id": TEXT}), record(id="1"))
    loader.load(schema({"id": TEXT, "plant_c": TEXT}), record(id="2", plant_c="MfgSys"))

    found = loader.query("select id, plant_c from raw.vendors order by id")
    assert found == [("1", None), ("2", "MfgSys")]


def test_a_wider_number_widens_the_column_in_place(loader):
    narrow = {"id": TEXT, "amount": money(9, 2), "n": {**INTEGER, "maximum": 2**31 - 1}}
    wide = {"id": TEXT, "amount": money(18, 5), "n": {**INTEGER, "maximum": 2**63 - 1}}

    loader.load(schema(narrow), record(id="1", amount="1.25", n=1))
    loader.load(schema(wide), record(id="2", amount="1.00005", n=2**40))
    loader.load(schema(narrow), record(id="3", amount="3.00", n=3))

    assert loader.query("select amount, n from raw.vendors order by id") == [
        (Decimal("1.25"), 1),
        (Decimal("1.00005"), 2**40),
        (Decimal(3), 3),
    ]


def test_a_key_column_that_changes_its_type_is_refused(loader):
    loader.load(schema({"id": TEXT}), record(id="1"))

    assert "key column id was varchar and is now hugeint" in loader.refusal(schema({"id": INTEGER}))


def test_streams_with_hyphens_do_not_share_a_table(loader):
    loader.load(
        schema({"id": TEXT}, stream="ap-aging"),
        schema({"id": TEXT}, stream="ar-aging"),
        record("ap-aging", id="1"),
        record("ar-aging", id="2"),
    )

    assert loader.query("select id from raw.ap_aging") == [("1",)]
    assert loader.query("select id from raw.ar_aging") == [("2",)]


def test_a_file_name_with_dots_is_one_database(loader):
    loader.file = loader.folder / "erp.2026.duckdb"

    loader.load(schema({"id": TEXT}), record(id="1"))

    assert loader.query("select id from raw.vendors") == [("1",)]


def test_a_stream_without_a_key_appends(loader):
    lines = [schema({"id": TEXT}, keys=()), record(id="1"), record(id="1")]

    loader.load(*lines, primary_key_required=False)
    loader.load(*lines, primary_key_required=False)

    assert loader.query("select count(*) from raw.vendors") == [(4,)]


def test_a_state_comes_only_after_the_rows_of_every_stream_before_it(loader):
    lines = [
        schema({"id": TEXT}, stream="vendors"),
        schema({"id": TEXT}, stream="parts"),
        record("vendors", id="1"),
        state("one vendor"),
        *(record("parts", id=str(n)) for n in range(3)),
        state("three parts"),
        record("parts", id=None),
    ]

    done = loader.run(*lines, batch_size_rows=3)

    assert done.returncode == 1
    assert [json.loads(line)["position"] for line in done.stdout.splitlines()] == ["one vendor"]
    assert loader.query("select count(*) from raw.vendors") == [(1,)]


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 4])
def test_the_last_state_is_emitted_wherever_the_last_batch_ended(loader, rows):
    lines = [state("first"), schema({"id": TEXT})]
    for n in range(rows):
        lines += [record(id=str(n)), state(n)]

    states = loader.load(*lines, state("a"), state("last"), batch_size_rows=2)

    assert states[-1]["position"] == "last"
    assert len({json.dumps(value) for value in states}) == len(states)
    assert loader.query("select count(*) from raw.vendors") == [(rows,)]


def test_without_a_state_none_is_invented(loader):
    assert loader.load(schema({"id": TEXT}), record(id="1")) == []


def test_a_load_that_is_killed_is_repaired_by_the_next(loader):
    columns = schema({"id": INTEGER, "name": TEXT})
    process = subprocess.Popen(
        loader.command(batch_size_rows=500),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    process.stdin.write(json.dumps(columns) + "\n")
    for n in range(2_000):
        process.stdin.write(json.dumps(record(id=n, name="x" * 50)) + "\n")
        process.stdin.write(json.dumps(state(n)) + "\n")
    process.stdin.flush()
    committed = json.loads(process.stdout.readline())["position"]
    process.send_signal(signal.SIGKILL)
    process.communicate()

    survivors = loader.query("select count(*) from raw.vendors")[0][0]
    assert survivors > committed
    assert survivors % 500 == 0
    loader.load(columns, *(record(id=n, name="again") for n in range(2_000)), batch_size_rows=500)
    assert loader.query("select count(*), min(name) from raw.vendors") == [(2_000, "again")]
    assert loader.query("select table_name from information_schema.tables") == [("vendors",)]


def test_a_locked_file_is_one_sentence(loader):
    hold = (
        "import duckdb, sys, time; c = duckdb.connect(sys.argv[1]); print(1, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(loader.file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        holder.stdout.readline()
        sentence = loader.refusal(schema({"id": TEXT}))
        holder.communicate("done\n")

    assert f"filepath {loader.file}: another process has it open" in sentence


def test_a_missing_folder_is_one_sentence(loader):
    loader.file = loader.folder / "nowhere" / "kinetic.duckdb"

    assert loader.refusal(schema({"id": TEXT})) == (
        f"kinetic-target-duckdb: filepath {loader.file}: the folder {loader.file.parent} "
        "does not exist, create it first"
    )


def test_a_file_that_is_no_database_is_one_sentence(loader):
    loader.file.write_text("not a database " * 1000)

    assert f"filepath {loader.file}: IO Error:" in loader.refusal(schema({"id": TEXT}))


def test_a_line_that_is_cut_is_one_sentence(loader):
    done = subprocess.run(
        loader.command(), input='{"type": "RECO', capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert "kinetic-target-duckdb: a line of the input is not JSON" in done.stderr


def test_a_large_batch_is_loaded_at_a_useful_pace(loader):
    columns = schema({"id": INTEGER, "amount": money(18, 3), "at": MOMENT, "name": TEXT})
    at = "2026-02-03T04:05:06Z"
    rows = [record(id=n, amount=f"{n}.125", at=at, name=f"part {n}") for n in range(20_000)]

    started = time.monotonic()
    loader.load(columns, *rows)

    assert loader.query("select count(*), sum(amount) from raw.vendors") == [
        (20_000, Decimal("199992500.000"))
    ]
    assert time.monotonic() - started < 20
