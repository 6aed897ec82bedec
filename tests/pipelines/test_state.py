"""docs/state.md: STATE outlives the machine, in each place that the page names."""

import contextlib
import json
import os
import re
import subprocess
import time

import duckdb
import pytest
import state_places
from community import postgres
from harness import deleted_rows
from project import ROOT, Project, assert_equal

PAGE = (ROOT / "docs" / "state.md").read_text(encoding="utf-8")
STATE_ID = "sandbox:tap-epicor-kinetic-to-target-duckdb"
LOAD = ("run", "tap-epicor-kinetic", "target-duckdb")


def documented(heading: str) -> dict[str, str]:
    """The variables of a section."""
    section = PAGE.split(f"### {heading}\n")[1].split("\n## ")[0].split("\n### ")[0]
    return dict(re.findall(r"^export (\w+)=(.*)$", section, re.MULTILINE))


def with_values(heading: str, values: dict[str, str]) -> dict[str, str]:
    """Exactly the variables of a section, with this machine's values."""
    assert documented(heading).keys() == values.keys()
    return values


@pytest.fixture
def place(request, tmp_path):
    """The variables of one of the places."""
    with contextlib.ExitStack() as stack:
        if request.param == "A local folder":
            uri = {"MELTANO_STATE_BACKEND_URI": f"file://{tmp_path}/state"}
            yield with_values(request.param, uri)
        elif request.param == "A bucket":
            found = stack.enter_context(state_places.s3(tmp_path))
            endpoint = found.pop("AWS_ENDPOINT_URL")
            uri = documented(request.param)["MELTANO_STATE_BACKEND_URI"]
            named = with_values(request.param, {"MELTANO_STATE_BACKEND_URI": uri, **found})
            yield {**named, "AWS_ENDPOINT_URL": endpoint}
        else:
            database = stack.enter_context(postgres())
            host = f"127.0.0.1:{database.port}/{database.name}"
            uri = f"postgresql+psycopg://{database.user}@{host}"
            yield with_values(request.param, {"MELTANO_DATABASE_URI": uri})


class Machine:
    """Runs Meltano with nothing kept from the machine before."""

    def __init__(self, project: Project, number: int, variables: dict[str, str]) -> None:
        local = {"MELTANO_DATABASE_URI": f"sqlite:///{project.home}/machine-{number}.db"}
        self.environment = project.environment(**{**local, **variables})
        self._folder = project.folder

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(state_places.meltano()), *arguments], cwd=self._folder, env=self.environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, *arguments: str) -> str:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, (out + err)[-3000:]
        return out


PLACES = ["A local folder", "A bucket", "A database"]


@pytest.mark.full
@pytest.mark.parametrize("place", PLACES, indirect=True)
def test_the_next_machine_starts_where_the_last_one_stopped(small_project: Project, place):
    tenant = small_project.server.tenant
    Machine(small_project, 1, place).run(*LOAD)
    kept = json.loads(Machine(small_project, 2, place).run("state", "get", STATE_ID))
    report = tenant.day_passes()
    small_project.server.requests.clear()

    Machine(small_project, 3, place).run(*LOAD)

    assert "ap_invoices" in kept["singer_state"]["bookmarks"]
    assert_equal(small_project, tenant, but=deleted_rows(report))
    with duckdb.connect(str(small_project.database), read_only=True) as connection:
        runs = connection.execute(
            "select bookmark_before, bookmark_after, rows_sent from kinetic.epicor_sync_runs"
            " where stream = 'gl_accounts' and company = 'EPIC06' order by started_at"
        ).fetchall()
    (none, first, all_rows), (resumed, _, rows) = runs
    assert (none, resumed) == (None, first)
    assert rows < all_rows


@pytest.mark.full
@pytest.mark.parametrize("place", ["A database"], indirect=True)
def test_a_shared_database_lets_one_machine_run_at_a_time(small_project: Project, place):
    small_project.server.vices.set("slow", 0.2)
    first = Machine(small_project, 1, place).start(*LOAD)
    try:
        deadline = time.monotonic() + 60
        while not any(each.kind == "rows" for each in small_project.server.requests):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        second = Machine(small_project, 2, place).start(*LOAD)
        out, err = second.communicate(timeout=120)
    finally:
        small_project.server.vices.clear()
        first.communicate(timeout=120)
    assert (first.returncode, second.returncode) == (0, 1)
    assert f"Another '{STATE_ID}' pipeline is already running" in out + err


@pytest.mark.full
@pytest.mark.parametrize("place", PLACES, indirect=True)
def test_state_is_read_and_put_back_with_the_commands_of_the_page(small_project: Project, place):
    machine = Machine(small_project, 1, place)
    machine.run(*LOAD)
    before = json.loads(machine.run("state", "get", STATE_ID))
    section = PAGE.split("## Looking and mending\n")[1]
    (block,) = re.findall(r"```bash\n(.*?)```", section, re.DOTALL)
    script = block.replace("--environment=prod", "--environment=sandbox")
    path = f"{state_places.meltano().parent}{os.pathsep}{machine.environment['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=small_project.folder,
        env={**machine.environment, "PATH": path, "STATE_ID": STATE_ID},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    (small_project.folder / "state.json").unlink(missing_ok=True)

    assert done.returncode == 0, done.stderr[-2000:]
    assert STATE_ID in done.stdout
    assert json.loads(machine.run("state", "get", STATE_ID)) == before


def test_each_place_of_the_page_is_tried_here():
    assert re.findall(r"^### (.*)$", PAGE, re.MULTILINE) == PLACES
