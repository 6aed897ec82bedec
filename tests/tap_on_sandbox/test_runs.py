"""First run, a day passes, second run: what was sent is what the tenant shows as open."""

import json
import subprocess

import pytest
from harness import (
    AUDIT,
    TAP,
    Warehouse,
    assert_equal,
    deleted_rows,
    environment,
    is_company_check,
    run_tap,
    settings,
    tap_files,
)
from kinetic_sandbox.kinetic import KineticServer, Tenant

MASTERS = ["companies", "gl_accounts", "gl_segments", "gl_segment_values", "vendors", "customers",
           "parts", "projects"]  # fmt: skip


def test_the_first_run_sends_exactly_the_open_rows(tmp_path, server, tenant):
    result = run_tap(tmp_path, settings(server))

    assert result.code == 0, result.stderr
    warehouse = Warehouse()
    warehouse.load(result)
    assert_equal(warehouse, tenant)


def test_after_a_day_the_second_run_makes_the_tables_equal_again(tmp_path, server, tenant):
    warehouse = Warehouse()
    first = run_tap(tmp_path, settings(server))
    warehouse.load(first)
    report = tenant.day_passes()

    second = run_tap(tmp_path, settings(server), state=first.state)

    assert second.code == 0, second.stderr
    warehouse.load(second)
    assert_equal(warehouse, tenant, but=deleted_rows(report))
    closed = {(s, tuple(key)) for s, rows in report.closed.items() for _, key in rows}
    assert closed
    for stream, key in closed:
        assert warehouse.tables[stream][key]["_sdc_deleted_at"] is not None


def test_a_reopened_row_is_open_again(tmp_path, real_server):
    tenant = real_server.tenant
    vendor = next(r for r in tenant.rows("vendors", "EPIC06") if not r["Inactive"])
    key, warehouse, state = ("EPIC06", vendor["VendorNum"]), Warehouse(), None
    marks = []
    for inactive in (False, True, False):
        tenant.update("vendors", "EPIC06", key, Inactive=inactive)
        result = run_tap(tmp_path, settings(real_server), state=state)
        state = result.state
        warehouse.load(result)
        marks.append(warehouse.tables["vendors"][key]["_sdc_deleted_at"] is not None)

    assert marks == [False, True, False]


def test_a_second_run_without_changes_costs_one_data_request_per_stream_and_company(
    tmp_path, server, tenant
):
    first = run_tap(tmp_path, settings(server))
    server.requests.clear()

    second = run_tap(tmp_path, settings(server), state=first.state)

    assert second.code == 0
    reads = [r for r in server.requests if r.kind == "rows"]
    marks = [r for r in reads if r.query.get("$orderby", "").endswith("desc")]
    proofs = [r for r in reads if is_company_check(r)]
    assert len(proofs) == len(tenant.companies)
    data = [(r.entity_set, r.company) for r in reads if r not in marks and r not in proofs]
    assert len(data) == len(set(data)) == len(tenant.streams) * len(tenant.companies)
    assert {r.kind for r in server.requests} == {"rows", "metadata"}


def test_masters_come_before_documents_and_the_audit_comes_last(tmp_path, real_server):
    order = run_tap(tmp_path, settings(real_server)).streams()

    assert order[: len(MASTERS)] == MASTERS
    assert order[-1] == AUDIT


def test_a_complete_run_carries_the_marker_once_and_an_inherited_one_is_dropped(
    tmp_path, real_server
):
    first = run_tap(tmp_path, settings(real_server))
    second = run_tap(tmp_path, settings(real_server), state=first.state)

    for result in (first, second):
        assert len(result.markers) == 1
        assert result.messages[-1]["value"]["last_complete_run"] == result.markers[0]
        sent = result.markers[0]["streams"]
        assert sent["vendors"] == len(result.records("vendors"))
        assert set(sent) == set(real_server.tenant.streams)
    assert first.markers[0]["run_id"] != second.markers[0]["run_id"]


def test_the_audit_accounts_for_every_row_and_request(tmp_path, real_server):
    log = tmp_path / "runs" / "log.jsonl"
    result = run_tap(tmp_path, settings(real_server, run_log_path=str(log)))

    audit = result.records(AUDIT)
    tenant = real_server.tenant
    assert {(row["stream"], row["company"]) for row in audit} == {
        (s, c) for s in tenant.streams for c in tenant.companies
    }
    for stream in tenant.streams:
        rows = [row for row in audit if row["stream"] == stream]
        assert sum(row["rows_sent"] for row in rows) == len(result.records(stream))
        assert {row["status"] for row in rows} == {"complete"}
        assert {row["run_id"] for row in rows} == {result.markers[0]["run_id"]}
    *logged, end = [json.loads(line) for line in log.read_text().splitlines()]
    sums = {"key_count", "key_checksum"}  # for `verify`
    assert [{k: v for k, v in line.items() if k not in sums} for line in logged] == audit
    assert end["run_id"] == result.markers[0]["run_id"]
    assert end["status"] == "complete"
    assert "completed_at" in end


def test_every_row_says_where_it_comes_from(tmp_path, real_server):
    result = run_tap(tmp_path, settings(real_server))

    run_id = result.markers[0]["run_id"]
    for row in result.records("ap_invoices"):
        company, vendor = row["Company"], row["VendorNum"]
        assert row["_epicor_instance"] == real_server.url
        assert row["_epicor_company"] == company
        assert row["_epicor_run_id"] == run_id
        assert row["_epicor_source_id"] == row["SysRowID"]
        start = f"{real_server.url}/api/v2/odata/{company}/Erp.BO.APInvoiceSvc/APInvoices("
        assert row["_epicor_source_url"].startswith(f"{start}'{company}',{vendor},")


def test_closed_records_can_be_included_as_ordinary_rows(tmp_path, real_server):
    result = run_tap(tmp_path, settings(real_server, closed_records="include"))

    tenant = real_server.tenant
    for stream in ("vendors", "purchase_orders", "parts"):
        rows = result.records(stream)
        assert len(rows) == sum(len(tenant.rows(stream, c)) for c in tenant.companies)
        assert all(row["_sdc_deleted_at"] is None for row in rows)


def test_a_change_to_exclude_reads_everything_once_and_retracts_what_is_closed(
    tmp_path, real_server
):
    tenant, warehouse = real_server.tenant, Warehouse()
    included = run_tap(tmp_path, settings(real_server, closed_records="include"))
    warehouse.load(included)

    excluded = run_tap(tmp_path, settings(real_server), state=included.state)

    warehouse.load(excluded)
    assert "closed_records was include and is exclude" in excluded.stderr
    assert_equal(warehouse, tenant)


def test_start_date_bounds_documents_and_leaves_masters_whole(tmp_path):
    with KineticServer(Tenant(profile="documented", seed=7)) as server:
        rows = server.tenant.rows("ap_invoices", "EPIC06")
        start = sorted(r["UpdatedOn"] for r in rows if r["UpdatedOn"])[len(rows) // 2]
        config = settings(server, start_date=start, closed_records="include")
        result = run_tap(tmp_path, config)

        assert 0 < len(result.records("ap_invoices")) < len(rows)
        for row in result.records("ap_invoices"):
            assert row["UpdatedOn"] is None or row["UpdatedOn"] >= start[:10]
        vendors = [server.tenant.rows("vendors", c) for c in server.tenant.companies]
        assert len(result.records("vendors")) == sum(map(len, vendors))


def test_a_company_that_is_added_later_gets_its_own_first_sync(tmp_path, real_server):
    first = run_tap(tmp_path, settings(real_server, companies=["EPIC06"]))
    warehouse = Warehouse()
    warehouse.load(first)

    second = run_tap(tmp_path, settings(real_server), state=first.state)

    warehouse.load(second)
    assert_equal(warehouse, real_server.tenant)


def test_deselected_columns_are_not_asked_for_and_not_sent(tmp_path, real_server):
    catalog = discovered(tmp_path, real_server)
    for entry in catalog["streams"]:
        for item in entry["metadata"]:
            if entry["stream"] == "vendors" and item["breadcrumb"] == ["properties", "Name"]:
                item["metadata"]["selected"] = False

    result = run_tap(tmp_path, settings(real_server), catalog=catalog)

    assert all("Name" not in row for row in result.records("vendors"))
    (schema,) = [m for m in result.messages if m["type"] == "SCHEMA" and m["stream"] == "vendors"]
    assert "Name" not in schema["schema"]["properties"]
    asked = [r.query["$select"].split(",") for r in real_server.requests
             if r.entity_set == "Vendors" and "VendorID" in r.query.get("$select", "")]  # fmt: skip
    assert asked
    assert all("Name" not in columns for columns in asked)


def discovered(folder, server) -> dict:
    command = [*TAP, *tap_files(folder, settings(server), None, None), "--discover"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=True)
    return json.loads(done.stdout)


def test_stream_maps_go_the_slow_way_and_send_the_same_values(tmp_path, real_server):
    fast = run_tap(tmp_path, settings(real_server, decimal_format="singer_decimal"))
    maps = {"ap_invoices": {"Shouted": "VendorNumName.upper()"}}
    slow = run_tap(
        tmp_path, settings(real_server, decimal_format="singer_decimal", stream_maps=maps)
    )

    assert slow.code == 0, slow.stderr
    volatile = {"_epicor_run_id", "_epicor_synced_at", "Shouted"}
    kept = [
        [{k: v for k, v in row.items() if k not in volatile} for row in r.records("ap_invoices")]
        for r in (fast, slow)
    ]
    assert kept[0] == kept[1]
    assert all(
        row["Shouted"] == row["VendorNumName"].upper() for row in slow.records("ap_invoices")
    )
    schemas = [m["schema"]["properties"]["InvoiceAmt"] for r in (fast, slow) for m in r.messages
               if m["type"] == "SCHEMA" and m["stream"] == "ap_invoices"]  # fmt: skip
    assert schemas[0] == schemas[1]


@pytest.mark.parametrize("row_versions", [True, False])
def test_late_commits_are_met_within_the_lookback(tmp_path, row_versions):
    tenant = Tenant(profile="documented", seed=7, scale=0.3, row_versions=row_versions)
    with KineticServer(tenant) as server:
        warehouse = Warehouse()
        first = run_tap(tmp_path, settings(server))
        warehouse.load(first)
        late = tenant.hold_back("vendors", "EPIC06", 3)
        tenant.touch("vendors", "EPIC06", 2)
        second = run_tap(tmp_path, settings(server), state=first.state)
        warehouse.load(second)
        late.commit()

        third = run_tap(tmp_path, settings(server), state=second.state)

        warehouse.load(third)
        assert_equal(warehouse, tenant)
