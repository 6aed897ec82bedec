"""Environments of other Pythons with other packages, made once and kept in .tools."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[1]
UV = str(Path(sys.executable).with_name("uv"))


def python(version: str, what: str) -> str:
    """An interpreter; skips loudly where there is none.

    Args:
        version: such as 3.12.
        what: what cannot be tested without it.
    """
    found = subprocess.run(
        [UV, "python", "find", "--no-project", "--no-python-downloads", version],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if not found.returncode:
        return found.stdout.strip()
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for folder in sorted(pyenv.glob(f"{version}.*"), reverse=True):
        if (folder / "bin" / "python").exists():
            return str(folder / "bin" / "python")
    pytest.skip(f"NOT TESTED: {what} needs Python {version}, which is not on this machine")


def programs(area: str, name: str, version: str, packages: Sequence[str], *made_of: Path) -> Path:
    """The folder of an environment's programs.

    Args:
        area: the warehouse; a folder below .tools.
        name: what the environment is.
        version: of Python.
        packages: as pip has them; `-e` and a folder are two.
        made_of: files that have to bring a new environment when they change.
    """
    text = "\n".join([version, *packages, *(path.read_text() for path in made_of)])
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    folder = ROOT / ".tools" / area / f"{name}-{digest}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker may be making it
        return _made(folder, name, area, version, packages)


def _made(folder: Path, name: str, area: str, version: str, packages: Sequence[str]) -> Path:
    if not (folder / "ready").exists():
        for old in folder.parent.glob(f"{name}-*"):
            shutil.rmtree(old)
        interpreter = python(version, area)
        subprocess.run([UV, "venv", "-q", "--python", interpreter, str(folder)], check=True)
        done = subprocess.run(
            [UV, "pip", "install", "-q", "--python", str(folder / "bin" / "python"), *packages],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        (folder / "ready").touch()
    return folder / "bin"


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until somebody listens; fails with the log when the process ends before."""
    while process.poll() is None:
        with socket.socket() as knock:
            if knock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise AssertionError(log.read_text()[-2000:])
