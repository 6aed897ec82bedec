"""What needs no warehouse: types, values, statements, settings, order."""

import io
import json
import re
import subprocess
import sys
import threading
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlglot
import yaml
from databricks.sql.types import Row
from hypothesis import given
from hypothesis import strategies as some
from kinetic_batches.batch import Batch
from kinetic_batches.behind import Behind
from kinetic_batches.columns import MOMENT as INSTANT
from kinetic_batches.columns import Column, column_of
from kinetic_batches.errors import LoadError
from kinetic_batches.rows import Rows
from kinetic_target_databricks import statements
from kinetic_target_databricks.columns import arrow_type, spark_type, wide_enough
from kinetic_target_databricks.config import Config
from kinetic_target_databricks.explain import explain
from kinetic_target_databricks.session import StatementError
from kinetic_target_databricks.settings import SETTINGS
from kinetic_target_databricks.statements import Name, check_columns
from kinetic_target_databricks.table import Table
from kinetic_target_databricks.target import DatabricksTarget

ROOT = Path(__file__).parents[2]
TEXT = {"type": ["string", "null"]}
MOMENT = {**TEXT, "format": "date-time"}
AMOUNT = {**TEXT, "format": "x-singer.decimal", "precision": 38, "scale": 10}
UTC = timezone.utc


def loaded(folder, properties, records, keys=()) -> list[dict]:
    """Records as they are when they are loaded."""
    columns = [column_of(name, schema) for name, schema in properties.items()]
    batch = Batch("b")
    lines = [
        record if isinstance(record, bytes) else json.dumps(record).encode() for record in records
    ]
    for start in range(0, len(lines), 3):
        chunk = lines[start : start + 3]
        batch.add(Rows("s", columns, keys).decode(chunk), chunk)
    schema = pa.schema([(column.name, column.type) for column in columns])
    pq.write_table(batch.table(schema, keys), folder / "f.parquet")
    return pq.read_table(folder / "f.parquet").to_pylist()


def one(folder, schema, value):
    """A value there and back."""
    return loaded(folder, {"v": schema}, [{"v": value}])[0]["v"]


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "string"}, "STRING"),
        ({"type": ["string", "null"], "format": "uuid"}, "STRING"),
        (MOMENT, "TIMESTAMP"),
        ({**TEXT, "format": "date"}, "DATE"),
        ({"type": ["null", "integer"]}, "BIGINT"),
        ({"type": ["number", "integer"]}, "DOUBLE"),
        ({"type": "boolean"}, "BOOLEAN"),
        ({"type": ["object", "null"]}, "STRING"),
        ({**TEXT, "format": "x-singer.decimal", "precision": 18, "scale": 3}, "DECIMAL(18,3)"),
        ({**TEXT, "format": "x-singer.decimal"}, "DECIMAL(38,9)"),
        ({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}, "TIMESTAMP"),
        ({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string"}]}, "STRING"),
    ],
)
def test_each_json_type_has_one_spark_type(schema, kind):
    assert spark_type(column_of("c", schema).type) == kind
    assert arrow_type(kind) == column_of("c", schema).type


@pytest.mark.parametrize(
    "schema",
    [
        {"type": ["string", "integer"]}, {}, {"type": "null"}, {"type": "money"},
        {**AMOUNT, "precision": 39}, {**AMOUNT, "precision": 3, "scale": 4},
    ],
)  # fmt: skip
def test_a_type_that_databricks_cannot_hold_is_refused_by_name(schema):
    with pytest.raises(LoadError, match="column c "):
        column_of("c", schema)


@pytest.mark.parametrize(
    ("stored", "wanted", "given"),
    [
        ("DECIMAL(18,3)", "DECIMAL(18,3)", "DECIMAL(18,3)"),
        ("DECIMAL(20, 4)", "DECIMAL(18,3)", "DECIMAL(20,4)"),
        ("DECIMAL(18,3)", "DECIMAL(20,4)", "DECIMAL(20,4)"),
        ("DECIMAL(18,2)", "DECIMAL(18,4)", "DECIMAL(20,4)"),
        ("DECIMAL(18,2)", "BIGINT", "DECIMAL(21,2)"),
        ("DECIMAL(22,2)", "BIGINT", "DECIMAL(22,2)"),
        ("BIGINT", "DECIMAL(18,3)", "DECIMAL(23,3)"),
    ],
)
def test_exact_numbers_are_widened_so_that_old_and_new_values_fit(stored, wanted, given):
    assert spark_type(wide_enough("t", "c", stored, arrow_type(wanted))) == given


@pytest.mark.parametrize(
    ("stored", "wanted"),
    [
        ("STRING", "BIGINT"), ("DOUBLE", "DECIMAL(18,3)"), ("DECIMAL(38,0)", "DECIMAL(38,9)"),
        ("BIGINT", "STRING"), ("TIMESTAMP", "DATE"), ("INT", "BIGINT"),
    ],
)  # fmt: skip
def test_any_other_change_of_type_is_refused_with_both_types(stored, wanted):
    with pytest.raises(LoadError, match=re.escape(f"is {stored} in Databricks and would have")):
        wide_enough("t", "c", stored, arrow_type(wanted))


@given(
    some.decimals(
        allow_nan=False, allow_infinity=False, min_value=-(10**27), max_value=10**27, places=10
    )
)
def test_decimals_keep_every_digit(tmp_path_factory, value):
    assert one(tmp_path_factory.mktemp("f"), AMOUNT, str(value)) == value


@given(some.integers(-(2**63), 2**63 - 1))
def test_64_bit_integers_keep_every_digit(tmp_path_factory, value):
    assert one(tmp_path_factory.mktemp("f"), {"type": "integer"}, value) == value


@given(some.datetimes(), some.integers(-14 * 60, 14 * 60))
def test_instants_keep_their_microseconds_in_utc(tmp_path_factory, moment, minutes):
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    try:
        expected = aware.astimezone(UTC)
    except OverflowError:
        return

    assert one(tmp_path_factory.mktemp("f"), MOMENT, aware.isoformat()) == expected


@given(some.text(some.characters(exclude_categories=["Cs"])))
def test_text_is_kept_as_it_is(tmp_path_factory, value):
    assert one(tmp_path_factory.mktemp("f"), TEXT, value) == value


def test_dates_booleans_and_doubles_are_kept(tmp_path):
    assert one(tmp_path, {**TEXT, "format": "date"}, "0001-12-31") == date(1, 12, 31)
    assert one(tmp_path, {"type": "boolean"}, False) is False
    assert one(tmp_path, {"type": "number"}, 0.1) == 0.1
    assert one(tmp_path, {"type": "number"}, 3) == 3.0
    assert one(tmp_path, {"type": "integer"}, 2.0) == 2


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-02T03:04:05.1234567Z", datetime(2026, 1, 2, 3, 4, 5, 123456, UTC)),
        ("2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5, 0, UTC)),
        ("2026-01-02T03:04:05.1234567+05:30", datetime(2026, 1, 1, 21, 34, 5, 123456, UTC)),
    ],
)
def test_finer_fractions_are_cut_and_times_without_a_zone_are_utc(tmp_path, text, moment):
    assert one(tmp_path, MOMENT, text) == moment


def test_nested_values_are_json_text_with_every_digit(tmp_path):
    record = b'{"v": {"a": 1.10, "b": [12345678901234567890123.000]}, "w": null}'
    properties = {
        "v": {"type": ["object", "null"]},
        "w": {"type": ["array", "null"]},
        "x": {"type": "object"},
    }

    row = loaded(tmp_path, properties, [record])[0]

    assert row == {"v": '{"a": 1.10, "b": [12345678901234567890123.000]}', "w": None, "x": None}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (AMOUNT, "many"),
        (AMOUNT, "1.00000000001"),
        (AMOUNT, 1),
        ({**AMOUNT, "precision": 12}, "123"),
        (TEXT, 5),
        ({"type": "integer"}, 1.5),
        ({"type": "integer"}, 2**63),
        ({"type": "integer"}, True),
        ({"type": "boolean"}, 1),
        (MOMENT, "2026-02-30T00:00:00Z"),
        (MOMENT, "2026-01-01"),
        ({**TEXT, "format": "date"}, "01.02.2026"),
        ({"type": "object"}, [1]),
        ({"type": "number"}, "1"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_column_and_key(tmp_path, schema, value):
    records = [{"K": "k-1", "v": None}, {"K": "k-2", "v": value}]

    with pytest.raises(LoadError, match=r"s: column v of the record with K 'k-2'"):
        loaded(tmp_path, {"K": TEXT, "v": schema}, records, ["K"])


def test_a_column_that_the_schema_lacks_is_refused(tmp_path):
    with pytest.raises(LoadError, match="K 'k-1' has a column more"):
        loaded(tmp_path, {"K": TEXT}, [{"K": "k-1", "more": 1}], ["K"])


def test_a_row_without_its_key_is_refused(tmp_path):
    with pytest.raises(LoadError, match="a record of s has no K"):
        loaded(tmp_path, {"K": TEXT}, [{"K": None}], ["K"])


@given(
    some.lists(
        some.tuples(
            some.sampled_from("abc"), some.sampled_from(["1.5", "1.50", "2"]), some.integers(0, 9)
        )
    )
)
def test_the_last_record_of_a_key_is_kept_whatever_the_chunk(tmp_path_factory, rows):
    properties = {"K": TEXT, "D": AMOUNT, "v": {"type": "integer"}}
    records = [{"K": key, "D": amount, "v": value} for key, amount, value in rows]
    expected = {(key, Decimal(amount)): value for key, amount, value in rows}
    if not records:
        return

    found = loaded(tmp_path_factory.mktemp("f"), properties, records, ["K", "D"])

    assert {(row["K"], row["D"]): row["v"] for row in found} == expected
    assert len(found) == len(expected)


def test_a_batch_has_the_same_name_exactly_when_its_records_are_the_same():
    rows = Rows("s", [column_of("v", {"type": "integer"})], ())

    def name(identity, *records):
        batch = Batch(identity)
        batch.add(rows.decode(records), records)
        return batch.digest

    assert name("a", b'{"v":1}', b'{"v":2}') == name("a", b'{"v":1}', b'{"v":2}')
    others = [("b", b'{"v":1}', b'{"v":2}'), ("a", b'{"v":2}', b'{"v":1}'), ("a", b'{"v":1}')]
    assert len({name("a", b'{"v":1}', b'{"v":2}'), *(name(*each) for each in others)}) == 4


TABLE = Name("main", "kinetic", "odd `name'")
COLUMNS = [
    Column("K", pa.int64()),
    Column("Amount", pa.decimal128(18, 3)),
    Column("_sdc_deleted_at", INSTANT),
]


@pytest.mark.parametrize(
    "statement",
    [
        statements.show_schemas("main", "kin'etic"),
        statements.create_schema("main", "kinetic"),
        statements.describe(TABLE),
        statements.create_table(TABLE, COLUMNS),
        statements.create_table(TABLE, COLUMNS, clustered=["K", "Amount"]),
        statements.create_table(TABLE, COLUMNS, partitioned="K"),
        statements.add_columns(TABLE, COLUMNS),
        statements.allow_widening(TABLE),
        statements.merge(
            TABLE, "/Volumes/a/b/c/f.parquet", ["K", "_sdc_deleted_at"], ["K"], hard_delete=True
        ),
        statements.merge(
            TABLE, "/Volumes/a/b/c/f.parquet", ["K", "v"], ["K", "v"], hard_delete=False
        ),
        statements.copy(TABLE, "/Volumes/a/b/c/f.parquet"),
        statements.retire(TABLE, 7, hard_delete=True),
        statements.retire(TABLE, 7, hard_delete=False),
    ],
)
def test_statements_are_the_dialects(statement):
    parsed = sqlglot.parse_one(
        statement, dialect="databricks", error_level=sqlglot.ErrorLevel.RAISE
    )

    assert len(sqlglot.parse(statement, dialect="databricks")) == 1
    assert parsed is not None


def test_hard_delete_deletes_what_is_marked_and_inserts_nothing_that_is():
    text = statements.merge(TABLE, "/Volumes/f", ["K", "_sdc_deleted_at"], ["K"], hard_delete=True)

    assert (
        "WHEN MATCHED AND s.`_sdc_deleted_at` IS NOT NULL THEN DELETE WHEN MATCHED THEN UPDATE"
        in text
    )
    assert "WHEN NOT MATCHED AND s.`_sdc_deleted_at` IS NULL THEN INSERT" in text


@pytest.mark.parametrize("name", ["a.b", "a b", "a/b", "", "x" * 256, "a\nb"])
def test_a_table_that_unity_catalog_refuses_is_refused_before_anything_is_sent(name):
    with pytest.raises(LoadError, match="`table_names` can give another"):
        config(table_names={"s": name or ""}).table("s")


@pytest.mark.parametrize("names", [["a b"], ["a,b"], ["a=b"], ["a(b)"], [""], ["Name", "NAME"]])
def test_columns_that_a_delta_table_cannot_have_are_refused(names):
    with pytest.raises(LoadError, match="s: "):
        check_columns("s", names)


SETTINGS_OF_A_WORKSPACE = {
    "host": "dbc-1.cloud.databricks.com",
    "http_path": "/sql/1.0/warehouses/w",
    "catalog": "main",
    "token": "t",
}


def config(**settings) -> Config:
    return Config.of({**SETTINGS_OF_A_WORKSPACE, **settings})


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"host": ""}, "`host` is missing"),
        ({"http_path": None}, "`http_path` is missing"),
        ({"catalog": ""}, "`catalog` is missing"),
        ({"token": ""}, "no login"),
        ({"token": "", "client_id": "c"}, "no login"),
        ({"client_id": "c", "client_secret": "s"}, "`token` and `client_id` are both set"),
        ({"schema": "a.b"}, "cannot be `schema`"),
        ({"volume": "a b"}, "cannot be `volume`"),
        (
            {
                "host": "example.com",
                "token": "",
                "client_id": "c",
                "client_secret": "s",
                "account_id": "a",
            },
            "`account_host` is missing",
        ),
        ({"validate_records": False}, "`validate_records` is no setting"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(settings, named):
    with pytest.raises(LoadError, match=re.escape(named)):
        config(**settings)


@pytest.mark.parametrize(
    ("host", "account"),
    [
        ("https://dbc-1.cloud.databricks.com/?o=1", "accounts.cloud.databricks.com"),
        ("adb-1.2.azuredatabricks.net", "accounts.azuredatabricks.net"),
        ("1.2.gcp.databricks.com/", "accounts.gcp.databricks.com"),
    ],
)
def test_tokens_of_an_account_come_from_the_clouds_account_host(host, account):
    found = config(host=host, token="", client_id="c", client_secret="s", account_id="a")

    assert found.login.token_host == account
    assert "/" not in found.host


def test_secrets_do_not_show():
    found = config(token="", client_id="c", client_secret="very-secret")

    assert "very-secret" not in repr(found)


def test_streams_are_appended_by_glob_and_upserted_otherwise():
    found = config(append_streams=["gl_*", "part_transactions"])

    assert [found.appends(s) for s in ("gl_transactions", "part_transactions", "vendors")] == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("said", "grant"),
    [
        (
            "[INSUFFICIENT_PERMISSIONS] User does not have MODIFY on Table 'main.kinetic.v'. x",
            "GRANT MODIFY ON TABLE `main`.`kinetic`.`v` TO `app`",
        ),
        (
            "PERMISSION_DENIED: User does not have USE CATALOG on Catalog 'main'.",
            "GRANT USE CATALOG ON CATALOG `main` TO `app`",
        ),
    ],
)
def test_a_missing_right_is_told_as_the_grant_to_run(said, grant):
    from databricks.sql.exc import ServerOperationError  # noqa: PLC0415

    found = explain(
        ServerOperationError(said), config(token="", client_id="app", client_secret="s")
    )

    assert grant in found
    assert sqlglot.parse_one(grant, dialect="databricks")


class Warehouse:
    """Takes statements and answers them, as `Session` does."""

    def __init__(self, *described, answer=(), fails=None) -> None:
        self.statements = []
        self.files = []
        self._described = list(described)
        self._answer = answer
        self._fails = fails

    def run(self, statement) -> list:
        self.statements.append(statement)
        if statement.startswith("PUT"):
            local = Path(statement.split("'")[1])
            self.files.append(pq.ParquetFile(io.BytesIO(local.read_bytes())))
        if statement.startswith("DESCRIBE"):
            there = self._described.pop(0)
            if there is None:
                raise StatementError("no", "TABLE_OR_VIEW_NOT_FOUND")
            return list(there.items())
        if self._fails and statement.startswith(self._fails):
            raise StatementError("refused", "FIELD_ALREADY_EXISTS")
        return list(self._answer) if statement.startswith("COPY") else []

    def close(self) -> None:
        pass


def filled(warehouse, folder, properties, records, keys=("K",), **settings) -> None:
    """Load records into a table."""
    columns = [column_of(name, schema) for name, schema in properties.items()]
    lines = [json.dumps(record).encode() for record in records]
    batch = Batch("b")
    batch.add(Rows("s", columns, keys).decode(lines), lines)
    Table(config(**settings), warehouse, folder, "s", columns, keys).load(batch)


def test_spark_takes_old_dates_of_the_file_for_what_they_are(tmp_path):
    warehouse = Warehouse({"k": "string", "at": "timestamp"})

    filled(warehouse, tmp_path, {"K": TEXT, "at": MOMENT}, [{"K": "a", "at": "1066-10-14T00:00Z"}])

    assert b"org.apache.spark.version" in warehouse.files[0].metadata.metadata


def test_a_new_table_begins_with_the_columns_that_cluster_it_and_booleans_do_not():
    """Delta has statistics of its first 32 columns, and wants them of what clusters."""
    wide = [Column(f"c{number}", pa.string()) for number in range(40)]
    flag, *keys = [Column("Voided", pa.bool_())] + [Column(n, pa.string()) for n in "ABCDE"]

    text = statements.create_table(
        TABLE, [*wide, flag, *keys], clustered=["A", "Voided", "B", "C", "D", "E"]
    )

    assert "(`A` STRING, `B` STRING, `C` STRING, `D` STRING, `c0` STRING" in text
    assert "`c39` STRING, `Voided` BOOLEAN, `E` STRING)" in text
    assert text.endswith(" CLUSTER BY (`A`, `B`, `C`, `D`)")


def test_a_key_of_booleans_only_clusters_nothing():
    text = statements.create_table(TABLE, [Column("Voided", pa.bool_())], clustered=["Voided"])

    assert text.endswith("USING DELTA")


def test_columns_that_are_there_by_now_need_not_be_added(tmp_path):
    """The answer was lost, or another load was faster."""
    warehouse = Warehouse({"k": "string"}, {"k": "string", "n": "decimal(20,0)"}, fails="ALTER")

    filled(warehouse, tmp_path, {"K": TEXT, "N": {"type": "integer"}}, [{"K": "a", "N": 1}])

    assert warehouse.files[0].schema_arrow.field("N").type == pa.decimal128(20, 0)
    assert any(each.startswith("MERGE") for each in warehouse.statements)


def test_a_column_that_cannot_be_added_ends_the_load(tmp_path):
    warehouse = Warehouse({"k": "string"}, {"k": "string"}, fails="ALTER")

    with pytest.raises(StatementError, match="refused"):
        filled(warehouse, tmp_path, {"K": TEXT, "N": TEXT}, [{"K": "a", "N": "1"}])


@pytest.mark.parametrize(("added", "warned"), [(0, True), (1, False), (None, False)])
def test_a_file_of_which_no_row_is_added_is_told(tmp_path, caplog, added, warned):
    answer = [] if added is None else [Row(num_affected_rows=added, num_inserted_rows=added)]
    warehouse = Warehouse({"k": "string"}, answer=answer)

    with caplog.at_level("WARNING"):
        filled(warehouse, tmp_path, {"K": TEXT}, [{"K": "a"}], keys=())

    assert ("`main`.`kinetic`.`s`: no row of 1 was added" in caplog.text) == warned


@pytest.mark.parametrize(("keys", "files"), [(["K"], 3), ([], 1)])
def test_no_clock_says_where_the_file_of_an_appended_stream_ends(monkeypatch, keys, files):
    monkeypatch.setattr(DatabricksTarget, "_MAX_RECORD_AGE_IN_MINUTES", -1)
    warehouse = Warehouse({"k": "string"})
    target = DatabricksTarget(config=SETTINGS_OF_A_WORKSPACE)
    target._session = warehouse
    schema = {"type": "SCHEMA", "stream": "s", "schema": {"properties": {"K": TEXT}},
              "key_properties": keys}  # fmt: skip
    messages = [schema]
    for number in range(3):
        messages += [
            {"type": "RECORD", "stream": "s", "record": {"K": str(number)}},
            {"type": "STATE", "value": {"seen": number}},
        ]

    target.listen(io.BytesIO("".join(json.dumps(each) + "\n" for each in messages).encode()))

    assert [file.metadata.num_rows for file in warehouse.files] == [3 // files] * files


def test_streams_whose_tables_differ_by_case_only_are_refused_with_the_setting():
    target = DatabricksTarget(config={**SETTINGS_OF_A_WORKSPACE, "table_names": {"b": "A"}})
    schemas = [
        {"type": "SCHEMA", "stream": stream, "schema": {"properties": {"K": TEXT}}}
        for stream in "ab"
    ]

    with pytest.raises(LoadError, match=r"streams a and b would both .*`table_names`"):
        target.listen(io.BytesIO("".join(json.dumps(each) + "\n" for each in schemas).encode()))


def test_nothing_is_done_behind_a_failure():
    done, behind = [], Behind()
    entered, leave = threading.Event(), threading.Event()

    def fails() -> None:
        entered.set()
        leave.wait(10)
        raise LoadError("no")

    behind.load(fails)
    entered.wait(10)
    behind.then(lambda: done.append("STATE"))
    leave.set()

    with pytest.raises(LoadError, match="no"):
        behind.finish()
    with pytest.raises(LoadError, match="no"):
        behind.load(lambda: done.append("rows"))
    assert done == []


def test_work_is_done_in_its_order():
    done, behind = [], Behind()
    for number in range(50):
        behind.load(lambda number=number: done.append(number))
        behind.then(lambda number=number: done.append(-number))
    behind.finish()

    assert done == [each for number in range(50) for each in (number, -number)]


def test_the_readme_lists_every_setting_as_it_is():
    text = (ROOT / "loaders" / "target-databricks" / "README.md").read_text()
    table = text.partition("## Settings")[2]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.MULTILINE))

    assert rows == {name: row_of(schema) for name, schema in SETTINGS["properties"].items()}


def row_of(schema) -> str:
    kind = "secret" if schema.get("secret") else schema["type"][0]
    default = f"`{json.dumps(schema['default'])}`" if "default" in schema else ""
    return f"{kind} | {default} | {schema['description']}"


def test_meltano_knows_every_setting_and_which_are_secret():
    plugins = yaml.safe_load((ROOT / "meltano.yml").read_text())["plugins"]["loaders"]
    block = next(each for each in plugins if each["name"] == "target-databricks")
    known = {setting["name"]: setting for setting in block["settings"]}

    assert known.keys() == SETTINGS["properties"].keys()
    for name, schema in SETTINGS["properties"].items():
        assert known[name].get("sensitive", False) == schema.get("secret", False), name
        assert known[name].get("kind", "string") == schema["type"][0], name


PAGE = (ROOT / "docs" / "warehouses" / "databricks.md").read_text()


def blocks(language) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_pages_commands_name_plugins_environments_and_settings_that_are_there():
    project = yaml.safe_load((ROOT / "meltano.yml").read_text())
    plugins = {
        each["name"] for kind in ("extractors", "loaders") for each in project["plugins"][kind]
    }
    environments = {each["name"] for each in project["environments"]}
    commands = [line for block in blocks("bash") for line in block.splitlines()]
    exports = [line for line in commands if line.startswith("export ")]

    for line in [line for line in commands if line not in exports]:
        environment, run, *named = line.removeprefix(".venv/bin/meltano --environment=").split()
        assert environment in environments
        assert run == "run"
        assert {*named} <= plugins
    for line in exports:
        name, _, value = line.removeprefix("export TARGET_DATABRICKS_").partition("=")
        assert SETTINGS["properties"][name.lower()]["type"][0] == "object"
        assert json.loads(value.strip("'"))
    assert len(commands) == 3


def test_the_pages_variables_are_those_that_meltano_reads():
    text = (ROOT / "meltano.yml").read_text()

    named = set(re.findall(r"`(DATABRICKS_\w+)`", PAGE))

    assert named == set(re.findall(r"\$\{?(DATABRICKS_\w+)", text))


def test_the_communitys_block_is_a_plugin_of_meltano():
    (block,) = blocks("yaml")

    (plugin,) = yaml.safe_load(block)["plugins"]["loaders"]
    assert plugin["namespace"] == "target_databricks"


def test_the_pages_statements_are_the_dialects():
    found = [sqlglot.parse(block, dialect="databricks") for block in blocks("sql")]

    assert [len(each) for each in found] == [5, 1]


def test_a_setting_of_a_wrong_type_is_no_success(tmp_path):
    program = Path(sys.executable).with_name("kinetic-target-databricks")
    given = {"host": "h", "http_path": "p", "catalog": "c", "token": "t", "batch_size_rows": "many"}
    (tmp_path / "config.json").write_text(json.dumps(given))

    done = subprocess.run(
        [program, "--config", str(tmp_path / "config.json")],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert "config['batch_size_rows']" in done.stderr
