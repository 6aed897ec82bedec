"""The same model for six warehouses: what it means as SQL is SQL of each."""

import re

import pytest
import sqlglot
from kinetic_sandbox.kinetic import KineticServer, Tenant
from lookml_tenant import as_staged, discover
from target_looker_stage.config import Config
from target_looker_stage.dialects import dialect_of
from target_looker_stage.lookml.catalog import read_catalog
from target_looker_stage.lookml.check import check
from target_looker_stage.lookml.compile import Compiler
from target_looker_stage.lookml.parsed import read
from target_looker_stage.lookml.project import generate
from target_looker_stage.lookml.sql import DIALECTS, Kind

READS = {"postgresql": "postgres"}
SEGMENTS = [(1, "Natural Account"), (2, "Department"), (3, "Cost Centre")]
URLS = {
    "postgresql": {"sqlalchemy_url": "postgresql://u:p@h/d"},
    "duckdb": {"sqlalchemy_url": "duckdb:///x"},
    "snowflake": {"sqlalchemy_url": "snowflake://u:p@account/db"},
    "bigquery": {"sqlalchemy_url": "bigquery://project"},
    "databricks": {
        "sqlalchemy_url": "databricks://token:p@h?http_path=/x&catalog=c",
        "databricks_volume": "c.s.v",
    },
    "redshift": {
        "sqlalchemy_url": "redshift://u:p@h/d",
        "redshift_s3": "s3://b",
        "redshift_iam_role": "arn:aws:iam::1:role/x",
    },
}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    folder = tmp_path_factory.mktemp("catalog")
    with KineticServer(Tenant(profile="real", seed=7, scale=0.01)) as server:
        return discover(folder, server, "source")


@pytest.fixture(scope="module", params=sorted(DIALECTS))
def written(request, catalog, tmp_path_factory):
    name, tmp_path = request.param, tmp_path_factory.mktemp("written")
    made = generate(read_catalog(catalog), as_staged(catalog, name, SEGMENTS), "m", "c")
    for path, text in made.files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return name, tmp_path, made


@pytest.mark.full
def test_every_explore_key_and_trigger_is_sql_of_the_warehouse(written):
    name, folder, _ = written
    asked = []

    def parse(sql):
        asked.append(sqlglot.parse_one(sql, read=READS.get(name, name)))
        return []

    report = check([folder], DIALECTS[name], parse)

    assert report.problems == []
    assert report.not_checked == []
    assert report.fields > 4000
    assert len(asked) > 40
    kinds = {type(each).__name__ for each in asked}
    assert kinds == {"Select"}


def test_nothing_of_a_tenant_is_left_out_in_any_warehouse(written):
    _, _, made = written

    assert [note for note in made.notes if "left out" in note] == []


def test_names_are_quoted_as_the_loader_stores_them(written):
    name, folder, _ = written
    try:
        loader = dialect_of(Config.of(URLS[name]))
    except ImportError as error:
        pytest.skip(f"NOT TESTED: {name} needs {error.name}")

    sql = Compiler(read([folder]), DIALECTS[name]).select("payables", ["vendors.vendorid"])

    assert loader.qualified("vendors") in sql
    assert loader.quoted("vendorid") in sql
    assert DIALECTS[name].quoted("_epicor_company") == loader.quoted("_epicor_company")


def test_what_people_ask_for_first_is_sql_of_the_warehouse(written):
    name, folder, made = written
    compiler = Compiler(read([folder]), DIALECTS[name])
    for explore, *fields in (
        ("payables", "vendors.name", "ap_invoices.age", "ap_invoices.open_payables"),
        ("payables", "ap_invoices.invoice_month", "ap_invoice_lines.count", "ap_invoices.spend"),
        ("inventory", "parts.classid", "part_warehouses.inventory_value", "part_warehouses.turns"),
        ("stock_movements", "part_transactions.tran_week", "part_transactions.on_time_share"),
        ("gl_journal", "gl_segment_2.segmentname", "gl_transactions.net"),
        ("payables", "ap_invoices.row_key", "ap_invoices.changedat_c_year"),
    ):
        sqlglot.parse_one(compiler.select(explore, fields), read=READS.get(name, name))
    assert made.files


def test_a_day_is_taken_in_utc_whatever_the_sessions_zone(written):
    name, folder, _ = written
    sql = Compiler(read([folder]), DIALECTS[name]).select("payables", ["ap_invoices.due_date"])

    assert re.search("UTC|utc", sql), sql
    parsed = sqlglot.parse_one(sql, read=READS.get(name, name))
    assert parsed.find(sqlglot.exp.Cast) is not None


@pytest.mark.parametrize(
    ("name", "shown", "kind"),
    [
        ("postgresql", "timestamp with time zone", Kind.ZONED),
        ("postgresql", "TIMESTAMP(6) WITHOUT TIME ZONE", Kind.TIME),
        ("postgresql", "character varying", Kind.TEXT),
        ("postgresql", "numeric(20, 3)", Kind.NUMBER),
        ("duckdb", "DECIMAL(38,9)", Kind.NUMBER),
        ("duckdb", "TIMESTAMP", Kind.TIME),
        ("duckdb", "STRUCT(a INTEGER)", None),
        ("snowflake", "TIMESTAMP_TZ(9)", Kind.ZONED),
        ("snowflake", "VARIANT", None),
        ("databricks", "TIMESTAMP", Kind.ZONED),
        ("databricks", "TIMESTAMP_NTZ", Kind.TIME),
        ("bigquery", "TIMESTAMP", Kind.ZONED),
        ("bigquery", "DATETIME", Kind.TIME),
        ("bigquery", "JSON", None),
        ("redshift", "super", None),
    ],
)  # fmt: skip
def test_a_type_is_read_as_the_warehouse_shows_it(name, shown, kind):
    assert DIALECTS[name].kind(shown) is kind
