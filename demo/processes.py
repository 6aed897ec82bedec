"""Programs that the demo starts: logged, in process groups of their own, never left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
import urllib.request
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

LOG_LINES = 15
STOP_SECONDS = 10
READY_SECONDS = 60


class StepFailed(Exception):
    """A program that did not do its part; the text ends with the last lines of its log."""


def run_logged(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> float:
    """Run a program to its end with its output in a log; the seconds it took."""
    started = time.monotonic()
    with log.open("w") as output, _started(command, environment, output, output) as process:
        code = process.wait()
    if code:
        raise StepFailed(f"{' '.join(command)} ended with {code}\n{_tail(log)}")
    return time.monotonic() - started


class Sandbox:
    """A served tenant, as its first line of output describes it."""

    def __init__(self, described: Mapping[str, Any]) -> None:
        self.url: str = described["url"]
        self.settings: dict[str, str] = {
            "API_URL": self.url,
            "COMPANIES": json.dumps(described["companies"]),
            "USERNAME": described["username"],
            "PASSWORD": described["password"],
            "API_KEY": described["api_key"],
        }
        self._control: str = described["control"]
        # The sandbox is on this machine, whatever proxy the environment names.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def let_a_day_pass(self) -> dict[str, Any]:
        """Let the companies work for a day; what came of which row."""
        changes: dict[str, Any] = self._ask("POST", "/day")
        return changes

    def take_requests(self) -> list[dict[str, Any]]:
        """What the tenant was asked since the last time."""
        requests: list[dict[str, Any]] = self._ask("GET", "/requests")
        self._ask("DELETE", "/requests")
        return requests

    def _ask(self, method: str, path: str) -> Any:  # noqa: ANN401 - any JSON
        request = urllib.request.Request(self._control + path, method=method)  # noqa: S310
        try:
            with self._opener.open(request, timeout=60) as response:
                return json.load(response)
        except OSError as error:
            raise StepFailed(f"the sandbox does not answer {method} {path}: {error}") from error


@contextmanager
def sandbox(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> Iterator[Sandbox]:
    """Serve a tenant until the block is left."""
    with (
        log.open("w") as errors,
        _started(command, environment, subprocess.PIPE, errors) as process,
    ):
        described = _first_line(process)
        if not described:
            raise StepFailed(f"the sandbox did not start\n{_tail(log)}")
        yield Sandbox(json.loads(described))


def _first_line(process: subprocess.Popen[str]) -> str:
    """What the program says first; nothing if it ends, or stays silent for too long."""
    assert process.stdout is not None  # noqa: S101 - it was started with a pipe
    too_late = threading.Timer(READY_SECONDS, process.kill)
    too_late.start()
    try:
        return process.stdout.readline()
    finally:
        too_late.cancel()


@contextmanager
def _started(
    command: Sequence[str],
    environment: Mapping[str, str],
    stdout: IO[str] | int,
    stderr: IO[str],
) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        list(command),
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _stop(process)
        if process.stdout:
            process.stdout.close()


def _stop(process: subprocess.Popen[str]) -> None:
    """End the whole group: Meltano's tap and loader as well as Meltano."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
    return "\n".join([f"--- the end of {log}:", *(f"    {line}" for line in lines)])
