"""Streams that the settings add, the names and the columns that are sent."""

import json
import subprocess

import pytest
from harness import (
    TAP,
    Warehouse,
    environment,
    expected_rows,
    plain,
    run_tap,
    settings,
    tap_files,
)
from kinetic_sandbox.kinetic import KineticServer, Tenant
from tap_epicor_kinetic.naming import snake_case

CHARTS = {"name": "charts", "service": "Erp.BO.COASvc", "entity_set": "COAs"}
SPEND = {"id": "KIN-VendorSpend", "primary_keys": ["Vendor_VendorNum"], "name": "vendor_spend"}
STOCK = {
    "id": "KIN-PartStock",
    "primary_keys": ["PartWhse_PartNum", "PartWhse_Plant", "PartWhse_WarehouseCode"],
    "name": "part_stock",
}


@pytest.fixture(scope="module")
def server():
    with KineticServer(Tenant(profile="real", seed=7, scale=0.2)) as running:
        yield running


@pytest.fixture(autouse=True)
def _nothing_was_asked_yet(server):
    server.requests.clear()


def discover(folder, config, **variables):
    given = tap_files(folder, config, None, None)
    command = [*TAP, *given, *(["--config=ENV"] if variables else []), "--discover"]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**environment(), **variables}, check=False
    )
    assert done.returncode == 0, done.stderr
    return {entry["stream"]: entry for entry in json.loads(done.stdout)["streams"]}


def columns(entry):
    """Each column's metadata in a catalog entry."""
    return {m["breadcrumb"][1]: m["metadata"] for m in entry["metadata"] if m["breadcrumb"]}


def only(catalog, *streams):
    """The catalog with these streams alone."""
    return {"streams": [catalog[name] for name in streams]}


def test_own_objects_stand_behind_the_documents_and_before_the_audit(tmp_path, server):
    config = settings(server, business_objects=[CHARTS])

    assert list(discover(tmp_path, config))[-3:] == [
        "gl_transactions",
        "charts",
        "epicor_sync_runs",
    ]


def test_an_own_object_whose_sets_end_in_errors_is_read_by_its_method(tmp_path, real_server):
    real_server.vices.set("fail_reads", "Erp.BO.COASvc")
    by_method = {**CHARTS, "read_method": "GetRows", "table": "COA"}
    config = settings(real_server, business_objects=[by_method])
    catalog = only(discover(tmp_path, config), "charts")

    result = run_tap(tmp_path, config, catalog=catalog)

    assert result.code == 0, result.stderr
    found = {(row["Company"], row["COACode"]) for row in result.records("charts")}
    tenant = real_server.tenant
    assert found == {
        (row["Company"], row["COACode"])
        for company in tenant.companies
        for row in tenant.rows("gl_charts", company)
    }


def test_an_own_object_is_read_like_any_other(tmp_path, server):
    config = settings(server, business_objects=[{**CHARTS, "select": ["Description"]}])
    catalog = only(discover(tmp_path, config), "charts", "epicor_sync_runs")

    result = run_tap(tmp_path, config, catalog=catalog)

    assert result.code == 0, result.stderr
    tenant = server.tenant
    expected = [
        (row["Company"], row["COACode"], row["Description"])
        for company in tenant.companies
        for row in tenant.rows("gl_charts", company)
    ]
    sent = [(r["Company"], r["COACode"], r["Description"]) for r in result.records("charts")]
    assert sorted(sent) == sorted(expected)
    assert not any("GlobalCOA" in record for record in result.records("charts"))


def test_lists_and_objects_come_as_json_through_the_environment(tmp_path, server):
    found = discover(
        tmp_path,
        settings(server),
        TAP_EPICOR_KINETIC_BUSINESS_OBJECTS=json.dumps([CHARTS]),
        TAP_EPICOR_KINETIC_SENSITIVE_COLUMNS='["PhoneNum"]',
        TAP_EPICOR_KINETIC_STREAM_OPTIONS='{"parts": {"primary_keys": ["PartNum"]}}',
        TAP_EPICOR_KINETIC_COLUMN_NAMING="snake_case",
    )

    assert found["charts"]["key_properties"] == ["company", "coa_code"]
    assert found["parts"]["key_properties"] == ["part_number", "_epicor_company"]
    vendors = columns(found["vendors"])
    assert vendors["phone_number"]["inclusion"] == "unsupported"
    assert "selected-by-default" not in vendors["tin"]
    assert vendors["vendor_number"]["inclusion"] == "automatic"
    assert vendors["sys_rev_id"]["inclusion"] == "automatic"


def test_sensitive_columns_are_neither_asked_for_nor_sent_whatever_a_catalog_selects(
    tmp_path, server
):
    config = settings(server)
    catalog = only(discover(tmp_path, config), "vendors", "epicor_sync_runs")
    server.requests.clear()

    plain_run = run_tap(tmp_path, config, catalog=catalog)

    pages = [r.query for r in server.requests if r.entity_set == "Vendors" and r.kind == "rows"]
    assert pages
    assert not any({"TIN", "TaxPayerID"} & {*query["$select"].split(",")} for query in pages)
    assert plain_run.records("vendors")
    assert not any({"TIN", "TaxPayerID"} & r.keys() for r in plain_run.records("vendors"))
    columns(catalog["streams"][0])["TIN"]["selected"] = True  # as Meltano's `*.*` does
    assert not any("TIN" in record for record in run_tap(
        tmp_path, config, catalog=catalog).records("vendors"))  # fmt: skip


@pytest.mark.parametrize(
    "change", [{"sensitive_columns": ["*Password*"]},
               {"stream_options": {"vendors": {"select": ["TIN", "Name"]}}}]
)  # fmt: skip
def test_a_shorter_list_or_a_selection_by_name_brings_a_sensitive_column(change, tmp_path, server):
    config = settings(server, **change)
    catalog = only(discover(tmp_path, config), "vendors")

    records = run_tap(tmp_path, config, catalog=catalog).records("vendors")

    assert records
    assert all("TIN" in record for record in records)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"business_objects": [{**CHARTS, "entity_set": "Charts"}]}, ["charts", "COAs"]),
        ({"business_objects": [{**CHARTS, "service": "Erp.BO.NopeSvc"}]}, ["NopeSvc"]),
        ({"business_objects": [{**CHARTS, "page": 5}]}, ["page", "page_size"]),
        ({"business_objects": [{"name": "charts"}]}, ["business_objects", "service"]),
        ({"baqs": [{**SPEND, "parameters": {"Year": 2024}}]}, ["baqs", "Year", "2024"]),
        ({"baqs": [{**SPEND, "id": "KIN-Nope"}]}, ["`baqs.KIN-Nope`", "shared"]),
        ({"stream_options": {"vendors": {"read_method": "GetList"}}}, ["read_method", "GetRows"]),
        (
            {"business_objects": [{**CHARTS, "read_method": "GetRows"}]},
            ["`business_objects.charts.table`", "POHeader"],
        ),
        ({"stream_options": {"vendors": {"select": ["Nmae"]}}}, ["select", "Nmae", "Name"]),
    ],
)
def test_a_wrong_entry_is_exit_code_2_and_one_sentence_about_it(change, said, tmp_path, server):
    result = run_tap(tmp_path, settings(server, **change))

    assert result.code == 2, result.stderr
    assert all(word in result.error for word in said), result.error
    assert "Traceback" not in result.stderr


def test_snake_case_changes_names_and_nothing_else(tmp_path, server):
    warehouse = Warehouse()

    result = run_tap(tmp_path, settings(server, column_naming="snake_case"))

    assert result.code == 0, result.stderr
    warehouse.load(result)
    tenant = server.tenant
    for stream in tenant.streams:
        entity = tenant.entity(stream)
        names = snake_case(tuple(entity.columns), entity.type_name)
        for company in tenant.companies:
            expected = {
                key: {names[column]: value for column, value in row.items()}
                for key, row in expected_rows(tenant, stream, company).items()
            }
            assert warehouse.open_rows(stream, company) == expected


def test_a_renamed_column_tells_epicors_own_name_as_its_title(tmp_path, server):
    plainly = discover(tmp_path, settings(server))["ap_invoices"]["schema"]["properties"]
    renamed = discover(tmp_path, settings(server, column_naming="snake_case"))["ap_invoices"]

    assert not [name for name, schema in plainly.items() if "title" in schema]
    titles = {
        name: schema.get("title", name) for name, schema in renamed["schema"]["properties"].items()
    }
    assert titles["vendor_number"] == "VendorNum"
    assert sorted(titles.values()) == sorted(plainly)


def test_a_baq_is_a_stream_with_the_key_that_was_named(tmp_path, server):
    config = settings(server, baqs=[SPEND])
    found = discover(tmp_path, config)
    assert found["vendor_spend"]["key_properties"] == ["Vendor_VendorNum", "_epicor_company"]
    assert found["vendor_spend"].get("replication_key") is None

    result = run_tap(tmp_path, config, catalog=only(found, "vendor_spend", "epicor_sync_runs"))

    assert result.code == 0, result.stderr
    tenant = server.tenant
    expected = {
        (company, row["VendorNum"]): row["Name"]
        for company in tenant.companies
        for row in tenant.rows("vendors", company)
    }
    records = result.records("vendor_spend")
    assert {(r["_epicor_company"], r["Vendor_VendorNum"]): r["Vendor_Name"] for r in records} == (
        expected
    )
    assert not any("RowIdent" in record for record in records)
    for record in records:
        assert record["_epicor_source_url"] is None
        assert record["_epicor_source_id"] == str(record["Vendor_VendorNum"])
        assert record["_sdc_deleted_at"] is None


def test_a_baqs_row_ident_is_no_surprise(tmp_path, server):
    config = settings(server, baqs=[SPEND])
    catalog = only(discover(tmp_path, config), "vendor_spend")

    assert "RowIdent" not in run_tap(tmp_path, config, catalog=catalog).stderr


def test_parameters_reach_the_baq_and_a_list_repeats_its_name(tmp_path, server):
    tenant = server.tenant
    plants = sorted({row["Plant"] for row in tenant.rows("part_warehouses", "EPIC06")})[:2]
    config = settings(server, baqs=[{**STOCK, "parameters": {"Plant": plants}}])
    catalog = only(discover(tmp_path, config), "part_stock", "epicor_sync_runs")

    result = run_tap(tmp_path, config, catalog=catalog)

    assert result.code == 0, result.stderr
    sent = {
        (r["PartWhse_PartNum"], r["PartWhse_Plant"], plain(r["PartWhse_OnHandQty"]))
        for r in result.records("part_stock")
        if r["_epicor_company"] == "EPIC06"
    }
    assert sent == {
        (row["PartNum"], row["Plant"], plain(row["OnHandQty"]))
        for row in tenant.rows("part_warehouses", "EPIC06")
        if row["Plant"] in plants
    }
