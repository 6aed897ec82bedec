"""docs/tableau/publish.md does what it says: its commands run, its Python reads the extracts."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from extracts import Extracts, assert_equal, needed_engine
from harness import deleted_rows, environment
from kinetic_sandbox.kinetic import KineticServer, Tenant
from kinetic_sandbox.tableau.sample import SITE, TOKEN_NAME, TOKEN_SECRET
from project import ROOT, Project, install
from tableau_site import serving
from target_tableau_refresh.settings import SETTINGS

PAGE = (ROOT / "docs/tableau/publish.md").read_text(encoding="utf-8")
COMMANDS = [
    shlex.split(line)
    for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
]
INI = re.search(r"```ini\n(.*?)```", PAGE, re.DOTALL)[1]
VARIABLES = [line.partition("=")[0] for line in INI.splitlines()]
PYTHON = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]


@pytest.fixture(scope="module")
def installed(installed):
    needed_engine()
    install("target-tableau-publish", installed)
    return installed


@pytest.mark.full
def test_the_commands_publish_the_open_rows_of_each_run(installed, tmp_path):
    tenant = Tenant(profile="real", seed=7, scale=0.1)
    with KineticServer(tenant) as server, serving() as tableau:
        project = Project(installed, tmp_path, server, patience=900)
        folder = tmp_path / "extracts"
        values = [tableau.url, SITE, TOKEN_NAME, TOKEN_SECRET, "Finance/Payables"]
        given = dict(zip(VARIABLES, values, strict=True))
        given |= {
            "TARGET_TABLEAU_PUBLISH_PUBLISH_FOLDER": str(folder),
            "TARGET_TABLEAU_PUBLISH_POLL_SECONDS": "1",
        }
        for day in range(2):
            report = tenant.day_passes() if day else None
            for command in COMMANDS:
                assert command[0] == ".venv/bin/meltano"
                code, output = project.run(*command[1:], **given)
                assert code == 0, output[-5000:]
                assert TOKEN_SECRET not in output
            gone = deleted_rows(report) if report else frozenset()
            assert_equal(Extracts(folder), tenant, but=gone)
        (site,) = (each for each in tableau.tableau.sites if each.content_url == SITE)
        published = {each.name: each.files[-1][1] for each in site.datasources if each.files}
    assert published.keys() == {*tenant.streams, "epicor_sync_runs"}
    for name, content in published.items():
        assert content == (folder / f"{name}.hyper").read_bytes()


def test_the_python_of_the_page_counts_the_rows_of_an_extract(tmp_path):
    needed_engine()
    extracts = Extracts(tmp_path / "output" / "prod-extracts")
    given = {"properties": {"K": {"type": "integer"}}}
    extracts.load(
        {"type": "SCHEMA", "stream": "ap_invoices", "schema": given, "key_properties": ["K"]},
        *({"type": "RECORD", "stream": "ap_invoices", "record": {"K": n}} for n in range(7)),
        {"type": "STATE", "value": {"last_complete_run": {"run_id": "r"}}},
    )

    done = subprocess.run(
        [sys.executable, "-c", PYTHON], capture_output=True, text=True, cwd=tmp_path, check=False,
        env=environment(),
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (0, "7\n"), done.stderr


def test_the_loader_and_the_settings_of_the_page_are_those_of_meltano():
    loaders = yaml.safe_load((ROOT / "meltano.yml").read_text())["plugins"]["loaders"]
    (loader,) = (each for each in loaders if each["name"] == "target-tableau-publish")
    assert loader["config"]["mode"] == "publish"
    assert "target-tableau-refresh[publish]" in loader["pip_url"]
    for name in re.findall(r"`(publish_\w+)", PAGE):
        assert name in SETTINGS["properties"]
    for name, value in re.findall(r"`(publish_\w+): (\w+)`", PAGE):
        assert value in SETTINGS["properties"][name]["enum"]
    assert Path(ROOT / "bench/tableau_publish.py").exists()
    assert json.dumps(COMMANDS).count("target-tableau-publish") == 1
