"""The README says what the loader does: settings, types, names, statements."""

import re
from pathlib import Path

import pyarrow as pa
import pytest
from kinetic_batches.columns import column_of
from stages import DuckDB, Stage, amount, end, record, schema
from target_looker_stage.audit import Entry
from target_looker_stage.config import WAREHOUSES, Config
from target_looker_stage.dialects import dialect_of
from target_looker_stage.settings import SETTINGS

PACKAGE = Path(__file__).parents[2] / "target-looker-stage"
README = (PACKAGE / "README.md").read_text()
TITLES = {"PostgreSQL": "postgresql", "DuckDB": "duckdb", "Snowflake": "snowflake",
          "BigQuery": "bigquery", "Databricks": "databricks", "Redshift": "redshift"}  # fmt: skip
PLACES = {"databricks_volume": "a.b.c", "redshift_s3": "s3://b", "redshift_iam_role": "arn:aws:x"}
SCHEMAS = {
    "x-singer.decimal": amount(20, 4),
    "date-time": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
}  # fmt: skip


def table(title: str) -> list[list[str]]:
    """The rows of the first table of a section, cells without their backquotes."""
    section = README.partition(f"## {title}\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [
        [cell.strip() for cell in row.strip("|").split("|")] for row in rows if "---" not in row
    ]


def urls() -> dict[str, str]:
    """By extra."""
    return {
        re.search(r"`(\w+)`", row[0])[1]: re.search(r"`([^`]+)`", row[1])[1]
        for row in table("Warehouses")[1:]
    }


def test_every_warehouse_has_a_row_an_extra_and_an_address_that_is_taken():
    project = (PACKAGE / "pyproject.toml").read_text()
    listed = project.partition("[project.optional-dependencies]")[2].partition("\n[")[0]

    assert urls().keys() == set(WAREHOUSES) == {*re.findall(r"^(\w+) =", listed, re.MULTILINE)}
    for kind, url in urls().items():
        places = {name: value for name, value in PLACES.items() if name.startswith(kind)}
        assert Config.of({"sqlalchemy_url": url, **places}).warehouse == kind


@pytest.mark.parametrize("row", table("Types")[1:-1], ids=lambda row: row[0])
def test_the_types_are_those_of_the_loader(row):
    names = [TITLES[title] for title in table("Types")[0][1:]]
    (given, *_), kinds = re.search(r"`([^`]+)`", row[0]).groups(), {}
    column = column_of("c", SCHEMAS.get(given, {"type": given}))
    for name in names:
        places = {k: v for k, v in PLACES.items() if k.startswith(name)}
        said = dialect_of(Config.of({"sqlalchemy_url": urls()[name], **places}))
        kinds[name] = said.type(column.type)
    told = [re.search(r"`([^`]+)`", cell) for cell in row[1:]]
    for number, name in enumerate(names):
        found = told[number][1] if told[number] else told[number - 1][1]
        assert found.replace("(p,s)", "(20,4)") == kinds[name]


def test_what_is_neither_named_nor_a_scalar_is_text():
    assert column_of("c", {"type": "object"}).type == pa.string()


def test_the_columns_of_the_audit_are_all_told():
    told = {name for row in table("`_sync_audit`")[1:] for name in re.findall(r"`(\w+)`", row[0])}

    assert told == set(Entry._fields)


def test_the_question_to_the_audit_is_answered(tmp_path):
    (sql,) = re.findall(r"```sql\n(.*?)```", README, re.DOTALL)
    stage = Stage(DuckDB(tmp_path / "stage.duckdb"))
    stage.load(schema("vendors"), record("vendors", 1, _epicor_run_id="r1"), end("r1"))

    (row,) = stage.place.query(sql)

    assert (row["run_id"], row["rows_upserted"], row["looker_status"]) == ("r1", 1, "not asked")


def test_every_setting_is_told():
    assert [row[0].strip("`") for row in table("Settings")[1:]] == list(SETTINGS["properties"])
