"""Which refreshes are started, on the wire: exactly those that a complete load makes necessary."""

from __future__ import annotations

import pytest
from kinetic_sandbox.tableau import Fault, Plan
from tableau_load import LEDGER, PAYABLES, PLANT_TOKEN, two_sites

AP = "POST finance/datasources/Finance/AP Invoices/refresh"
GL = "POST finance/datasources/Finance/GL Balances/refresh"
SESSION = ["GET serverInfo", "POST auth/signin"]
FIND_ONE = ["GET finance/datasources", "GET finance/projects"]


@pytest.fixture
def stage(make):
    return make()


def test_many_streams_to_one_source_refresh_it_once(server, stage):
    stage.load(ap_invoices=5, ap_invoice_lines=9, vendors=1)
    stage.refresh()

    assert server.asked == [*SESSION, *FIND_ONE, AP, "GET finance/jobs/1", "POST auth/signout"]
    assert stage.site.refreshes == ["Finance/AP Invoices"]


def test_nothing_changed_asks_tableau_nothing(server, stage):
    stage.load(ap_invoices=0, vendors=0, gl_transactions=0)
    stage.refresh()

    assert server.asked == []


def test_only_what_changed_is_refreshed(stage):
    stage.load(ap_invoices=0, vendors=0, gl_transactions=4)
    stage.refresh()

    assert stage.started == [f"{GL}: 202"]


def test_a_second_run_without_rows_refreshes_nothing(stage):
    stage.load(ap_invoices=5)
    stage.refresh()
    stage.load(ap_invoices=0)
    stage.refresh()

    assert stage.started == [f"{AP}: 202"]


def test_a_retraction_is_a_change(stage):
    with stage.run_log.open("a") as log:
        log.write('{"run_id": "r", "company": "E", "stream": "vendors", "rows_sent": 0, '
                  '"rows_retracted": 2, "status": "complete"}\n')  # fmt: skip
    stage.load(ap_invoices=0)
    stage.refresh()

    assert stage.started == [f"{AP}: 202"]


def test_two_rules_with_one_target_refresh_it_once_whether_named_or_by_id(server, make):
    ap = server.tableau.site("finance").find("Finance/AP Invoices")
    by_id = {"name": "by id", "streams": ["purchase_*"], "id": ap.id}
    stage = make(rules=[PAYABLES, {**PAYABLES, "name": "again"}, by_id])
    stage.load(ap_invoices=1, purchase_orders=2)
    stage.refresh()

    assert stage.started == [f"{AP}: 202"]
    assert {name for name, mark in stage.marks.rules.items() if mark.covers} == {
        "payables", "again", "by id",
    }  # fmt: skip
    assert [line["rule"] for line in stage.audit] == ["payables, again, by id"]


def test_a_failed_refresh_is_made_good_by_a_run_without_rows(stage):
    ap = stage.site.find("Finance/AP Invoices")
    ap.plans.append(Plan(finish_code=1, notes="connection refused"))
    stage.load(ap_invoices=5)
    done = stage.refresh(1)
    assert "rule payables (datasource Finance/AP Invoices): Tableau's job" in done.stderr
    assert "failed (connection refused): mend that in Tableau, and run again" in done.stderr
    assert done.last.startswith("CRITICAL not refreshed: payables")

    stage.load(ap_invoices=0)
    stage.refresh()
    stage.load(ap_invoices=0)
    stage.refresh()

    assert stage.started == [f"{AP}: 202", f"{AP}: 202"]
    assert [line["outcome"] for line in stage.audit] == ["failed", "refreshed"]


def test_a_cut_run_refreshes_nothing_and_the_next_complete_one_refreshes_for_both(server, stage):
    stage.load(complete=False, ap_invoices=5)
    stage.refresh()
    assert server.asked == []

    stage.load(ap_invoices=0, gl_transactions=3)
    stage.refresh()

    assert stage.started == [f"{AP}: 202", f"{GL}: 202"]


def test_what_failed_before_waits_while_a_cut_run_left_half_a_load(stage):
    stage.site.find("Finance/AP Invoices").plans.append(Plan(finish_code=1))
    stage.load(ap_invoices=5, gl_transactions=1)
    stage.refresh(1)
    stage.load(complete=False, vendors=2)
    stage.refresh()
    assert stage.started == [f"{AP}: 202", f"{GL}: 202"]

    stage.load(vendors=0)
    stage.refresh()
    assert stage.started == [f"{AP}: 202", f"{GL}: 202", f"{AP}: 202"]


def test_a_target_of_two_rules_waits_while_one_of_them_has_half_a_load(make):
    stage = make(rules=[PAYABLES, {**PAYABLES, "name": "stock", "streams": ["parts"]}])
    stage.load(ap_invoices=5)
    stage.load(complete=False, parts=2)
    stage.refresh()
    assert stage.started == []

    stage.load(parts=0)
    stage.refresh()
    assert stage.started == [f"{AP}: 202"]


def test_a_killed_run_without_any_line_is_noticed_by_its_bookmarks(stage):
    stage.load(ap_invoices=5, gl_transactions=1)
    stage.refresh()
    stage._move("ap_invoices", 7)  # sent and kept in STATE, and then the tap was killed
    stage.load(ap_invoices=0, gl_transactions=0)
    stage.refresh()

    assert stage.started == [f"{AP}: 202", f"{GL}: 202", f"{AP}: 202"]


def test_always_is_once_for_each_complete_run(make):
    stage = make(rules=[{**LEDGER, "always": True}])
    stage.load(vendors=0)
    stage.refresh()
    stage.refresh()
    assert stage.started == [f"{GL}: 202"]

    stage.load(vendors=0)
    stage.refresh()
    stage.load(complete=False, vendors=0)
    stage.refresh()
    assert stage.started == [f"{GL}: 202", f"{GL}: 202"]


def test_a_minimum_interval_puts_a_refresh_off_to_a_run_after_it(stage):
    stage.settings["rules"] = [{**PAYABLES, "min_interval_minutes": 60}]
    stage.load(ap_invoices=1)
    stage.refresh()
    stage.load(ap_invoices=1)
    stage.pass_time(30 * 60)
    stage.refresh()
    assert stage.started == [f"{AP}: 202"]

    stage.pass_time(31 * 60)
    stage.load(ap_invoices=0)
    stage.refresh()
    assert stage.started == [f"{AP}: 202", f"{AP}: 202"]


def test_rules_start_after_those_that_they_name(server, make):
    stage = make(rules=[
        {"name": "book", "streams": ["ap_*"], "kind": "workbook", "project": "Finance",
         "target": "Month End", "after": ["payables", "ledger"]},
        PAYABLES, LEDGER,
    ])  # fmt: skip
    stage.load(ap_invoices=1, gl_transactions=1)
    stage.refresh()

    calls = [call for call in server.asked if "/refresh" in call or "/jobs/" in call]
    assert calls[:2] == [AP, GL]
    assert calls[-2:] == [
        "POST finance/workbooks/Finance/Month End/refresh", "GET finance/jobs/3",
    ]  # fmt: skip


def test_what_comes_after_a_failure_is_left_to_the_next_run(stage):
    stage.site.find("Finance/AP Invoices").plans.append(Plan(finish_code=1))
    stage.settings["rules"] = [PAYABLES, {**LEDGER, "after": ["payables"]}]
    stage.load(ap_invoices=1, gl_transactions=1)
    done = stage.refresh(1)
    assert "waits for rule payables, which comes first and is not refreshed" in done.stderr
    assert stage.started == [f"{AP}: 202"]

    stage.refresh()
    assert stage.started == [f"{AP}: 202", f"{AP}: 202", f"{GL}: 202"]


def test_no_more_run_at_once_than_is_set(server, make):
    names = ["AP Invoices", "GL Balances", "Payables/Vendors", "Payables/AP Invoices"]
    rules = [
        {"name": name, "streams": ["*"], "project": f"Finance/{name}".rpartition("/")[0],
         "target": name.rpartition("/")[2]}
        for name in names
    ]  # fmt: skip
    server.tableau.plan = Plan(queued=1, running=120)
    stage = make(rules=rules, max_concurrent=2)
    stage.load(vendors=1)
    stage.refresh()

    spans = [(job.starts, job.ends) for job in stage.site.jobs]
    assert len(spans) == 4
    assert max(sum(a <= at < b for a, b in spans) for at, _ in spans) == 2


@pytest.mark.parametrize("kind", ["workbook", "task"])
def test_workbooks_and_tasks_are_refreshed(server, make, kind):
    site = server.tableau.site("finance")
    rule, called = {
        "workbook": ({"project": "Finance", "target": "Month End"},
                     "POST finance/workbooks/Finance/Month End/refresh: 202"),
        "task": ({"id": site.tasks[0].id},
                 "POST finance/tasks/extractRefreshes/Finance/GL Balances/runNow: 200"),
    }[kind]  # fmt: skip
    stage = make(rules=[{"name": "one", "streams": ["*"], "kind": kind, **rule}])
    stage.load(vendors=1)
    stage.refresh()

    assert stage.started == [called]
    assert [line["outcome"] for line in stage.audit] == ["refreshed"]


@pytest.mark.parametrize(("version", "mode"), [("3.29", "incremental"), ("3.24", "full")])
def test_an_incremental_refresh_is_asked_for_where_the_server_can(server, make, version, mode):
    server.tableau.api_version = version
    stage = make(rules=[{**LEDGER, "incremental": True}])
    stage.load(gl_transactions=1)
    stage.refresh()

    (job,) = stage.site.jobs
    assert job.is_incremental == (mode == "incremental")
    assert stage.audit[0]["mode"] == mode


def test_a_refresh_that_began_before_the_load_ended_is_waited_for_and_another_follows(
    server, stage
):
    ap = stage.site.find("Finance/AP Invoices")
    ap.plans.append(Plan(queued=0, running=60))
    server.tableau.start(stage.site, "RefreshExtract", ap)
    stage.load(ap_invoices=1)
    stage.refresh()

    assert stage.started == [f"{AP}: 409", f"{AP}: 202"]
    other, own = stage.site.jobs
    assert own.created >= other.ends
    assert [line["outcome"] for line in stage.audit] == ["too early", "refreshed"]


def test_a_refresh_that_began_between_the_taps_end_and_the_loaders_does_not_count(server, stage):
    ap = stage.site.find("Finance/AP Invoices")
    ap.plans.append(Plan(queued=0, running=60))
    stage.load(ap_invoices=1)
    server.tableau.start(stage.site, "RefreshExtract", ap)
    stage.refresh()

    assert stage.started == [f"{AP}: 409", f"{AP}: 202"]


@pytest.mark.parametrize("queued", [0, 30])
def test_a_refresh_that_began_after_the_load_ended_is_enough(server, stage, queued):
    """Met here because the marks know of the load, and the first try to refresh failed."""
    ap = stage.site.find("Finance/AP Invoices")
    server.faults.add(Fault("status", where="auth/signin", status=401, code="401001"))
    stage.load(ap_invoices=1)
    stage.refresh(2)
    stage.pass_time(5)
    ap.plans.append(Plan(queued=queued, running=60))
    server.tableau.start(stage.site, "RefreshExtract", ap)
    stage.refresh()

    assert stage.started == [f"{AP}: 409"]
    assert [line["outcome"] for line in stage.audit] == ["refreshed"]
    stage.refresh()
    assert stage.started == [f"{AP}: 409"]


def test_a_refresh_that_was_queued_before_and_began_after_the_load_is_enough(server, stage):
    ap = stage.site.find("Finance/AP Invoices")
    ap.plans.append(Plan(queued=120, running=60))
    server.tableau.start(stage.site, "RefreshExtract", ap)
    stage.load(ap_invoices=1)
    stage.refresh()

    assert stage.started == [f"{AP}: 409"]
    assert [line["outcome"] for line in stage.audit] == ["refreshed"]


def test_a_clock_that_is_ahead_does_not_let_an_early_refresh_count(server, stage):
    server.let_pass(3600)
    ap = stage.site.find("Finance/AP Invoices")
    ap.plans.append(Plan(queued=0, running=60))
    server.tableau.start(stage.site, "RefreshExtract", ap)
    stage.load(ap_invoices=1)
    stage.refresh()

    assert stage.started == [f"{AP}: 409", f"{AP}: 202"]


def test_another_refresh_that_failed_is_followed_by_ones_own(server, stage):
    ap = stage.site.find("Finance/AP Invoices")
    ap.plans.append(Plan(queued=60, running=60, finish_code=1))
    server.tableau.start(stage.site, "RefreshExtract", ap)
    stage.load(ap_invoices=1)
    stage.refresh()

    assert stage.started == [f"{AP}: 409", f"{AP}: 202"]


def test_a_refresh_that_this_user_may_not_see_is_tried_again_until_it_has_ended(server, stage):
    server.tableau.users[0].may_do.discard("list jobs")
    ap = stage.site.find("Finance/AP Invoices")
    ap.plans.append(Plan(queued=0, running=60))
    server.tableau.start(stage.site, "RefreshExtract", ap)
    stage.load(ap_invoices=1)
    stage.refresh()

    assert stage.started[-1] == f"{AP}: 202"
    assert len(stage.started) > 2
    assert set(stage.started[:-1]) == {f"{AP}: 409"}


def test_a_session_that_dies_in_mid_poll_is_begun_again_once(server, stage):
    server.tableau.plan = Plan(queued=1, running=300)
    server.faults.add(Fault("expire", where="/jobs/1", after=2))
    stage.load(ap_invoices=1)
    done = stage.refresh()

    assert stage.started == [f"{AP}: 202"]
    assert stage.sign_ins == 2
    assert "the session is over, signing in again" in done.stderr


def test_two_sites_have_one_session_each(server, make):
    stock = {"name": "stock", "streams": ["part*"], "site": "plant", "project": "Plant",
             "target": "Stock"}  # fmt: skip
    stage = make(rules=[PAYABLES, stock, LEDGER], sites=two_sites(server))
    stage.load(ap_invoices=1, parts=1, gl_transactions=1)
    done = stage.command("run", SBX_PLANT=PLANT_TOKEN)

    assert done.returncode == 0, done.stderr
    assert stage.started == [
        f"{AP}: 202", "POST plant/datasources/Plant/Stock/refresh: 202", f"{GL}: 202",
    ]  # fmt: skip
    assert stage.sign_ins == 2
    assert server.tableau.open_sessions == 0


def test_60_an_hour_are_waited_for_within_the_deadline(server, make):
    server.tableau.site("finance").refreshes_per_hour = 1
    stage = make(deadline_minutes=120)
    stage.load(ap_invoices=1, gl_transactions=1)
    stage.refresh()

    assert stage.started == [f"{AP}: 202", f"{GL}: 429", f"{GL}: 202"]
    first, second = stage.site.jobs
    assert 3600 <= second.created - first.created < 3700


@pytest.mark.parametrize(("has_header", "language"), [(True, "en"), (False, "en"), (False, "de")])
def test_60_an_hour_beyond_the_deadline_leave_the_mark_and_warn(server, make, has_header, language):
    site = server.tableau.site("finance")
    site.refreshes_per_hour, site.tells_retry_after = 1, has_header
    server.tableau.language = language
    rules = [PAYABLES, LEDGER, {**LEDGER, "name": "orders", "project": "Operations",
                                "target": "Open Orders"}]  # fmt: skip
    stage = make(deadline_minutes=30, rules=rules)
    stage.load(ap_invoices=1, gl_transactions=1)
    done = stage.refresh()

    assert stage.started == [f"{AP}: 202", f"{GL}: 429"]
    warned = [line for line in done.stderr.splitlines() if line.startswith("WARNING")]
    assert len(warned) == 2
    assert (
        "rule ledger (datasource Finance/GL Balances): not refreshed: Tableau says 429000"
        in (warned[0])
    )
    assert "`deadline_minutes` (30)" in warned[0]
    assert [line["outcome"] for line in stage.audit] == ["refreshed", "postponed", "postponed"] or (
        [line["outcome"] for line in stage.audit] == ["postponed", "postponed", "refreshed"]
    )

    stage.pass_time(3700)
    site.refreshes_per_hour = None
    stage.refresh()
    assert stage.started[2:] == [
        f"{GL}: 202", "POST finance/datasources/Operations/Open Orders/refresh: 202",
    ]  # fmt: skip


def test_the_audit_has_a_line_for_each_refresh(stage):
    run = stage.load(ap_invoices=5)
    stage.refresh()

    (line,) = stage.audit
    assert line["job"] == stage.site.jobs[0].id
    assert {name: line[name] for name in ("run_id", "rule", "target", "mode", "reason", "outcome")
            } == {
        "run_id": run, "rule": "payables", "target": "datasource Finance/AP Invoices",
        "mode": "full", "reason": "ap_invoices (5 rows)", "outcome": "refreshed",
    }  # fmt: skip
    assert line["queued_at"] <= line["started_at"] <= line["finished_at"]
    table = stage.command("status", "--audit", "9").stdout.splitlines()
    assert table[0].split()[:3] == ["QUEUED", "RULE", "TARGET"]
    assert "refreshed" in table[1]
