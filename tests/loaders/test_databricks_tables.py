"""What is said to Databricks for a table, and what is done when it says no."""

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlglot
from databricks.sql.types import Row
from databricks_workspace import WORKSPACE, config
from kinetic_batches.batch import Batch
from kinetic_batches.columns import MOMENT as INSTANT
from kinetic_batches.columns import Column, column_of
from kinetic_batches.errors import LoadError
from kinetic_batches.rows import Rows
from kinetic_batches.settings import ConfigError
from kinetic_target_databricks import statements
from kinetic_target_databricks.explain import explain
from kinetic_target_databricks.session import StatementError
from kinetic_target_databricks.statements import Name, check_columns
from kinetic_target_databricks.table import Table
from kinetic_target_databricks.target import DatabricksTarget

TEXT = {"type": ["string", "null"]}
MOMENT = {**TEXT, "format": "date-time"}

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
    with pytest.raises(ConfigError, match="`table_names` can give another"):
        config(table_names={"s": name or ""}).table("s")


@pytest.mark.parametrize("names", [["a b"], ["a,b"], ["a=b"], ["a(b)"], [""], ["Name", "NAME"]])
def test_columns_that_a_delta_table_cannot_have_are_refused(names):
    with pytest.raises(LoadError, match="s: "):
        check_columns("s", names)


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
    target = DatabricksTarget(config=WORKSPACE)
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
    target = DatabricksTarget(config={**WORKSPACE, "table_names": {"b": "A"}})
    schemas = [
        {"type": "SCHEMA", "stream": stream, "schema": {"properties": {"K": TEXT}}}
        for stream in "ab"
    ]

    with pytest.raises(LoadError, match=r"streams a and b would both .*`table_names`"):
        target.listen(io.BytesIO("".join(json.dumps(each) + "\n" for each in schemas).encode()))
