"""What is said to the six warehouses is of their dialects, and means what it should."""

import re
from itertools import chain

import pyarrow as pa
import pytest
import sqlglot
from kinetic_batches.columns import MOMENT, holder
from target_looker_stage.config import WAREHOUSES, Config
from target_looker_stage.dialects import dialect_of

URLS = {
    "postgresql": "postgresql://u:p@host/db",
    "duckdb": "duckdb:////tmp/file",
    "snowflake": "snowflake://u:p@account/db?warehouse=w&role=r",
    "bigquery": "bigquery://project",
    "databricks": "databricks://token:t@host?http_path=/sql&catalog=main",
    "redshift": "redshift://u:p@host/db",
}
PLACES = {
    "databricks": {"databricks_volume": "main.kinetic.stage"},
    "redshift": {
        "redshift_s3": "s3://bucket/in/between", "redshift_iam_role": "arn:aws:iam::1:role/r",
    },
}  # fmt: skip
PARSER = {"postgresql": "postgres"}
COLUMNS = pa.schema({
    "k": pa.int64(), "group": pa.string(), "amount": pa.decimal128(18, 3), "yes": pa.bool_(),
    "ratio": pa.float64(), "day": pa.date32(), "at": MOMENT, "_sdc_deleted_at": MOMENT,
})  # fmt: skip
NEW = [pa.field("order", pa.string()), pa.field("from", pa.int64())]
NAMES = COLUMNS.names
ZONED = "TIMESTAMP_WITH_TIME_ZONE"


def dialect(kind, **settings):
    url = URLS[kind]
    return dialect_of(Config.of({"sqlalchemy_url": url, **PLACES.get(kind, {}), **settings}))


def statements(kind) -> list[str]:
    """Everything that a table goes through."""
    said = dialect(kind)
    wide = pa.field("amount", pa.decimal128(28, 9))
    return [
        said.create_schema(),
        said.create_table("ap_invoices", COLUMNS, ["k", "group"]),
        said.create_table("log", COLUMNS, []),
        *said.add_columns("ap_invoices", NEW),
        *said.widen("ap_invoices", wide),
        *said.merge("ap_invoices", said.quoted("s1"), NAMES, ["k", "group"], hard_delete=False),
        *said.merge("ap_invoices", said.quoted("s1"), NAMES, ["k", "group"], hard_delete=True),
        *said.merge("bare", said.quoted("s1"), ["k"], ["k"], hard_delete=False),
        said.append("log", said.quoted("s1"), NAMES),
        said.retire("ap_invoices", 7, hard_delete=True),
        said.retire("ap_invoices", 7, hard_delete=False),
        said.list_tables(),
        said.list_columns("ap_invoices"),
    ]


@pytest.mark.parametrize("kind", WAREHOUSES)
def test_every_statement_is_of_the_dialect(kind):
    for statement in statements(kind):
        parsed = sqlglot.parse(
            statement,
            dialect=PARSER.get(kind, kind),
            error_level=sqlglot.ErrorLevel.RAISE,
        )

        assert len(parsed) == 1, statement
        # What the parser takes for a command it has not looked into.
        is_command = isinstance(parsed[0], sqlglot.exp.Command)
        assert not is_command or statement.startswith("SHOW") or "TBLPROPERTIES" in statement


@pytest.mark.parametrize("kind", WAREHOUSES)
def test_every_name_is_quoted_as_the_dialect_does(kind):
    quote = {"bigquery": "`", "databricks": "`"}.get(kind, '"')
    group = "GROUP" if kind == "snowflake" else "group"

    for statement in statements(kind)[1:9]:
        assert statement.replace(f"{quote}{group}{quote}", "").lower().count("group") == 0


@pytest.mark.parametrize(
    ("kind", "types"),
    [
        ("postgresql", "BIGINT TEXT NUMERIC(18,3) BOOLEAN DOUBLE_PRECISION DATE " + ZONED),
        ("duckdb", "BIGINT VARCHAR DECIMAL(18,3) BOOLEAN DOUBLE DATE " + ZONED),
        ("snowflake", "NUMBER(19,0) VARCHAR NUMBER(18,3) BOOLEAN FLOAT DATE TIMESTAMP_TZ"),
        ("bigquery", "INT64 STRING NUMERIC BOOL FLOAT64 DATE TIMESTAMP"),
        ("databricks", "BIGINT STRING DECIMAL(18,3) BOOLEAN DOUBLE DATE TIMESTAMP"),
        (
            "redshift",
            "BIGINT VARCHAR(65535) NUMERIC(18,3) BOOLEAN DOUBLE_PRECISION DATE " + ZONED,
        ),
    ],
)  # fmt: skip
def test_each_type_has_one_of_the_warehouse_and_is_known_again(kind, types):
    said = dialect(kind)

    assert [said.type(each.type) for each in COLUMNS][:-1] == [
        each.replace("_", " ") if each != "TIMESTAMP_TZ" else each for each in types.split()
    ]
    for column in COLUMNS:
        stored = said.kind(said.type(column.type).replace("VARCHAR(65535)", "CHARACTER VARYING"))
        assert holder(stored, column.type, long_digits=said.LONG_DIGITS) == stored


@pytest.mark.parametrize(
    ("kind", "stored", "wanted", "wider"),
    [
        ("bigquery", "NUMERIC", pa.decimal128(28, 12), "BIGNUMERIC"),
        ("bigquery", "INT64", pa.decimal128(18, 3), "NUMERIC"),
        ("bigquery", "NUMERIC", pa.decimal128(38, 9), None),
        ("snowflake", "NUMBER(19,0)", pa.decimal128(18, 3), "NUMBER(22,3)"),
        ("databricks", "BIGINT", pa.decimal128(18, 3), "DECIMAL(23,3)"),
        ("redshift", "NUMERIC(18,3)", pa.int64(), "NUMERIC(22,3)"),
    ],
)
def test_exact_numbers_are_widened_to_what_holds_both(kind, stored, wanted, wider):
    said = dialect(kind)
    there = said.kind(stored)

    found = holder(there, wanted, long_digits=said.LONG_DIGITS, most_digits=said.MOST_DIGITS)

    assert (None if found == there else said.type(found)) == wider


@pytest.mark.parametrize(
    ("kind", "count"),
    [("postgresql", 1), ("bigquery", 1), ("databricks", 1), ("duckdb", 2), ("redshift", 2)],
)
def test_columns_are_added_by_one_statement_where_there_is_one(kind, count):
    """BigQuery limits how often a table is changed."""
    assert len(dialect(kind).add_columns("ap_invoices", NEW)) == count


@pytest.mark.parametrize("kind", ["snowflake", "redshift"])
def test_a_widening_that_was_cut_short_is_finished(kind):
    """The statements run one by one on a list of columns; after each of them the rest follows."""
    said = dialect(kind)
    steps = said.widen("t", pa.field("amount", pa.decimal128(28, 9)))
    spare = "amount__kinetic_wider"
    for done, columns in (
        (1, ["k", "amount", spare]),
        (2, ["k", "amount", spare]),
        (3, ["k", spare]),
        (4, ["k", "amount"]),
    ):
        left = said.finish_widening("t", [_column(name) for name in columns])
        if done == 3:
            assert left == steps[3:]
        elif done == 4:
            assert left == []
        else:
            assert left == [f"ALTER TABLE {said.qualified('t')} DROP COLUMN {said.quoted(spare)}"]


def _column(name):
    from target_looker_stage.dialects.base import TableColumn  # noqa: PLC0415

    return TableColumn(name, "", None)


@pytest.mark.parametrize("kind", WAREHOUSES)
def test_soft_deletes_delete_nothing(kind):
    soft = dialect(kind).merge("t", "s", NAMES, ["k"], hard_delete=False)

    assert not any(re.search(r"\bDELETE\b", each) for each in soft)


def test_files_go_where_the_settings_say(tmp_path):
    file = tmp_path / "f.parquet"

    snowflake, databricks, redshift = map(dialect, ("snowflake", "databricks", "redshift"))

    assert "' @KINETIC_FILES " in snowflake.put(file)
    assert "FROM @KINETIC_FILES/f.parquet " in snowflake.copy("s", file)
    assert snowflake.make_room()[0] == 'USE SCHEMA "EPICOR_STAGE"'
    assert databricks.put(file).endswith("INTO '/Volumes/main/kinetic/stage/f.parquet' OVERWRITE")
    assert databricks.source(file) == "parquet.`/Volumes/main/kinetic/stage/f.parquet`"
    assert "FROM 's3://bucket/in/between/f.parquet' IAM_ROLE 'arn:aws:iam::1:role/r'" in (
        redshift.copy("f.parquet")
    )
    for said, statement in (
        ("snowflake", snowflake.copy("s", file)),
        ("snowflake", snowflake.create_stage("s", COLUMNS)),
        ("redshift", redshift.copy("f.parquet")),
    ):
        assert sqlglot.parse_one(statement, dialect=said)


def test_only_redshifts_stage_has_no_zones():
    (create,) = {dialect("redshift").create_stage(pa.schema({"at": pa.timestamp("us")}))}

    assert create == 'CREATE TEMPORARY TABLE "kinetic_stage" ("at" TIMESTAMP)'
    assert "AS t" not in "".join(chain(*[
        dialect("redshift").merge("t", "s", NAMES, ["k"], hard_delete=hard) for hard in (0, 1)
    ]))  # fmt: skip
