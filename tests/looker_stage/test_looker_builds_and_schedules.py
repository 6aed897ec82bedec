"""Derived tables that are rebuilt and waited for, and schedules that never run twice."""

from __future__ import annotations

import pytest
from kinetic_sandbox.looker import DerivedTable, Fault
from looker_refresh import MODEL, ONE_NOTICE
from target_looker_stage.errors import LookerError

VIEW = "ap_aging_rollup"
PDT = {"model": MODEL, "view": VIEW}
START = f"GET /derived_table/{MODEL}/{VIEW}/start"
RUN_ONCE = "POST /scheduled_plans/7/run_once"


@pytest.fixture
def table(server):
    return server.looker.derived_tables[0]


@pytest.fixture
def plan(server):
    return server.looker.plans["7"]


def looks(server) -> int:
    """How often the state of a build was asked for."""
    return sum(call.endswith("/status") for call in server.asked)


def test_a_build_follows_the_notice_and_is_waited_for_with_few_looks(server, make, table):
    table.takes = 600
    here = make(looker_pdts=[PDT])
    here.load("vendors")
    here.tell()

    assert server.asked[:4] == [*ONE_NOTICE[:3], START]
    assert here.waiting == []
    assert sum(here.pauses) >= 600
    assert looks(server) <= 16, "the calls are metered"


@pytest.mark.parametrize("force", [True, False])
def test_a_build_is_forced_where_the_setting_says_so(server, make, table, force):
    here = make(looker_pdts=[{**PDT, "force_rebuild": force}])
    here.load("vendors")
    here.tell()

    (build,) = server.looker.builds.values()
    assert build.force is force
    (start,) = [call for call in server.calls if call.path.endswith("/start")]
    assert start.query == {"source": "kinetic-elt", **({"force_rebuild": "true"} if force else {})}


def test_a_build_that_fails_is_told_with_its_reason_and_started_again_later(
    server, make, table, ours
):
    table.error = "relation epicor_stage.ap_invoices does not exist"
    here = make(looker_pdts=[PDT], looker_schedules=["7"])
    here.load("vendors")

    with pytest.raises(LookerError, match=f"{MODEL}.{VIEW} ended as error .relation epicor_stage"):
        here.tell()
    assert here.waiting == ["vendors"]
    assert RUN_ONCE not in server.asked, "no mail with what a failed build shows"

    table.error = ""
    here.tell()
    assert (len(table.builds), len(ours.notices), here.waiting) == (2, 1, [])
    assert server.asked.count(RUN_ONCE) == 1


def test_a_build_that_is_stopped_in_looker_is_told(server, make, table):
    table.takes = 60
    here = make(looker_pdts=[PDT])
    here.load("vendors")
    pause = here.pause

    def stopped_meanwhile(seconds: float) -> None:
        pause(seconds)
        for build in server.looker.builds.values():
            build.stopped = True

    here.pause = stopped_meanwhile
    with pytest.raises(LookerError, match="ended as killed"):
        here.tell()


def test_a_build_that_outlasts_the_patience_is_told_and_goes_on(server, make, table):
    table.takes = 10_000
    here = make(looker_pdts=[PDT], looker_deadline_seconds=120)
    here.load("vendors")

    with pytest.raises(LookerError, match=r"has not ended after .* `looker_deadline_seconds`"):
        here.tell()
    assert sum(here.pauses) <= 120
    assert not any(build.stopped for build in server.looker.builds.values())


def test_a_build_without_a_number_is_told_with_what_to_switch_on(server, make, table):
    table.has_no_id = True
    here = make(looker_pdts=[PDT])
    here.load("vendors")

    with pytest.raises(LookerError, match="Enable PDT API Control"):
        here.tell()


def test_a_view_that_is_not_there_and_a_missing_right_are_told(server, make):
    here = make(looker_pdts=[{"model": MODEL, "view": "nope"}])
    here.load("vendors")

    with pytest.raises(LookerError, match=r"no build of epicor_kinetic\.nope .* `looker_pdts`.*"):
        here.tell()


def test_two_builds_are_done_and_only_the_failed_one_again(server, make, table):
    second = DerivedTable(MODEL, "spend", MODEL, error="out of memory")
    server.looker.derived_tables.append(second)
    here = make(looker_pdts=[{"model": MODEL, "view": "spend"}, PDT])
    here.load("vendors")
    with pytest.raises(LookerError, match="out of memory"):
        here.tell()
    assert (len(second.builds), len(table.builds)) == (1, 1)

    second.error = ""
    here.tell()
    assert (len(second.builds), len(table.builds), here.waiting) == (2, 1, [])


def test_a_schedule_runs_once_after_everything_else(server, make, plan):
    here = make(looker_pdts=[PDT], looker_schedules=[7])
    here.load("vendors")
    here.tell()
    here.tell()

    assert server.asked[-2:] == [RUN_ONCE, "DELETE /logout"]
    assert len(plan.runs) == 1


def test_a_schedule_of_somebody_else_is_told(server, make, ours):
    here = make(looker_schedules=["8"])
    here.load("vendors")

    with pytest.raises(LookerError, match=r"schedule 8 \(404\): correct `looker_schedules`"):
        here.tell()
    server.looker.plans["8"].user_id = "11"
    here.tell()
    assert (len(server.looker.plans["8"].runs), len(ours.notices)) == (1, 1)


def test_a_schedule_that_ran_is_not_run_again_when_the_next_one_fails(server, make, plan):
    here = make(looker_schedules=["7", "8"])
    here.load("vendors")
    for _ in range(2):
        with pytest.raises(LookerError, match="schedule 8"):
            here.tell()
    server.looker.plans["8"].user_id = "11"
    here.tell()

    assert (len(plan.runs), len(server.looker.plans["8"].runs)) == (1, 1)
    assert here.waiting == []


def test_postgresql_remembers_what_was_done_as_well(server, make, databases, plan):
    here = make(sqlalchemy_url=databases().url, looker_schedules=["7", "8"])
    here.load("vendors")
    for _ in range(2):
        with pytest.raises(LookerError, match="schedule 8"):
            here.tell()
    server.looker.plans["8"].user_id = "11"
    here.tell()

    assert (len(plan.runs), len(server.looker.plans["8"].runs)) == (1, 1)
    assert here.rows("SELECT * FROM epicor_stage._looker_done") == []


def test_a_new_load_is_delivered_by_the_schedule_again(server, make, plan):
    here = make(looker_schedules=["7"])
    for runs in (1, 2):
        here.load("vendors")
        here.tell()
        assert len(plan.runs) == runs


@pytest.mark.parametrize("kind", ["lost", "half"])
def test_a_schedule_whose_answer_was_lost_is_not_run_a_second_time(server, make, plan, kind):
    server.faults.add(Fault(kind, where="run_once"))
    here = make(looker_schedules=["7"])
    here.load("vendors")

    with pytest.raises(LookerError, match=r"may have been delivered and is not run again .*"):
        here.tell()
    assert here.waiting == ["vendors"]
    here.tell()
    assert (len(plan.runs), here.waiting) == (1, [])
    assert server.asked.count(RUN_ONCE) == 1


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_gateways_word_about_a_schedule_is_no_proof_that_it_did_not_run(
    server, make, plan, status
):
    server.faults.add(Fault("html", where="run_once", status=status))
    here = make(looker_schedules=["7"])
    here.load("vendors")

    with pytest.raises(LookerError, match="may have been delivered"):
        here.tell()
    here.tell()
    assert (server.asked.count(RUN_ONCE), here.waiting) == (1, [])


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", where="run_once", status=500),
        Fault("status", where="run_once", status=501),
        Fault("html", where="run_once", status=500),
        Fault("html", where="run_once", status=200),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}",
)
def test_a_schedule_is_not_run_again_after_an_answer_that_leaves_open_whether_it_ran(
    server, make, fault
):
    server.faults.add(fault)
    here = make(looker_schedules=["7"])
    here.load("vendors")

    with pytest.raises(LookerError, match="may have been delivered and is not run again"):
        here.tell()
    here.tell()
    assert (server.asked.count(RUN_ONCE), here.waiting) == (1, [])


def test_a_refusal_is_proof_that_a_schedule_did_not_run(server, make, plan):
    server.faults.add(Fault("status", where="run_once", status=422))
    here = make(looker_schedules=["7"])
    here.load("vendors")

    with pytest.raises(LookerError, match="answered 422"):
        here.tell()
    here.tell()
    assert (len(plan.runs), here.waiting) == (1, [])


def test_a_429_is_proof_that_a_schedule_did_not_run(server, make, plan):
    server.faults.add(Fault("status", where="run_once", status=429, retry_after=3, times=2))
    here = make(looker_schedules=["7"])
    here.load("vendors")
    here.tell()

    assert (len(plan.runs), server.asked.count(RUN_ONCE)) == (1, 3)


def test_a_used_up_quota_of_queries_leaves_the_schedule_to_the_next_time(server, make, plan, ours):
    server.looker.quota = {"query": 0}
    here = make(looker_schedules=["7"], looker_deadline_seconds=60)
    here.load("vendors")

    with pytest.raises(LookerError, match="takes no more calls"):
        here.tell()
    server.looker.quota = {}
    here.tell()
    assert (len(plan.runs), len(ours.notices)) == (1, 1)


def test_a_token_that_ended_is_proof_that_a_schedule_did_not_run(server, make, plan):
    server.faults.add(Fault("expire", where="run_once"))
    here = make(looker_schedules=["7"])
    here.load("vendors")
    here.tell()

    assert len(plan.runs) == 1


def test_builds_and_schedules_alone_follow_every_change(server, make, plan, table):
    here = make(looker_datagroups={}, looker_pdts=[PDT], looker_schedules=["7"])
    here.load("vendors")
    here.tell()

    assert (len(plan.runs), len(table.builds)) == (1, 1)
    assert "GET /datagroups" not in server.asked
