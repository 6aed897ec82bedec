#!/usr/bin/env python3
"""Runs one job of meltano.yml, never two at once, and says how it ended.

usage: run_job.py [--log-folder FOLDER] [--wait SECONDS] JOB [options of `meltano run`]

    --log-folder          keep JOB.log there as well, ten files of 10 MB
    --wait                how long to wait for another job to end; not at all unless given
    MELTANO_ENVIRONMENT   which environment of meltano.yml; prod unless set
    ALERT_COMMAND         run by the shell when the job fails. What happened comes on its stdin,
                          KINETIC_JOB and KINETIC_EXIT_CODE are in its environment

exit codes: 0 done | 1 failed, run it again | 2 a setting has to change, running it again is of
no use | 75 not started, because another job of this environment is under way. Where a load ended
well and its proof did not, the message says so: no later run makes that good
"""

from __future__ import annotations

import argparse
import fcntl
import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parents[1]
FAILED, SETTING, BUSY = 1, 2, 75
MEANING = {
    FAILED: "it failed, and runs again at its next time",
    SETTING: "a setting has to change; running it again is of no use",
    BUSY: "it has not started, because another job is under way",
}
UNPROVED = (
    "it has loaded rows and did not prove them, which no later run makes good: docs/verify.md"
)
_OF_A_PROOF = re.compile(r"`proof-\S+ \S+` failed with exit code")
_OF_A_PLUGIN = re.compile(r"returned (\d+) with stderr|failed with exit code: (\d+)")
_ELSEWHERE = re.compile(r"pipeline is already running which started at")
"""What Meltano says where another machine, with the same system database, runs the same."""
_STATE_IS_LOST = (
    "This machine is thrown away after the run, and STATE with it: what closes between two runs "
    "would never be retracted. Set MELTANO_STATE_BACKEND_URI or MELTANO_DATABASE_URI: see "
    "docs/state.md."
)
_LOG_BYTES, _LOGS = 10_000_000, 9
_ALERT_SECONDS = 60
_LOCK_SECONDS = 0.5
log = logging.getLogger("run_job")


class Busy(Exception):
    """Another job holds the lock."""


@dataclass
class Account:
    """What Meltano's log says about a run: it always exits 1, whatever a plugin's code was."""

    codes: set[int] = field(default_factory=set)
    elsewhere: bool = False
    loader_failed: bool = False
    unproved: bool = False
    _loader: str = ""
    _error: str = ""
    _end: str = ""

    def take(self, line: str) -> str:
        """Keep what counts of one line of the log; the line as a person reads it."""
        try:
            record: dict[str, Any] = json.loads(line)
            event = str(record["event"])
        except (ValueError, KeyError, TypeError):
            self._end = line if line.startswith("Error: ") else self._end
            return line
        if record.get("success") is False:
            self._judge(record)
            event = f"{event}: {self._end}"
        elif record.get("consumer"):
            self._loader = event
        elif record.get("name") and (
            record.get("level") in {"error", "critical"} or event.startswith("ERROR ")
        ):
            self._error = event
        elif record.get("exception"):
            self._end = event
        name = record.get("name") or "meltano"
        return f"{record.get('timestamp', '')} {record.get('level', ''):<8} {name}: {event}"

    def _judge(self, record: dict[str, Any]) -> None:
        reason = str(record.get("err") or "")
        codes = record.get("exit_codes")
        if isinstance(codes, dict):
            self.codes |= {code for code in codes.values() if isinstance(code, int)}
            self.loader_failed = "loaders" in codes
        self.codes |= {int(one or other) for one, other in _OF_A_PLUGIN.findall(reason)}
        self.elsewhere = bool(_ELSEWHERE.search(reason))
        self.unproved = bool(_OF_A_PROOF.search(reason))
        self._end = reason.partition("\n")[0]

    @property
    def sentence(self) -> str:
        """Why the run failed. A tap whose loader is gone has an error, too, but not the cause."""
        cause = self._loader if self.loader_failed else self._error
        return cause if cause and not self.elsewhere else self._end


def main(arguments: list[str]) -> int:
    """Run the job; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage=argparse.SUPPRESS,
    )
    parser.add_argument("--log-folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--wait", type=float, default=0, help=argparse.SUPPRESS)
    parser.add_argument("job", metavar="JOB", help=argparse.SUPPRESS)
    options, more = parser.parse_known_args(arguments)
    environment = os.environ.get("MELTANO_ENVIRONMENT") or "prod"
    _keep_log(options.log_folder, options.job)
    meaning = ""
    try:
        if _would_lose_state():
            code, sentence = SETTING, _STATE_IS_LOST
        else:
            with _alone(environment, options.job, options.wait) as lock:
                code, sentence, meaning = _run(environment, options.job, more, lock)
    except Busy as busy:
        code, sentence = BUSY, str(busy)
    if code:
        meaning = meaning or MEANING[code]
        text = f"{options.job} ({environment}) ended with {code}: {meaning}.\n{sentence}"
        log.error(text)
        _alert(options.job, code, text)
    return code


def _run(environment: str, job: str, more: list[str], lock: int) -> tuple[int, str, str]:
    """Meltano's run, line by line; its exit code, why, and what it means if that is special."""
    beside = Path(sys.executable).with_name("meltano")
    program = str(beside) if beside.exists() else "meltano"
    command = [program, "--log-format=json", f"--environment={environment}", "run", job, *more]
    log.info("%s: %s", job, " ".join(command))
    account = Account()
    with subprocess.Popen(  # noqa: S603 - the project's own program
        command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", pass_fds=[lock],
    ) as process:  # fmt: skip
        # Meltano lets tap and loader finish what they hold; it is waited for.
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, lambda *_: process.terminate())
        for line in process.stdout or ():
            log.info(account.take(line.rstrip("\n")))
    if process.returncode == 0:
        return 0, "", ""
    if process.returncode in {-signal.SIGTERM, 128 + signal.SIGTERM}:
        return FAILED, "It was told to stop before it was done.", ""
    sentence = account.sentence or f"Meltano ended with {process.returncode}; its log says why."
    if account.elsewhere:
        return BUSY, sentence, ""
    code = SETTING if SETTING in {process.returncode, *account.codes} else FAILED
    return code, sentence, UNPROVED if account.unproved else ""


@contextmanager
def _alone(environment: str, job: str, patience: float) -> Iterator[int]:
    """A lock as long as the job or anything that it started lasts; its file descriptor."""
    folder = PROJECT / ".meltano"
    folder.mkdir(exist_ok=True)
    with (folder / f"run-job-{environment}.lock").open("a+", encoding="utf-8") as file:
        deadline = time.monotonic() + patience
        while not _locked(file.fileno()):
            if time.monotonic() >= deadline:
                file.seek(0)
                raise Busy(f"Under way: {file.read().strip() or 'another job'}.")
            time.sleep(_LOCK_SECONDS)
        file.truncate(0)
        file.write(f"{job} since {datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S} UTC")
        file.flush()
        yield file.fileno()


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _would_lose_state() -> bool:
    thrown_away = ("CI", "KUBERNETES_SERVICE_HOST")
    kept = ("MELTANO_STATE_BACKEND_URI", "MELTANO_DATABASE_URI")
    return any(map(os.environ.get, thrown_away)) and not any(map(os.environ.get, kept))


def _keep_log(folder: Path | None, job: str) -> None:
    """Lines go to stdout and, with a folder, into its JOB.log; errors to stderr instead."""
    out, err = logging.StreamHandler(sys.stdout), logging.StreamHandler(sys.stderr)
    out.addFilter(lambda record: record.levelno < logging.ERROR)
    err.setLevel(logging.ERROR)
    handlers: list[logging.Handler] = [out, err]
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        handlers.append(
            RotatingFileHandler(
                folder / f"{job}.log", maxBytes=_LOG_BYTES, backupCount=_LOGS, encoding="utf-8"
            )
        )
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=handlers)


def _alert(job: str, code: int, text: str) -> None:
    command = os.environ.get("ALERT_COMMAND")
    if not command:
        return
    variables = {**os.environ, "KINETIC_JOB": job, "KINETIC_EXIT_CODE": str(code)}
    try:
        subprocess.run(  # noqa: S602 - a shell's line is what the variable holds
            command, shell=True, input=f"{text}\n", text=True, env=variables, check=True,
            timeout=_ALERT_SECONDS,
        )  # fmt: skip
    except (subprocess.SubprocessError, OSError) as error:
        problem = type(error).__name__  # its text has the command, and that a token perhaps
        log.error("ALERT_COMMAND failed, nobody was told: %s", problem)  # noqa: TRY400


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
