"""docs/looker/lookml.md does what it says: its commands run, its LookML is checked."""

import json
import re
import shlex
import sys
from pathlib import Path

import lkml
import pytest
from click.testing import CliRunner
from kinetic_sandbox.kinetic import KineticServer, Tenant
from lookml_tenant import discover, staged_empty
from target_looker_stage.lookml.command import lookml
from target_looker_stage.lookml.facts import EXPLORES, STREAMS
from target_looker_stage.settings import SETTINGS

PAGE = (Path(__file__).parents[2] / "docs/looker/lookml.md").read_text(encoding="utf-8")
COMMANDS = [
    shlex.split(line)
    for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
]
SNIPPETS = re.findall(r"```lookml\n# (\S+)\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    with KineticServer(Tenant(profile="real", seed=7, scale=0.01)) as server:
        catalog = discover(tmp_path, server, "source")
    staged = tmp_path / "staged"
    staged.mkdir()
    made = staged_empty(staged, catalog, "ap_invoices", "vendors", "companies")
    catalog.write_text(made.catalog.read_text())
    (tmp_path / "target.json").write_text(json.dumps({"sqlalchemy_url": made.url}))
    for path, text in SNIPPETS:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands_run_in_their_order(folder):
    ran = []
    for command in COMMANDS:
        if command[0] == "tap-epicor-kinetic":
            assert (folder / "catalog.json").exists()  # the fixture has run it
            assert Path(sys.executable).with_name(command[0]).exists()
            continue
        assert command[:2] == ["looker-refresh", "lookml"]
        done = CliRunner().invoke(lookml, command[2:])
        assert done.exit_code == 0, (command, done.output)
        ran.append(" ".join(command[4:]))

    assert ran == ["--catalog catalog.json", "--catalog catalog.json --diff", "--check",
                   "--check --with finance"]  # fmt: skip


def test_the_refinements_are_lookml_and_in_force(folder):
    CliRunner().invoke(lookml, ["--config", "target.json", "--catalog", "catalog.json"])
    file = folder / "finance/payables.view.lkml"
    file.write_text(file.read_text().replace("${invoiceamt}", "${invoiceamount}"))

    done = CliRunner().invoke(lookml, ["--config", "target.json", "--check", "--with", "finance"])

    assert done.exit_code == 1
    said = "ap_invoices.largest_invoice: there is no field ap_invoices.invoiceamount"
    assert f"finance/payables.view.lkml: {said}" in done.output
    assert f"finance/payables.view.lkml: {said}" in PAGE
    model = lkml.load(dict(SNIPPETS)["finance/finance.model.lkml"])
    assert model["persist_with"] == "epicor_kinetic"


def test_each_explore_and_each_measure_of_the_page_exists():
    explores = re.findall(r"^\| `(\w+)` \|", PAGE.split("| explore |")[1], re.MULTILINE)
    assert explores[: len(EXPLORES)] == [each.name for each in EXPLORES]

    for stream, name in re.findall(r"^\| `(\w+)\.(\w+)` \|", PAGE, re.MULTILINE):
        assert name in {each.name for each in STREAMS[stream].measures}
    for name in re.findall(r"^\| `(lookml_\w+)` \|", PAGE, re.MULTILINE):
        assert name in SETTINGS["properties"]
