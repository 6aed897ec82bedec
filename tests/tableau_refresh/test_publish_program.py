"""The program that publishes: exit codes, one sentence, and what a kill leaves."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from extracts import Extracts, needed_engine
from harness import environment
from stages import TEXT, WHOLE, end, lines, record, schema, state

needed_engine()
PROGRAM = str(Path(sys.executable).with_name("target-tableau-refresh"))


class Program:
    """The loader as Meltano starts it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.extracts = Extracts(folder / "extracts")

    def command(self, **settings) -> list[str]:
        file = self.folder / "config.json"
        file.write_text(json.dumps({**self.extracts.config, **settings}))
        return [PROGRAM, "--config", str(file)]

    def run(self, *messages, variables=None, **settings) -> subprocess.CompletedProcess:
        return subprocess.run(
            self.command(**settings), input=lines(*messages), capture_output=True, check=False,
            timeout=120, cwd=self.folder, env={**environment(), **(variables or {})},
        )  # fmt: skip

    @contextmanager
    def running(self, batch_bytes: bytes):
        """The loader with a part of its input, which goes on."""
        with (self.folder / "log").open("wb") as log, subprocess.Popen(
            self.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=log, cwd=self.folder, env=environment(),
        ) as process:  # fmt: skip
            try:
                process.stdin.write(batch_bytes)
                process.stdin.flush()
                yield process
            finally:
                process.kill()


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
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["last_complete_run"]["run_id"] == "r1"
    assert program.extracts.by_key("s").keys() == {1}
    assert sorted(path.name for path in program.folder.iterdir()) == ["config.json", "extracts"]


def test_a_refused_record_ends_with_1_and_without_state(program):
    done = program.run(schema("s", V=WHOLE), record("s", 7, V="x"), state(1), end("r"))

    assert (done.returncode, done.stdout) == (1, b"")
    assert "STATE stays where it was: s: column V of the record with K 7" in told(done)


def test_an_engine_that_is_missing_is_told_in_one_sentence_before_anything_is_read(program):
    (program.folder / "without").mkdir()
    (program.folder / "without" / "tableauhyperapi.py").write_text("raise ImportError")

    done = program.run("no message", variables={"PYTHONPATH": str(program.folder / "without")})

    assert (done.returncode, done.stdout) == (2, b"")
    assert "install target-tableau-refresh[publish]" in told(done)


def test_a_folder_that_cannot_be_made_ends_with_2(program):
    (program.folder / "file").write_text("")

    done = program.run(
        schema("s"), record("s", 1), end("r"), publish_folder=str(program.folder / "file" / "in")
    )

    assert (done.returncode, done.stdout) == (2, b"")
    assert "`publish_folder`" in told(done)


def test_a_file_of_another_program_in_an_extracts_place_is_named(program):
    program.extracts.folder.mkdir()
    program.extracts.file("s").write_bytes(b"no extract" * 900)

    done = program.run(schema("s"), record("s", 1), end("r"))

    assert (done.returncode, done.stdout) == (1, b"")
    assert str(program.extracts.file("s")) in told(done)


MANY = 60_000
"""More than one batch."""


def batch(first: int) -> bytes:
    """Enough rows that a batch of them is loaded while the rest is awaited."""
    text = "x" * 40
    rows = (record("s", n, Words=f"{text}{n}") for n in range(first, first + MANY))
    return lines(schema("s", Words=TEXT), *rows)


def wait_for(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def engines() -> set[int]:
    """Processes of Tableau's engine."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/comm"):
        try:
            if status.read_text().strip() == "hyperd":
                found.add(int(status.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_in_mid_load_leaves_the_extract_before_and_the_next_run_does_all(program, sign):
    program.run(schema("s", Words=TEXT), record("s", 1, Words="old"), record("s", -1), end("r1"))
    before = program.extracts.file("s").read_bytes()
    others = engines()

    with program.running(batch(0)) as process:
        wait_for(lambda: b"s: 50000 rows" in (program.folder / "log").read_bytes())
        process.send_signal(sign)
        code = process.wait(60)
        out = process.stdout.read()

    assert (code, out) == (-sign if sign == signal.SIGKILL else 1, b"")
    assert program.extracts.file("s").read_bytes() == before
    wait_for(lambda: not engines() - others)

    done = program.run(schema("s", Words=TEXT), record("s", 1, Words="new"), end("r3"))

    assert done.returncode == 0, done.stderr
    assert {key: row["Words"] for key, row in program.extracts.by_key("s").items()} == {
        1: "new", -1: None}  # fmt: skip
    assert program.extracts.left == {".lock", ".pending"}


@pytest.mark.full
def test_a_kill_at_any_moment_leaves_the_extract_before_or_after(program):
    done = program.run(schema("s", Words=TEXT), record("s", -1, Words="old"), end("r0"))
    assert done.returncode == 0, done.stderr
    whole = batch(0) + lines(end("r1"))
    began = time.monotonic()
    copy = Program(program.folder / "copy")
    copy.folder.mkdir()
    with copy.running(whole) as process:
        process.communicate(timeout=120)
    took = time.monotonic() - began

    seen = set()
    for part in range(12):
        with program.running(b"") as process:
            at = time.monotonic() + took * (part + 1) / 12
            os.write(process.stdin.fileno(), b"")
            feed(process, whole)
            while process.poll() is None and time.monotonic() < at:
                time.sleep(0.01)
            process.kill()
        keys = program.extracts.by_key("s").keys()
        seen.add(len(keys))
        assert keys in ({-1}, {-1, *range(MANY)})
    done = program.run(schema("s", Words=TEXT), record("s", -2), end("r2"))
    assert done.returncode == 0, done.stderr
    assert -2 in program.extracts.by_key("s")


def feed(process, content: bytes) -> None:
    """Give a process its input, as far as it takes it, without waiting for it."""
    import threading  # noqa: PLC0415

    def write() -> None:
        try:
            process.stdin.write(content)
            process.stdin.close()
        except (BrokenPipeError, ValueError):
            pass

    threading.Thread(target=write, daemon=True).start()
