"""docs/looker/telling.md does what it says: commands run, settings are taken, words are said."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import target_looker_stage.looker
from kinetic_sandbox.looker import Commit, LookmlError
from looker_instance import serving
from looker_refresh import stage
from page import Page, words_of
from target_looker_stage.config import Config
from target_looker_stage.settings import SETTINGS

PAGE = Page("docs/looker/telling.md")
ADDRESS = "https://company.cloud.looker.com"


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
    test, run, status, deploy = map(str.strip, PAGE.blocks("bash"))
    shown = [as_in_the_page(here, text) for text in PAGE.blocks("text")]
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
    assert "costs two of the\nadministrative kind" in PAGE.text
    assert here.server.looker.calls == {"query": 0, "administrative": 2}
    before = dict(here.server.looker.calls)
    command(here, "looker-refresh test")
    assert here.server.looker.calls["administrative"] - before["administrative"] <= 10


def test_the_settings_of_the_page_are_settings():
    (text,) = PAGE.blocks("json")
    config = Config.of(json.loads(text))
    assert config.looker_datagroups["payables"] == ("ap_*", "vendors")

    named = {name for row in PAGE.rows("Settings") for name in re.findall(r"`(\w+)`", row[0])}
    declared = {name for name in SETTINGS["properties"] if "looker" in name}
    assert named == declared
    for cells in PAGE.rows("Settings"):
        (name, *_), default = re.findall(r"`(\w+)`", cells[0]), cells[1].strip("`")
        if re.fullmatch(r"\d+|trigger|fail", default):
            assert str(SETTINGS["properties"][name]["default"]) == default


def test_the_words_of_each_failure_are_said_by_the_code():
    said = words_of(Path(target_looker_stage.looker.__path__[0]))
    words = [row[0].strip("`") for row in PAGE.rows("What a failure says")]
    assert len(words) > 10
    assert [each for each in words if each not in said] == []


def test_the_permissions_of_the_page_are_those_that_the_stand_in_asks_for():
    page = {name for row in PAGE.rows("The API user") for name in re.findall(r"`(\w+)`", row[1])}
    with serving() as server:
        assert page == server.looker.users[0].permissions
