"""Tableau through Meltano, behind a loader and as a target: which refreshes are on the wire."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess

import pytest
from kinetic_sandbox.tableau import Plan, sample
from project import ROOT, Project, install, processes, wait_for
from tableau_site import serving

PAGE = (ROOT / "docs" / "tableau" / "README.md").read_text(encoding="utf-8")
RULES = [
    {"name": "payables", "streams": ["ap_*", "vendors"], "project": "Finance",
     "target": "AP Invoices"},
    {"name": "ledger", "streams": ["gl_*"], "project": "Finance", "target": "GL Balances"},
    {"name": "orders", "streams": ["purchase_*"], "project": "Operations",
     "target": "Open Orders"},
]  # fmt: skip
BEHIND = ("run", "tap-epicor-kinetic", "target-duckdb", "tableau-refresh:run")
AS_TARGET = ("run", "tap-epicor-kinetic", "target-tableau-refresh")
AP, GL, PO = "Finance/AP Invoices", "Finance/GL Balances", "Operations/Open Orders"


@pytest.fixture(scope="module")
def installed(installed):
    for plugin in ("target-tableau-refresh", "tableau-refresh"):
        install(plugin, installed)
    return installed


class Pipeline:
    """A project of one tenant and one Tableau."""

    def __init__(self, project: Project, server) -> None:
        self.project = project
        self.server = server
        self.site = server.tableau.site(sample.SITE)
        self._seen = 0

    @property
    def variables(self) -> dict[str, str]:
        """What a user exports; the files are this test's own."""
        log = str(self.project.home / "runs.jsonl")
        return {
            # Runs follow each other in seconds here; within the overlap rows are sent again.
            "TAP_EPICOR_KINETIC_LOOKBACK_SECONDS": "1",
            "TABLEAU_SERVER_URL": self.server.url,
            "TABLEAU_SITE": sample.SITE,
            "TABLEAU_TOKEN_NAME": sample.TOKEN_NAME,
            "TABLEAU_TOKEN_SECRET": sample.TOKEN_SECRET,
            "TAP_EPICOR_KINETIC_RUN_LOG_PATH": log,
            "TARGET_TABLEAU_REFRESH_RUN_LOG_PATH": log,
            "TARGET_TABLEAU_REFRESH_MARKS_PATH": str(self.project.home / "marks.json"),
            "TARGET_TABLEAU_REFRESH_AUDIT_PATH": str(self.project.home / "audit.jsonl"),
            "TARGET_TABLEAU_REFRESH_POLL_SECONDS": "1",
            "TARGET_TABLEAU_REFRESH_RULES": json.dumps(RULES),
        }

    def run(self, *command: str, expected: int = 0) -> str:
        code, output = self.project.run(*command, **self.variables)
        assert code == expected, output[-5000:]
        assert sample.TOKEN_SECRET not in output
        return output

    @property
    def refreshed(self) -> list[str]:
        """What was refreshed since this was last looked at."""
        new = self.site.refreshes[self._seen :]
        self._seen += len(new)
        return sorted(new)

    def has_state(self) -> bool:
        _, listed = self.project.run("state", "list")
        return "to-target-tableau-refresh" in listed


@pytest.fixture
def pipeline(small_project):
    with serving() as server:
        yield Pipeline(small_project, server)


@pytest.mark.full
@pytest.mark.parametrize("command", [BEHIND, AS_TARGET], ids=["behind a loader", "as a target"])
def test_each_run_refreshes_what_it_touched_once_and_a_failure_is_made_good(pipeline, command):
    tenant = pipeline.project.server.tenant
    pipeline.run(*command)
    assert pipeline.refreshed == [AP, GL, PO]

    pipeline.run(*command)
    assert pipeline.refreshed == []

    tenant.touch("ap_invoices", "EPIC06", 2)
    tenant.touch("vendors", "EPIC07", 1)
    pipeline.run(*command)
    assert pipeline.refreshed == [AP]

    tenant.touch("gl_transactions", "EPIC06", 1)
    pipeline.site.find(GL).plans.append(Plan(finish_code=1, notes="no connection"))
    output = pipeline.run(*command, expected=1)
    assert "rule ledger (datasource Finance/GL Balances): Tableau's job" in output
    assert pipeline.refreshed == [GL]
    pipeline.run(*command)
    assert pipeline.refreshed == [GL]
    assert pipeline.server.tableau.open_sessions == 0


@pytest.mark.full
@pytest.mark.parametrize(
    ("command", "victim"),
    [
        (BEHIND, "tap_epicor_kinetic"), (BEHIND, "target_duckdb"),
        (AS_TARGET, "tap_epicor_kinetic"), (AS_TARGET, "target_tableau_refresh"),
    ],
)  # fmt: skip
def test_a_run_of_which_a_part_was_killed_never_refreshes_and_the_next_run_does_for_both(
    command, victim, pipeline
):
    tenant_server = pipeline.project.server
    tenant_server.vices.set("slow", 0.05)
    process = pipeline.project.start(
        *command, TAP_EPICOR_KINETIC_PAGE_SIZE="20", **pipeline.variables
    )
    wait_for(lambda: sum(r.kind == "rows" for r in tenant_server.requests) > 60)
    for pid in processes(process.pid, victim):
        os.kill(pid, signal.SIGKILL)
    output, _ = process.communicate(timeout=300)
    tenant_server.vices.clear()
    assert process.returncode != 0, output[-3000:]
    assert pipeline.server.asked == []

    pipeline.run(*command)
    assert pipeline.refreshed == [AP, GL, PO]


@pytest.mark.full
def test_a_wrong_secret_fails_the_run_and_holds_the_targets_state(pipeline):
    good = sample.TOKEN_SECRET
    pipeline.server.tableau.users[0].tokens[sample.TOKEN_NAME] = "another one since yesterday"
    output = pipeline.run(*AS_TARGET, expected=1)
    assert "does not take the login (401001)" in output
    assert not pipeline.has_state()

    pipeline.server.tableau.users[0].tokens[sample.TOKEN_NAME] = good
    pipeline.run(*AS_TARGET)
    assert pipeline.refreshed == [AP, GL, PO]


@pytest.mark.full
def test_the_pages_commands_lead_from_nothing_to_a_refreshed_source(pipeline):
    folder = pipeline.project.folder
    if not (folder / ".venv").exists():
        (folder / ".venv").symlink_to(ROOT / ".venv")
    (folder / "output").mkdir(exist_ok=True)
    variables = pipeline.project.environment(**{
        name: text for name, text in pipeline.variables.items()
        if not name.endswith(("RUN_LOG_PATH", "MARKS_PATH", "AUDIT_PATH"))
    })  # fmt: skip
    commands = re.findall(r"^ *(\.venv/bin/meltano .*)$", PAGE, re.MULTILINE)
    assert len(commands) >= 4
    for command in commands:
        done = subprocess.run(
            command.replace("target-bigquery", "target-duckdb").replace("--environment=prod ", ""),
            shell=True, cwd=folder, env=variables, check=False, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-5000:]
    assert pipeline.refreshed == [AP, GL, PO]
