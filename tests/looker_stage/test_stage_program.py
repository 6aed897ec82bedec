"""The program: exit codes, one sentence, no secrets; data, audit, STATE, Looker, in this order."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from harness import environment
from kinetic_sandbox.looker import Fault
from looker_instance import serving
from looker_refresh import MODEL
from singer_sdk.testing import get_target_test_class
from stages import WHOLE, DuckDB, Stage, end, lines, postgres_places, record, schema, state
from target_looker_stage.target import LookerStageTarget
from unread import FULL, NOBODY, load_unread

PROGRAM = str(Path(sys.executable).with_name("target-looker-stage"))


class Program:
    """The loader as Meltano starts it."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "config.json"
        self.stage = Stage(DuckDB(folder / "stage.duckdb"))

    @property
    def command(self) -> list[str]:
        """The loader."""
        self.file.write_text(json.dumps(self.stage.config))
        return [PROGRAM, "--config", str(self.file)]

    @property
    def variables(self) -> dict[str, str]:
        """Its environment."""
        return environment()

    def run(self, *messages, **settings) -> subprocess.CompletedProcess:
        self.file.write_text(json.dumps({**self.stage.config, **settings}))
        return subprocess.run(
            [PROGRAM, "--config", str(self.file)], input=lines(*messages),
            capture_output=True, check=False, timeout=120, env=environment(),
        )  # fmt: skip


@pytest.fixture
def program(tmp_path):
    return Program(tmp_path)


def told(done) -> str:
    """The last line of a load that failed."""
    text = done.stderr.decode()
    assert "Traceback" not in text, text[-3000:]
    return text.strip().splitlines()[-1]


def test_a_load_ends_with_0_and_its_state(program):
    done = program.run(schema("s"), record("s", 1), state(1), end("r1"))

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["last_complete_run"]["run_id"] == "r1"
    assert program.stage.by_key("s").keys() == {1}


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"sqlalchemy_url": ""}, "`sqlalchemy_url` is missing"),
        ({"sqlalchemy_url": "postgresql://u:s3cr3t@h:port/d"}, "`sqlalchemy_url` is no URL"),
        ({"batch_size_rows": "x"}, "batch_size_rows"),
        ({"volume": "x"}, "`volume` is no setting"),
    ],
)
def test_wrong_settings_end_with_2_and_their_name(program, settings, named):
    done = program.run(schema("s"), record("s", 1), state(1), **settings)

    assert (done.returncode, done.stdout) == (2, b"")
    assert named in told(done)
    assert b"s3cr3t" not in done.stderr


def test_a_refused_record_ends_with_1_and_without_state(program):
    done = program.run(schema("s", V=WHOLE), record("s", 7, V="x"), state(1), end("r"))

    assert (done.returncode, done.stdout) == (1, b"")
    assert "STATE stays where it was: s: column V of the record with K 7" in told(done)


def test_a_warehouse_that_is_not_there_ends_with_1_and_without_the_password(program):
    url = "duckdb:////not/there/s3cr3t.duckdb"

    done = program.run(schema("s"), record("s", 1), state(1), sqlalchemy_url=url)

    assert (done.returncode, done.stdout) == (1, b"")
    told(done)


@pytest.mark.full
@pytest.mark.parametrize("output", [NOBODY, FULL])
def test_a_state_that_nobody_takes_is_no_success_and_is_told_in_one_sentence(program, output):
    done = load_unread(program, lines(schema("s"), record("s", 1), end("r1")), output)

    assert done.returncode == 1, done.stderr
    assert "STATE cannot be written to stdout" in told(done)
    assert b"Exception ignored" not in done.stderr
    assert program.stage.by_key("s").keys() == {1}


@pytest.mark.full
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_ends_the_load_and_nothing_is_claimed_that_is_not_loaded(tmp_path, sign):
    with postgres_places() as make:
        stage = Stage(make(), {"batch_size_rows": 1})
        file = tmp_path / "config.json"
        file.write_text(json.dumps(stage.config))
        with subprocess.Popen(
            [PROGRAM, "--config", str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=environment(),
        ) as process:  # fmt: skip
            first = [schema("s"), record("s", 1, _epicor_run_id="r1"), state(1)]
            process.stdin.write(lines(*first, record("s", 2, _epicor_run_id="r1"), state(2)))
            process.stdin.flush()
            wait_for(lambda: tables(stage) >= {"s"} and len(stage.rows("s")) == 2)
            process.stdin.write(lines(record("s", 3)))
            process.stdin.flush()
            process.send_signal(sign)
            code = process.wait(60)
            states = [json.loads(line)["seen"] for line in process.stdout.read().splitlines()]
        assert code == (-sign if sign == signal.SIGKILL else 1)
        assert set(range(1, max(states, default=0) + 1)) <= stage.by_key("s").keys()
        (row,) = stage.rows("_sync_audit")
        assert (row["run_id"], row["stream"], row["status"]) == ("r1", "s", "cut")


def tables(stage) -> set[str]:
    return {
        row["n"]
        for row in stage.place.query(
            "SELECT table_name AS n FROM information_schema.tables "
            "WHERE table_schema = 'epicor_stage'"
        )
    }


def wait_for(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def looker():
    with serving() as running:
        yield running


def asking(looker) -> dict:
    """Settings with which Looker is told."""
    user = looker.looker.users[0]
    return {
        "looker_url": looker.url, "looker_client_id": user.client_id,
        "looker_client_secret": user.client_secret, "lookml_model": MODEL,
    }  # fmt: skip


RUN = {"_epicor_run_id": "r1"}


def statuses(program) -> set:
    return {row["looker_status"] for row in program.stage.rows("_sync_audit")}


@pytest.mark.full
def test_looker_is_told_of_a_complete_run_after_its_state(program, looker):
    done = program.run(schema("s"), record("s", 1, **RUN), end("r1"), **asking(looker))

    assert done.returncode == 0, done.stderr
    assert statuses(program) == {"told"}
    assert len(looker.looker.datagroup(MODEL, "epicor_kinetic").notices) == 1


@pytest.mark.full
def test_looker_is_not_told_of_a_run_that_was_cut_but_of_its_rows_after_the_next(program, looker):
    done = program.run(schema("s"), record("s", 1, **RUN), state(1), **asking(looker))

    assert done.returncode == 0, done.stderr
    assert statuses(program) == {"pending"}
    assert looker.calls == []

    program.run(schema("t"), record("t", 1, _epicor_run_id="r2"), end("r2"), **asking(looker))

    assert statuses(program) == {"told"}


@pytest.mark.full
@pytest.mark.parametrize(("policy", "code"), [("fail", 1), ("warn", 0)])
def test_a_looker_that_is_down_loses_nothing_and_is_told_later(program, looker, policy, code):
    away = {**asking(looker), "on_looker_error": policy, "looker_deadline_seconds": 1}
    looker.faults.add(Fault("status", "login", times=None))

    done = program.run(schema("s"), record("s", 1, **RUN), end("r1"), **away)

    assert done.returncode == code
    assert "Looker does not know" in done.stderr.decode()
    assert json.loads(done.stdout)["last_complete_run"]["run_id"] == "r1"
    assert statuses(program) == {"pending"}
    looker.faults.clear()
    done = program.run(schema("s"), end("r2"), **asking(looker))
    assert done.returncode == 0, done.stderr
    assert statuses(program) == {"told"}


class TestStandard(
    get_target_test_class(LookerStageTarget, config={"sqlalchemy_url": "duckdb:///:memory:"})
):
    """The SDK's own suite, on DuckDB in memory."""


@pytest.mark.full
def test_the_environment_alone_is_enough(tmp_path):
    variables = {"TARGET_LOOKER_STAGE_SQLALCHEMY_URL": f"duckdb:///{tmp_path / 'e.duckdb'}"}

    done = subprocess.run(
        [PROGRAM], input=lines(schema("s"), record("s", 1), end("r")), capture_output=True,
        check=False, timeout=60, env={**environment(), **variables, "HOME": os.environ["HOME"]},
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
