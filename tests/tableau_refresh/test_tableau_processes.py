"""Processes that end before their refreshes do: what they leave, what the next one makes of it."""

from __future__ import annotations

import signal
import time

import pytest
from kinetic_sandbox.tableau import Plan
from tableau_load import LEDGER, PAYABLES, here
from tableau_site import serving

AP = "POST finance/datasources/Finance/AP Invoices/refresh"
GL = "POST finance/datasources/Finance/GL Balances/refresh"


@pytest.fixture
def server():
    with serving() as running:
        running.tableau.plan = Plan(running=600)
        yield running


@pytest.fixture
def stage(server, tmp_path):
    made = here(server, tmp_path, rules=[PAYABLES], poll_seconds=1)
    made.load(ap_invoices=5)
    return made


def until(condition, process) -> None:
    for _ in range(600):
        if condition():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError(process.communicate())


def polled(server, times: int) -> bool:
    return sum("/jobs/" in call for call in server.asked) >= times


def test_a_run_that_was_killed_while_polling_is_finished_by_the_next_one(server, stage):
    process = stage.process("run")
    until(lambda: polled(server, 1), process)
    process.kill()
    process.communicate()
    assert stage.marks.rules["payables"].begun.job_id == stage.site.jobs[0].id

    done = stage.refresh()
    assert "going on with the refresh of an earlier run" in done.stderr
    assert stage.started == [f"{AP}: 202"]
    assert stage.marks.rules["payables"].covers == stage.marks.number
    assert [line["outcome"] for line in stage.audit] == ["refreshed"]


def test_a_job_that_ended_after_its_run_was_killed_is_enough(server, stage):
    process = stage.process("run")
    until(lambda: polled(server, 1), process)
    process.kill()
    process.communicate()
    stage.pass_time(700)
    stage.refresh()

    assert stage.started == [f"{AP}: 202"]


def test_a_run_that_was_killed_before_it_could_note_its_job_is_finished_too(server, stage):
    process = stage.process("run")
    until(lambda: polled(server, 1), process)
    process.kill()
    process.communicate()
    marks = stage.folder / "marks.json"
    text = marks.read_text().replace(stage.site.jobs[0].id, "lost")
    marks.write_text(text)
    stage.refresh()

    assert stage.started[:2] == [f"{AP}: 202", f"{AP}: 409"]
    assert stage.marks.rules["payables"].covers == stage.marks.number


def test_rows_that_came_after_a_killed_run_are_refreshed_after_its_job(server, stage):
    process = stage.process("run")
    until(lambda: polled(server, 1), process)
    process.kill()
    process.communicate()
    stage.load(ap_invoices=2)
    stage.refresh()

    assert stage.started == [f"{AP}: 202", f"{AP}: 202"]
    first, second = stage.site.jobs
    assert second.created >= first.ends


@pytest.mark.parametrize("cancels", [True, False])
def test_sigterm_records_cancels_where_set_and_leaves_the_mark(server, stage, cancels):
    stage.settings["cancel_on_stop"] = cancels
    process = stage.process("run")
    until(lambda: polled(server, 1), process)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=30)

    assert process.returncode == 1, told
    outcome = "cancelled" if cancels else "left running"
    assert told.splitlines()[-1].startswith("CRITICAL stopped by a signal")
    assert f"WARNING rule payables (datasource Finance/AP Invoices): {outcome}" in told
    assert [line["outcome"] for line in stage.audit] == [outcome]
    assert (stage.site.jobs[0].cancelled is not None) == cancels
    assert stage.marks.rules["payables"].covers == 0
    assert server.tableau.open_sessions == 0

    stage.refresh()
    assert stage.started == [f"{AP}: 202"] * (2 if cancels else 1)


def test_a_second_run_waits_for_the_first_and_starts_nothing_twice(server, stage):
    server.tableau.plan = Plan(running=3)
    first = stage.process("run")
    until(lambda: polled(server, 1), first)
    second = stage.process("run")
    for process in (first, second):
        _, told = process.communicate(timeout=60)
        assert process.returncode == 0, told

    assert "waiting for another run that holds" in told
    assert stage.started == [f"{AP}: 202"]


def test_marks_that_are_held_for_too_long_are_told(server, stage):
    first = stage.process("run")
    until(lambda: polled(server, 1), first)
    stage.settings |= {"deadline_minutes": 1, "rules": [PAYABLES, LEDGER]}
    done = stage.refresh(1)
    first.kill()
    first.communicate()

    assert "another run has held `marks_path`" in done.last
