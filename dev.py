#!/usr/bin/env python3
"""The one entry point of this repository: needs Python 3.10-3.13 and git, installs the rest.

python3 dev.py demo                         a sandbox ERP into DuckDB, twice, and a report
python3 dev.py test [--full] [pytest ...]   lint, then the tests
python3 dev.py lint                         ruff and mypy
python3 dev.py render                       write settings into meltano.yml and the docs
python3 dev.py sandbox [serve ...]          a stand-in Kinetic tenant to try things on
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
TOOLS = ROOT / ".tools"
BOOTSTRAP_LOG = TOOLS / "bootstrap.log"
UV_VERSION = "0.13.8"
OLDEST, NEWEST = (3, 10), (3, 13)
SCRIPTS = "Scripts" if os.name == "nt" else "bin"

LINTERS = (
    ("ruff check", ("ruff", "check", ".")),
    ("ruff format", ("ruff", "format", "--check", ".")),
    ("mypy", ("mypy",)),
)


def demo(arguments: list[str]) -> int:
    """Run the demo."""
    return become([str(script("python")), str(ROOT / "demo" / "run.py"), *arguments])


def sandbox(arguments: list[str]) -> int:
    """Serve the sandbox tenant."""
    return become([str(script("kinetic-sandbox")), "serve", *arguments])


def render(arguments: list[str]) -> int:
    """Write what is derived from code into the files that show it."""
    tool = str(ROOT / "tools" / "render.py")
    return become([str(script("python")), tool, "--write", *arguments])


def lint(arguments: list[str]) -> int:
    """Run the linters, all of them even when one complains."""
    if arguments:
        return refuse(f"lint takes no arguments, not {' '.join(arguments)}")
    return summary(map(run_step, LINTERS))


def test(arguments: list[str]) -> int:
    """Run the linters, then the tests; heavy tests only with --full."""
    chosen = [argument for argument in arguments if argument != "--full"]
    if chosen == arguments and "-m" not in arguments:
        chosen = ["-m", "not full", *arguments]
    pytest = ("pytest", "-n", "auto", "--dist", "loadfile", *chosen)
    return summary(map(run_step, (*LINTERS, ("pytest", pytest))))


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "demo": demo,
    "test": test,
    "lint": lint,
    "render": render,
    "sandbox": sandbox,
}


def main(arguments: list[str]) -> int:
    """Prepare the environment, then do what was asked."""
    if not arguments or arguments[0] in {"-h", "--help"}:
        print(__doc__)
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        return refuse(f"no command {name}; there are: {', '.join(COMMANDS)}")
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        found = ".".join(map(str, sys.version_info[:3]))
        return refuse(f"Python 3.10 to 3.13 is needed, this is {found} ({sys.executable})")
    problem = prepare()
    if problem:
        return refuse(problem)
    return COMMANDS[name](rest)


# --- the environment ---------------------------------------------------------------------------


def prepare() -> str | None:
    """Bring .venv in step with uv.lock; the problem in one sentence, if there is one."""
    stamp, wanted = VENV / ".in-step-with", fingerprint()
    if stamp.is_file() and stamp.read_text() == wanted:
        return None
    if not (ROOT / "uv.lock").is_file():
        return "uv.lock is missing: this is not a complete checkout"
    started = time.monotonic()
    say("preparing .venv from uv.lock (once; takes a minute with a cold cache)")
    TOOLS.mkdir(exist_ok=True)
    uv, problem = find_uv()
    if not problem:
        sync = [uv, "sync", "--frozen", "--all-packages", "--python", base_python()]
        problem = logged(sync, f"uv sync failed, see {BOOTSTRAP_LOG}")
    if problem:
        return problem
    stamp.write_text(wanted)
    say(f"environment ready in {time.monotonic() - started:.1f} s")
    return None


def fingerprint() -> str:
    """What .venv depends on: where it stands, its interpreter, the lock, the packages."""
    digest = hashlib.sha256(f"{ROOT}\n{base_python()}\n{sys.version}\n".encode())
    manifests = ("uv.lock", "pyproject.toml", "*/pyproject.toml", "loaders/*/pyproject.toml")
    for pattern in manifests:
        for path in sorted(ROOT.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def base_python() -> str:
    """The interpreter itself, also when dev.py is run from a virtual environment."""
    return str(getattr(sys, "_base_executable", None) or sys.executable)


def find_uv() -> tuple[str, str | None]:
    """A uv of the pinned version: from PATH, from an earlier run, or installed now."""
    private = TOOLS / f"uv-{UV_VERSION}"
    for candidate in (shutil.which("uv"), str(private / SCRIPTS / "uv")):
        if candidate and answers(candidate) == UV_VERSION:
            return candidate, None
    shutil.rmtree(private, ignore_errors=True)
    problem = logged(
        [base_python(), "-m", "venv", str(private)],
        "a virtual environment cannot be made; on Debian and Ubuntu: apt-get install python3-venv",
    ) or logged(
        [str(private / SCRIPTS / "python"), "-m", "pip", "install", f"uv=={UV_VERSION}"],
        f"pip could not install uv=={UV_VERSION}",
    )
    return str(private / SCRIPTS / "uv"), problem


def answers(uv: str) -> str | None:
    """The version that this uv reports."""
    try:
        done = subprocess.run([uv, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.split()[1]


def environment() -> dict[str, str]:
    """The caller's variables, with .venv first on PATH and no other Python mixed in."""
    strangers = {"PYTHONHOME", "PYTHONPATH", "__PYVENV_LAUNCHER__"}
    kept = {name: value for name, value in os.environ.items() if name not in strangers}
    path = [
        str(VENV / SCRIPTS),
        kept.get("PATH", os.defpath),
        str(TOOLS / f"uv-{UV_VERSION}" / SCRIPTS),
    ]
    own = {
        "PATH": os.pathsep.join(path),
        "VIRTUAL_ENV": str(VENV),
        "UV_PROJECT_ENVIRONMENT": str(VENV),
        "UV_PYTHON_DOWNLOADS": "never",  # the running interpreter, or a clear error
    }
    # Behind a company's proxy the certificates are the system's; a setting of one's own wins.
    return {"UV_SYSTEM_CERTS": "true", **kept, **own}


# --- running things ----------------------------------------------------------------------------


def script(name: str) -> Path:
    """A program of .venv."""
    return VENV / SCRIPTS / name


def become(command: list[str]) -> int:
    """Replace this process, so that signals reach the program and nothing is left behind."""
    sys.stdout.flush()
    if os.name != "nt":
        os.chdir(ROOT)
        os.execve(command[0], command, environment())  # noqa: S606 - the repository's own programs
    return subprocess.call(command, cwd=ROOT, env=environment())


def logged(command: list[str], problem: str) -> str | None:
    """Run with the output in a log; on failure the problem with the last lines."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    with BOOTSTRAP_LOG.open("a") as log:
        log.write(f"$ {' '.join(command)}\n{done.stdout}\n")
    if done.returncode == 0:
        return None
    return "\n    ".join([problem, *done.stdout.strip().splitlines()[-5:]])


def run_step(step: tuple[str, tuple[str, ...]]) -> tuple[str, int, float]:
    """Run one program with its output on the terminal: its name, exit code and seconds."""
    name, command = step
    started = time.monotonic()
    program = str(script(command[0]))
    code = subprocess.call([program, *command[1:]], cwd=ROOT, env=environment())
    return name, code, time.monotonic() - started


def summary(results: Iterable[tuple[str, int, float]]) -> int:
    """One line for all steps; the last exit code that is not 0."""
    finished = list(results)
    words = [
        f"{name} {'ok' if code == 0 else f'FAILED ({code})'} {seconds:.1f} s"
        for name, code, seconds in finished
    ]
    say(" | ".join(words))
    return next((code for _, code, _ in reversed(finished) if code), 0)


def say(text: str) -> None:
    """Tell the person at the terminal."""
    print(f"dev.py: {text}", flush=True)


def refuse(problem: str) -> int:
    """Tell why nothing was done."""
    print(f"dev.py: {problem}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
