"""docs/tableau/README.md does what it says: outputs are those shown, settings and words exist."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import target_tableau_refresh
import yaml
from environments import ROOT
from kinetic_sandbox.tableau import Plan, sample
from page import Page, words_of
from tableau_load import here
from tableau_site import serving
from target_tableau_refresh.clock import moment_of
from target_tableau_refresh.config import Config
from target_tableau_refresh.session import _SCOPES
from target_tableau_refresh.settings import SETTINGS

PAGE = Page("docs/tableau/README.md")
ADDRESS = "https://10ax.online.tableau.com, site company"
MELTANO_YML = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))


@pytest.fixture
def stage(tmp_path):
    with serving() as server:
        server.tableau.plan = Plan(queued=1, running=40)
        rules = yaml.safe_load(PAGE.blocks("yaml")[0])["rules"]
        rules.append({"name": "stock", "streams": ["part*"], "project": "Operations",
                      "target": "Stock"})  # fmt: skip
        yield here(server, tmp_path, rules=rules)


def as_in_the_page(stage, text: str) -> str:
    """With times, the address and columns as the page has them."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "AT", text)
    text = text.replace(f"{stage.server.url}, site {sample.SITE}", ADDRESS)
    text = text.replace(str(stage.run_log), "output/prod.runs.jsonl").replace("run-2", "1b6f")
    return text.strip()


def same(text: str) -> list[str]:
    """Lines without the width of the columns."""
    return [re.sub(r" {2,}", "  ", line).rstrip() for line in text.strip().splitlines()]


def test_each_command_prints_what_the_page_shows(stage):
    commands = [text.strip() for text in PAGE.blocks("bash") if text.startswith("tableau-refresh")]
    assert [shlex.split(each) for each in commands] == [
        ["tableau-refresh", name] for name in ("plan", "test", "run", "status")
    ]
    plan, test, run, status = PAGE.blocks("text")
    stage.load(ap_invoices=1, gl_transactions=1)
    stage.refresh()  # all three, the workbook last
    age = stage.now() - moment_of(stage.marks.rules["ledger"].refreshed_at)
    stage.pass_time(25.5 * 60 - age.total_seconds())
    stage.load(ap_invoices=1204, vendors=2, gl_transactions=88, parts=0)

    said = as_in_the_page(stage, stage.command("plan").stdout)
    assert same(said) == same(plan)
    assert "payables   datasource Finance/AP Invoices  yes      ap_invoices" in said
    assert as_in_the_page(stage, stage.command("test").stdout) == test.strip()
    assert as_in_the_page(stage, stage.command("run").stderr) == run.strip()
    assert same(as_in_the_page(stage, stage.command("status").stdout)) == same(status)


def test_the_settings_and_rules_of_the_page_are_settings():
    (text,) = PAGE.blocks("json")
    config = Config.of(json.loads(text), {"TABLEAU_PLANT_SECRET": "of plant"})
    assert config.sites["plant"].login.secret == "of plant"

    named = {name for row in PAGE.rows("Rules") for name in re.findall(r"`(\w+)`", row[0])}
    declared = set(SETTINGS["properties"]["rules"]["items"]["properties"])
    assert named | {"id"} == declared
    scopes = {
        name for row in PAGE.rows("Logins and sites") for name in re.findall(r"`(\w+:.+?)`", row[2])
    }
    assert scopes == set(_SCOPES)


def test_the_task_of_the_page_names_what_meltano_has():
    (job,) = yaml.safe_load(PAGE.blocks("yaml")[1])
    plugins = {each["name"]: each for kind in MELTANO_YML["plugins"].values() for each in kind}
    for task in job["tasks"]:
        for word in task.split():
            name, _, command = word.partition(":")
            assert not command or command in plugins[name]["commands"]
    logs = {
        each["config"]["run_log_path"] for each in MELTANO_YML["plugins"]["extractors"]
        if "run_log_path" in each.get("config", {})
    }  # fmt: skip
    utility = plugins["tableau-refresh"]
    assert utility["config"]["run_log_path"] in logs
    for command in ("documents", "masters", "everything"):
        assert utility["commands"][command].removeprefix("run --run-log ") in logs
    assert len(logs) == len([
        each for each in MELTANO_YML["plugins"]["extractors"]
        if "run_log_path" in each.get("config", {})
    ])  # fmt: skip


def test_meltano_is_told_of_each_setting_as_it_is_declared():
    plugins = [each for kind in MELTANO_YML["plugins"].values() for each in kind
               if each["name"] in {"target-tableau-refresh", "tableau-refresh"}]  # fmt: skip
    assert len(plugins) == 2
    for plugin in plugins:
        declared = {each["name"]: each for each in plugin["settings"]}
        assert declared.keys() == SETTINGS["properties"].keys()
        for name, schema in SETTINGS["properties"].items():
            assert declared[name].get("value") == schema.get("default"), name
            assert bool(declared[name].get("sensitive")) == bool(schema.get("secret")), name


def test_the_words_of_each_failure_are_said_by_the_code():
    said = words_of(Path(target_tableau_refresh.__path__[0]))
    words = [row[0].strip("`") for row in PAGE.rows("What a failure says")]
    assert len(words) > 10
    assert [each for each in words if each not in said] == []
