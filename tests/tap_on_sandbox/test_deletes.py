"""The key sweep: what was deleted in the ERP is retracted, once and for certain."""

from __future__ import annotations

import json

from harness import Warehouse, assert_equal, run_tap, settings

STREAMS = ["vendors", "purchase_order_lines", "part_transactions"]


def swept(server, folder, **more):
    return settings(
        server, sweep_streams=["*"], sweep_path=str(folder / "sweep"), sweep_every_hours=0, **more
    )


def deletions(result) -> dict[str, list[dict]]:
    """Retractions that carry keys and lineage only, by stream."""
    found: dict[str, list[dict]] = {}
    for message in result.messages:
        record = message.get("record", {})
        if record.get("_sdc_deleted_at") and "SysRowID" not in record:
            found.setdefault(message["stream"], []).append(record)
    return found


def test_rows_that_vanish_are_retracted_and_the_tables_are_equal(tmp_path, server):
    warehouse, config, tenant = Warehouse(), swept(server, tmp_path), server.tenant
    first = run_tap(tmp_path, config)
    warehouse.load(first)
    assert first.code == 0, first.stderr
    assert not deletions(first)
    company = tenant.companies[0]
    for stream in STREAMS:
        tenant.delete_some(stream, company, 3)

    second = run_tap(tmp_path, config, state=first.state)

    assert second.code == 0, second.stderr
    assert {stream: len(rows) for stream, rows in deletions(second).items()} == dict.fromkeys(
        STREAMS, 3
    )
    for stream, rows in deletions(second).items():
        for record in rows:
            key = {name for name in record if not name.startswith("_")}
            assert key == set(tenant.entity(stream).key)
            assert record["_epicor_source_url"].startswith(config["api_url"])
    warehouse.load(second)
    assert_equal(warehouse, tenant)


def test_a_sweep_asks_for_keys_and_nothing_else(tmp_path, server):
    config = swept(server, tmp_path, companies=["EPIC06"])
    state = run_tap(tmp_path, config).state
    server.requests.clear()

    run_tap(tmp_path, config, state=state)

    asked = [r.query for r in server.requests if r.entity_set == "Vendors" and r.kind == "rows"]
    selected = {query.get("$select") for query in asked if "ge" not in query.get("$filter", "")}
    assert "SysRevID,Company,VendorNum" in selected


def test_a_retraction_comes_again_until_state_shows_that_the_target_had_it(tmp_path, server):
    config, tenant = swept(server, tmp_path), server.tenant
    first = run_tap(tmp_path, config)
    tenant.delete_some("vendors", tenant.companies[0], 2)

    lost = run_tap(tmp_path, config, state=first.state)
    again = run_tap(tmp_path, config, state=first.state)
    confirmed = run_tap(tmp_path, config, state=again.state)

    def gone(result):
        return sorted(row["VendorNum"] for row in deletions(result)["vendors"])

    assert gone(lost) == gone(again)
    assert len(gone(again)) == 2
    assert not deletions(confirmed)


def test_between_two_sweeps_sent_rows_are_remembered(tmp_path, server):
    """A row that is made, sent and deleted between two sweeps leaves no ghost."""
    tenant, company = server.tenant, server.tenant.companies[0]
    often, rarely = swept(server, tmp_path), {**swept(server, tmp_path), "sweep_every_hours": 999}
    first = run_tap(tmp_path, often)
    key = tenant.insert("vendors", company, VendorNum=987_654, VendorID="SHORT")
    between = run_tap(tmp_path, rarely, state=first.state)
    assert not deletions(between)
    assert 987_654 in [r["VendorNum"] for r in between.records("vendors")]
    tenant.delete("vendors", company, key)

    last = run_tap(tmp_path, often, state=between.state)

    assert [row["VendorNum"] for row in deletions(last)["vendors"]] == [987_654]


def test_too_many_at_once_is_an_error_and_retracts_nothing(tmp_path, server):
    tenant, company = server.tenant, server.tenant.companies[0]
    config = swept(server, tmp_path)
    first = run_tap(tmp_path, config)
    everything = len(tenant.rows("part_transactions", company))
    tenant.delete_some("part_transactions", company, everything // 2)

    refused = run_tap(tmp_path, config, state=first.state)

    assert refused.code == 1
    assert "sweep_limit_percent" in refused.error
    assert "part_transactions" not in deletions(refused)
    allowed = run_tap(tmp_path, {**config, "sweep_limit_percent": 60}, state=refused.state)
    assert len(deletions(allowed)["part_transactions"]) == everything // 2


def test_a_sweep_without_a_memory_is_refused(tmp_path, server):
    config = swept(server, tmp_path)
    del config["sweep_path"]

    result = run_tap(tmp_path, config)

    assert result.code == 2
    assert "sweep_path" in result.error


def test_snake_case_and_text_decimals_are_retracted_under_the_names_that_were_sent(
    tmp_path, server
):
    config = swept(server, tmp_path, column_naming="snake_case", decimal_format="singer_decimal")
    first = run_tap(tmp_path, config)
    server.tenant.delete_some("gl_accounts", server.tenant.companies[0], 1)

    second = run_tap(tmp_path, config, state=first.state)

    gone = [r for r in second.records("gl_accounts") if r["_sdc_deleted_at"]]
    records = [r for r in gone if "account_desc" not in r]
    assert [sorted(k for k in r if not k.startswith("_")) for r in records] == [
        ["coa_code", "company", "gl_account"]
    ]


def test_the_run_log_and_the_audit_count_retractions_of_a_sweep(tmp_path, server):
    config = swept(server, tmp_path, run_log_path=str(tmp_path / "runs.jsonl"))
    first = run_tap(tmp_path, config)
    server.tenant.delete_some("vendors", server.tenant.companies[0], 2)

    second = run_tap(tmp_path, config, state=first.state)

    audit = [r for r in second.records("epicor_sync_runs") if r["stream"] == "vendors"]
    assert sum(row["rows_retracted"] for row in audit) >= 2
    lines = [json.loads(line) for line in (tmp_path / "runs.jsonl").read_text().splitlines()]
    whole = [line for line in lines if line.get("stream") == "vendors" and "key_count" in line]
    assert {line["company"] for line in whole} == set(config["companies"])
