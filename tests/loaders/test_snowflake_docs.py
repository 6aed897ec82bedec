"""docs/warehouses/snowflake.md does what it says: snippets are parsed, or run on the emulator."""

import logging
import re
import subprocess
from pathlib import Path

import pytest
import sqlglot
import yaml
from environments import ROOT
from page import Page, assert_shell
from redirect import Redirect
from snowflake import DATABASE, HOSTS, Front, Snowflake, emulator, loader, messages
from sqlglot import exp

PAGE = Page("docs/warehouses/snowflake.md")
OURS = re.compile(
    r"use role \w+"
    r"|create role if not exists \w+"
    r"|create warehouse if not exists \w+\swarehouse_size = xsmall\sauto_suspend = \d+"
    r"\sauto_resume = true\sinitially_suspended = true"
    r"|alter warehouse \w+ set auto_resume = true"
    r"|create user if not exists \w+\stype = service\sdefault_role = \w+\srsa_public_key = '\S+'"
    r"|grant role \w+ to user \w+"
    r"|grant select on (all|future) tables in schema \w+\.\w+ to role \w+"
    r"|create network policy \w+ allowed_ip_list = \('[\d.]+'\)"
    r"|alter user \w+ set network_policy = \w+"
    r"|alter user \w+ add programmatic access token \w+"
    r"\srole_restriction = '\w+'\sdays_to_expiry = \d+"
)
"""As Snowflake's pages have it; sqlglot passes such statements on unread."""
GRANTED = {
    ("USAGE", "DATABASE"), ("USAGE", "SCHEMA"), ("USAGE", "WAREHOUSE"),
    ("CREATE TABLE", "SCHEMA"), ("CREATE FILE FORMAT", "SCHEMA"),
}  # fmt: skip


def statements() -> list[str]:
    return [
        text.strip() for block in PAGE.blocks("sql") for text in block.split(";") if text.strip()
    ]


def parsed(text) -> exp.Expression:
    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)
    return sqlglot.parse_one(text, dialect="snowflake")


def test_the_shell_commands_are_shell():
    assert PAGE.blocks("bash")
    assert_shell(PAGE.blocks("bash"))


def test_each_statement_is_one_of_snowflakes():
    assert len(statements()) > 15
    for text in statements():
        assert OURS.fullmatch(text) or not isinstance(parsed(text), exp.Command), text


def test_the_loader_is_granted_what_a_refusal_names_and_no_more():
    grants = [
        re.fullmatch(r"grant ([\w ,]+) on (\w+) \S+ to role KINETIC_LOADER", text)
        for text in statements()
    ]
    granted = {
        (right.strip().upper(), grant[2].upper())
        for grant in grants
        if grant
        for right in grant[1].split(",")
    }
    source = ROOT / "loaders/target-snowflake/kinetic_target_snowflake/explain.py"
    told = " ".join(source.read_text(encoding="utf-8").split())

    assert granted == GRANTED
    for right, _ in granted:
        assert right in told.replace('" "', "")


def test_each_variable_of_the_page_is_one_that_meltano_yml_reads():
    named = set(re.findall(r"^\| `(SNOWFLAKE_\w+)`", PAGE.text, re.MULTILINE))
    project = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    for environment in project["environments"]:
        for plugin in environment["config"]["plugins"].get("loaders", []):
            if plugin["name"] == "target-snowflake":
                values = " ".join(plugin["config"].values())
                assert set(re.findall(r"\$\{?(\w+)", values)) == named


def test_each_message_of_the_page_is_shown_by_a_test():
    tests = [*Path(__file__).parent.glob("test_target_snowflake.py"), ROOT / "tests/snowflake.py"]
    shown = "".join(path.read_text(encoding="utf-8") for path in tests)

    assert [each for each in PAGE.messages() if each not in shown] == []


def test_the_key_is_one_that_the_loader_reads(tmp_path):
    (making,) = [block for block in PAGE.blocks("bash") if "genrsa" in block]
    done = subprocess.run(
        ["bash", "-e"], input=making, text=True, capture_output=True, cwd=tmp_path, check=True
    )
    assert done.stdout.startswith("MIIBIjANBgkqhkiG9w0B")
    assert (tmp_path / "kinetic_loader.p8").stat().st_mode & 0o077 == 0


@pytest.mark.full
def test_the_account_of_the_page_can_be_loaded_and_its_view_shows_open_rows(tmp_path):
    assert loader()
    (making,) = [block for block in PAGE.blocks("bash") if "genrsa" in block]
    subprocess.run(["bash", "-e"], input=making, text=True, cwd=tmp_path, check=True)
    creates = [parsed(text) for text in statements() if text.startswith("create ")]
    creates = [each for each in creates if isinstance(each, exp.Create)]
    with (
        emulator(tmp_path) as port,
        Front(port) as front,
        Redirect({HOSTS: front.port}, tmp_path) as redirect,
    ):
        account = Snowflake(front, redirect, tmp_path, "KINETIC")
        for each in creates:
            if each.kind in {"DATABASE", "SCHEMA"}:
                account.query(each.sql("snowflake"))
        front.statements.clear()
        account.configure(
            password=None, private_key_path=str(tmp_path / "kinetic_loader.p8"), database=DATABASE
        )
        marked = {"K": "b", "Amount": "2", "_sdc_deleted_at": "2026-11-21T12:00:00Z"}
        done = account.load(messages("ap_invoices", [{"K": "a", "Amount": "1"}, marked]))
        assert done.returncode == 0, done.stderr[-2000:]
        assert not [each for each in front.statements if each.startswith("CREATE SCHEMA")]

        (view,) = [each for each in creates if each.kind == "VIEW"]
        account.query(view.sql("snowflake"))
        shown = account.query("select k from FINANCE.KINETIC_OPEN.AP_INVOICES")
        assert shown == [{"k": "a"}]
        assert len(account.rows("ap_invoices")) == 2
