"""docs/warehouses/databricks.md does what it says: commands, variables and statements are read."""

import json
import re

import sqlglot
import yaml
from environments import ROOT
from kinetic_target_databricks.settings import SETTINGS
from page import Page

PAGE = Page("docs/warehouses/databricks.md")


def test_the_pages_commands_name_plugins_environments_and_settings_that_are_there():
    project = yaml.safe_load((ROOT / "meltano.yml").read_text())
    plugins = {
        each["name"] for kind in ("extractors", "loaders") for each in project["plugins"][kind]
    }
    environments = {each["name"] for each in project["environments"]}
    commands = [line for block in PAGE.blocks("bash") for line in block.splitlines()]
    exports = [line for line in commands if line.startswith("export ")]

    for line in [line for line in commands if line not in exports]:
        environment, run, *named = line.removeprefix(".venv/bin/meltano --environment=").split()
        assert environment in environments
        assert run == "run"
        assert {*named} <= plugins
    for line in exports:
        name, _, value = line.removeprefix("export TARGET_DATABRICKS_").partition("=")
        assert SETTINGS["properties"][name.lower()]["type"][0] == "object"
        assert json.loads(value.strip("'"))
    assert len(commands) == 3


def test_the_pages_variables_are_those_that_meltano_reads():
    text = (ROOT / "meltano.yml").read_text()

    named = set(re.findall(r"`(DATABRICKS_\w+)`", PAGE.text))

    assert named == set(re.findall(r"\$\{?(DATABRICKS_\w+)", text))


def test_the_communitys_block_is_a_plugin_of_meltano():
    (block,) = PAGE.blocks("yaml")

    (plugin,) = yaml.safe_load(block)["plugins"]["loaders"]
    assert plugin["namespace"] == "target_databricks"


def test_the_pages_statements_are_the_dialects():
    found = [sqlglot.parse(block, dialect="databricks") for block in PAGE.blocks("sql")]

    assert [len(each) for each in found] == [5, 1]
