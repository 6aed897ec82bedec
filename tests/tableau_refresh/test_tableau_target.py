"""`target-tableau-refresh`: counts what comes, refreshes after a complete run, holds STATE."""

from __future__ import annotations

import json

import pytest
from kinetic_sandbox.tableau import Fault, Plan, sample
from tableau_load import here

AP = "POST finance/datasources/Finance/AP Invoices/refresh"
GL = "POST finance/datasources/Finance/GL Balances/refresh"
MARKER = {"run_id": "run-1", "completed_at": "2026-11-21T10:00:00.000Z", "streams": {}}


def messages(*account: dict, complete: bool = True, state: str = "1", **rows: int) -> str:
    """A run as the tap sends it, its account included."""
    lines = []
    for stream, count in rows.items():
        lines.append({"type": "SCHEMA", "stream": stream, "schema": {"properties": {}},
                      "key_properties": []})  # fmt: skip
        lines += [{"type": "RECORD", "stream": stream, "record": {"a": [1, {"type": "STATE"}]}}
                  for _ in range(count)]  # fmt: skip
        lines.append({"type": "STATE", "value": {"bookmarks": {"at": "0"}}})
    lines += [{"type": "RECORD", "stream": "epicor_sync_runs", "record": line} for line in account]
    value = {"bookmarks": {"at": state}}
    if complete:
        value["last_complete_run"] = MARKER
    lines.append({"type": "STATE", "value": value})
    return "".join(json.dumps(line) + "\n" for line in lines)


@pytest.fixture
def stage(server, tmp_path):
    return here(server, tmp_path, poll_seconds=1)


def states(done) -> list[dict]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_complete_run_refreshes_what_it_touched_and_then_lets_state_out(stage):
    done = stage.target(messages(ap_invoices=4, vendors=1, parts=9))

    assert done.returncode == 0, done.stderr
    assert stage.started == [f"{AP}: 202"]
    assert states(done) == [{"bookmarks": {"at": "1"}, "last_complete_run": MARKER}]
    assert stage.audit[0]["reason"] == "ap_invoices (4 rows), vendors (1 rows)"


def line(rows: int, before: str | None, after: str) -> dict:
    return {"run_id": "run-1", "company": "EPIC06", "stream": "ap_invoices", "rows_sent": rows,
            "rows_retracted": 0, "status": "complete", "bookmark_before": before,
            "bookmark_after": after, "filter": f"SysRevID ge {before}",
            "replication_key": "SysRevID"}  # fmt: skip


def test_rows_that_the_tap_only_repeats_are_no_change(server, stage):
    stage.target(messages(line(4, None, "7"), ap_invoices=4))
    assert stage.started == [f"{AP}: 202"]
    asked = len(server.asked)
    done = stage.target(messages(line(1, "7", "7"), ap_invoices=1))
    assert len(states(done)) == 1
    assert len(server.asked) == asked

    stage.target(messages(line(2, "7", "8"), ap_invoices=2))
    assert stage.started == [f"{AP}: 202"] * 2


def test_a_complete_run_without_rows_lets_state_out_and_asks_tableau_nothing(server, stage):
    done = stage.target(messages())

    assert len(states(done)) == 1
    assert server.asked == []


def test_a_run_without_its_marker_refreshes_nothing_and_the_next_one_refreshes_for_both(
    server, stage
):
    done = stage.target(messages(complete=False, ap_invoices=4))
    assert done.returncode == 0
    assert states(done) == [{"bookmarks": {"at": "1"}}]
    assert "no `last_complete_run` in a STATE" in done.stderr
    assert server.asked == []

    stage.target(messages(gl_transactions=1))
    assert stage.started == [f"{AP}: 202", f"{GL}: 202"]


def test_a_refresh_that_fails_holds_state_back(stage):
    stage.site.find("Finance/AP Invoices").plans.append(Plan(finish_code=1))
    done = stage.target(messages(ap_invoices=4))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.last.startswith("CRITICAL not refreshed: payables")

    done = stage.target(messages())
    assert done.returncode == 0
    assert stage.started == [f"{AP}: 202", f"{AP}: 202"]


def test_a_wrong_login_is_exit_2_without_state(stage):
    stage.settings["token_secret"] = "wrong and long enough"
    done = stage.target(messages(ap_invoices=4))

    assert (done.returncode, done.stdout) == (2, "")


def test_what_may_fail_lets_state_out(server, stage):
    stage.settings["rules"][0] = {**stage.settings["rules"][0], "on_error": "warn"}
    server.faults.add(Fault("status", where="/refresh", status=400))
    done = stage.target(messages(ap_invoices=4))

    assert done.returncode == 0
    assert len(states(done)) == 1


def test_the_stream_with_which_meltano_tests_loaders_changes_nothing(stage):
    stage.settings["rules"] = [{**stage.settings["rules"][0], "streams": ["*"]}]
    stage.target(messages(meltano_test_stream=1))

    assert stage.started == []


@pytest.mark.parametrize("broken", ['{"type": "RECORD", "stream', '{"type": "NEWS"}', "[1]"])
def test_what_is_no_singer_message_ends_it_with_the_lines_number(stage, broken):
    done = stage.target(messages(ap_invoices=1) + broken + "\n")

    assert (done.returncode, done.stdout) == (1, "")
    assert "line 5 of the input is" in done.last
    assert stage.started == []


def test_state_of_any_size_passes_letter_by_letter(stage):
    value = '{"bookmarks": {"ä": 12345678901234567890.10, "b":   1e400}}'
    done = stage.target(f'{{"type": "STATE", "value": {value}}}\n')

    assert done.stdout == value + "\n"


def test_meltano_may_ask_about_it(stage):
    told = json.loads(stage.target("", "--about", "--format=json").stdout)

    assert told["name"] == "target-tableau-refresh"
    assert sample.TOKEN_SECRET not in json.dumps(told)
