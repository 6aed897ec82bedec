"""docs/looker/telling.md does what it says: commands run, settings are taken, words are said."""

from __future__ import annotations

import ast
import json
import re
import shlex
from pathlib import Path

import pytest
import target_looker_stage.looker
from environments import ROOT
from kinetic_sandbox.looker import Commit, LookmlError
from looker_instance import serving
from looker_refresh import stage
from target_looker_stage.config import Config
from target_looker_stage.settings import SETTINGS

PAGE = (ROOT / "docs/looker/telling.md").read_text(encoding="utf-8")
ADDRESS = "https://company.cloud.looker.com"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def rows(title: str) -> list[list[str]]:
    """The cells of the table below a title, without its head."""
    _, _, section = PAGE.partition(f"## {title}\n")
    lines = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.fixture
def here(tmp_path):
    with serving() as server:
        here = stage(server, tmp_path, looker_project="epicor")
        yield here


def command(here, text: str):
    program, *arguments = shlex.split(text)
    assert program == "looker-refresh"
    return here.command(*arguments)


def as_in_the_page(here, text: str) -> str:
    """With times and the address as the page has them."""
    times = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC")
    return times.sub("AT", text).replace(here.server.url, ADDRESS).strip()


def test_each_command_prints_what_the_page_shows(here):
    test, run, status, deploy = map(str.strip, blocks("bash"))
    shown = [as_in_the_page(here, text) for text in blocks("text")]
    here.load("vendors")
    here.rows("CREATE TABLE epicor_stage.vendors (vendorid varchar)")
    here.server.looker.connections["epicor_kinetic"].schemas["epicor_stage"] = {"_sync_audit": []}

    assert as_in_the_page(here, command(here, test).stdout) == shown[0]
    assert as_in_the_page(here, command(here, run).stderr) == shown[1]
    assert as_in_the_page(here, command(here, status).stdout) == shown[2]
    assert as_in_the_page(here, command(here, deploy).stdout) == shown[3]
    error = LookmlError("Unknown field vendors.nmae", "views/vendors.view.lkml", 12)
    here.server.looker.projects["epicor"].push("main", Commit("b2", errors=(error,)))
    assert as_in_the_page(here, command(here, deploy).stderr) == shown[4]


def test_a_telling_costs_as_many_calls_as_the_page_says(here):
    here.load("vendors")
    here.tell()
    assert "costs two of the\nadministrative kind" in PAGE
    assert here.server.looker.calls == {"query": 0, "administrative": 2}
    before = dict(here.server.looker.calls)
    command(here, "looker-refresh test")
    assert here.server.looker.calls["administrative"] - before["administrative"] <= 10


def test_the_settings_of_the_page_are_settings():
    (text,) = blocks("json")
    config = Config.of(json.loads(text))
    assert config.looker_datagroups["payables"] == ("ap_*", "vendors")

    named = {name for row in rows("Settings") for name in re.findall(r"`(\w+)`", row[0])}
    declared = {name for name in SETTINGS["properties"] if "looker" in name}
    assert named == declared
    for cells in rows("Settings"):
        (name, *_), default = re.findall(r"`(\w+)`", cells[0]), cells[1].strip("`")
        if re.fullmatch(r"\d+|trigger|fail", default):
            assert str(SETTINGS["properties"][name]["default"]) == default


def test_the_words_of_each_failure_are_said_by_the_code():
    said = ""
    for file in Path(target_looker_stage.looker.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                said += "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "…"
                    for part in node.values
                ) + "\n"  # fmt: skip
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                said += node.value + "\n"

    words = [row[0].strip("`") for row in rows("What a failure says")]
    assert len(words) > 10
    assert [each for each in words if each not in said] == []


def test_the_permissions_of_the_page_are_those_that_the_stand_in_asks_for():
    page = {name for row in rows("The API user") for name in re.findall(r"`(\w+)`", row[1])}
    with serving() as server:
        assert page == server.looker.users[0].permissions
