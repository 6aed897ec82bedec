"""`tableau-refresh` as people use it: plan, test, list and status start nothing."""

from __future__ import annotations

import json

import pytest
from kinetic_sandbox.tableau import Fault, Plan
from tableau_load import LEDGER, PAYABLES, PLANT_TOKEN, here, two_sites
from target_tableau_refresh.config import Config


@pytest.fixture
def stage(server, tmp_path):
    return here(server, tmp_path)


def test_plan_shows_each_rule_and_why_without_asking_tableau_or_keeping_anything(server, stage):
    stage.settings["rules"] += [
        {**PAYABLES, "name": "hourly", "target": "Vendors", "project": "Finance/Payables",
         "min_interval_minutes": 60},
        {"name": "stock", "streams": ["part*"], "project": "Operations", "target": "Open Orders"},
    ]  # fmt: skip
    stage.load(ap_invoices=1)
    stage.refresh()
    asked = len(server.asked)
    stage.load(ap_invoices=1200, ap_invoice_lines=7)
    stage.load(complete=False, parts=3)
    marks = (stage.folder / "marks.json").read_bytes()
    lines = stage.command("plan").stdout.splitlines()

    assert [line.split()[0] for line in lines[:5]] == [
        "RULE", "payables", "ledger", "hourly", "stock",
    ]  # fmt: skip
    assert "yes" in lines[1]
    assert lines[1].endswith("ap_invoice_lines (7 rows), ap_invoices (1,200 rows)")
    assert "nothing changed; last refreshed never" in lines[2]
    assert "but refreshed 0 minutes ago, min_interval_minutes 60" in lines[3]
    assert lines[4].endswith("run run-3 was cut; the next complete run refreshes parts (3 rows)")
    assert len(server.asked) == asked
    assert (stage.folder / "marks.json").read_bytes() == marks


def test_a_rule_that_is_two_goes_into_one_line(stage):
    stage.settings["rules"] = [PAYABLES, {**PAYABLES, "name": "again", "streams": ["gl_*"]}]
    stage.load(gl_transactions=1)
    lines = stage.command("plan").stdout.splitlines()

    assert lines[1].startswith("payables, again  datasource Finance/AP Invoices  yes      gl_")


def test_test_says_of_each_rule_whether_it_would_work(server, stage):
    stage.load(ap_invoices=1)
    done = stage.command("test")
    assert done.returncode == 0
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        ["ok", "run"], ["ok", "login"], ["ok", "version"], ["ok", "jobs"], ["ok", "rule"],
        ["ok", "rule"],
    ]  # fmt: skip
    assert stage.started == []
    assert server.tableau.open_sessions == 0


@pytest.mark.parametrize(
    ("role", "word"),
    [("Viewer", "FAILED"), ("Creator", "unknown"), ("SiteAdministratorExplorer", "ok")],
)
def test_test_tells_the_right_to_refresh(server, stage, role, word):
    user = server.tableau.users[0]
    user.site_role = role
    stage.site.find("Finance/GL Balances").owner_id = user.id
    stage.load(ap_invoices=1)
    done = stage.command("test")

    payables, ledger = [line for line in done.stdout.splitlines() if " rule " in line]
    assert payables.split()[0] == word
    assert ledger.split()[0] == "ok"
    assert done.returncode == (2 if word == "FAILED" else 0)


def test_test_names_what_is_missing(server, stage):
    server.tableau.users[0].may_do.discard("list jobs")
    stage.settings["rules"] += [
        {**LEDGER, "name": "a", "target": "Nothing"},
        {**LEDGER, "name": "b", "project": "Operations", "target": "Live Orders"},
    ]  # fmt: skip
    done = stage.command("test")

    assert done.returncode == 2
    assert done.last == "CRITICAL 2 checks failed; what to do stands beside them"
    said = done.stdout.splitlines()
    assert said[0].startswith("unknown  run log    ")
    assert any(line.startswith("unknown  jobs") for line in said)
    assert "FAILED   rule       a: datasource Finance/Nothing: there is none of that name" in (
        done.stdout
    )
    assert "b: datasource Operations/Live Orders: it has no extract" in done.stdout


def test_test_of_a_wrong_login_ends_with_its_sentence(stage):
    stage.settings["token_secret"] = "wrong and long enough"
    done = stage.command("test")

    assert done.returncode == 2
    assert "FAILED   login      " in done.stdout
    assert "does not take the login (401001)" in done.stdout


def test_test_looks_at_each_site(server, stage):
    stage.settings["sites"] = two_sites(server)
    stage.settings["rules"] += [{**LEDGER, "name": "x", "site": "plant", "project": "Plant"}]
    done = stage.command("test", SBX_PLANT=PLANT_TOKEN)

    assert "site plant as token plant" in done.stdout
    assert stage.sign_ins == 2


def test_list_prints_rules_that_are_settings_of_everything_with_an_extract(stage):
    done = stage.command("list")
    rules = json.loads(done.stdout)

    config = Config.of({**stage.settings, "rules": rules})
    assert [rule.title for rule in config.rules if rule.kind != "task"] == [
        "datasource Finance/AP Invoices", "datasource Finance/GL Balances",
        "workbook Finance/Month End", "datasource Finance/Payables/AP Invoices",
        "datasource Finance/Payables/Vendors", "datasource Operations/Open Orders",
    ]  # fmt: skip
    assert [rule.id for rule in config.rules if rule.kind == "task"] == [stage.site.tasks[0].id]
    assert stage.started == []


def test_the_rules_of_list_refresh_everything_once(server, stage):
    server.tableau.plan = Plan(running=60)
    stage.settings["rules"] = json.loads(stage.command("list").stdout)
    stage.load(vendors=1)
    stage.refresh()

    assert sorted(stage.site.refreshes) == [
        "Finance/AP Invoices", "Finance/GL Balances", "Finance/Month End",
        "Finance/Payables/AP Invoices", "Finance/Payables/Vendors", "Operations/Open Orders",
    ]  # fmt: skip


def test_list_of_another_site_names_it_in_each_rule(server, stage):
    stage.settings["sites"] = two_sites(server)
    rules = json.loads(stage.command("list", "--site", "plant", SBX_PLANT=PLANT_TOKEN).stdout)

    assert [(rule["site"], rule["target"]) for rule in rules] == [
        ("plant", "GL Balances"), ("plant", "Stock"),
    ]  # fmt: skip


def test_status_tells_what_each_rule_came_to_without_asking_anybody(server, stage):
    server.faults.add(Fault("status", where="GL Balances/refresh", status=400))
    stage.load(ap_invoices=1, gl_transactions=1)
    stage.refresh(1)
    asked = len(server.asked)
    stage.settings["rules"] = [PAYABLES, {**LEDGER, "name": "new"}]
    lines = stage.command("status").stdout.splitlines()

    assert len(server.asked) == asked
    assert "refreshed 2" in lines[1]
    assert "never" in lines[2]
    assert lines[3] == "no rules any more: ledger"


def test_an_unknown_option_is_exit_2(stage):
    assert stage.command("run", "--nope").returncode == 2


def test_settings_that_are_wrong_are_exit_2(stage):
    stage.settings["servr_url"] = "x"
    assert "`servr_url` is no setting" in stage.command("run").last
