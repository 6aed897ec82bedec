"""Targets and a database that were not written for this project, each installed by itself."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import venv
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from debian import unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator

_FOLDERS = ("usr/lib/postgresql/*/bin", "opt/homebrew/opt/postgresql*/bin")
_OWNER = "postgres"
"""PostgreSQL refuses to run as root; its packages make this user."""
_ANYBODY = "nobody"
_LIBRARIES = "usr/lib/*-linux-*"
"""Of packages that were only unpacked."""


def installed(folder: Path, *packages: str) -> Path:
    """The folder of programs of a new environment with these packages, as pip makes it."""
    venv.create(folder, with_pip=True)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    done = subprocess.run(
        [programs / "python", "-m", "pip", "install", "-q", *packages],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return programs


class Database:
    """A PostgreSQL server of its own."""

    user, name = _OWNER, "postgres"

    @property
    def url(self) -> str:
        """As SQLAlchemy takes it."""
        return f"postgresql://{self.user}:any@127.0.0.1:{self.port}/{self.name}"

    def __init__(self, programs: Path, port: int, environment: dict[str, str]) -> None:
        self._programs = programs
        self._environment = environment
        self.port = port

    def rows(self, schema: str, table: str) -> list[dict[str, Any]]:
        """All rows of a table; numbers keep their digits."""
        query = f'select row_to_json(each) from "{schema}"."{table}" as each'
        done = subprocess.run(
            [self._programs / "psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", self.user,
             "-d", self.name, "-AtX", "-c", query],
            capture_output=True, text=True, check=True, env=self._environment,
        )  # fmt: skip
        return [json.loads(line, parse_float=Decimal) for line in done.stdout.splitlines()]


@contextmanager
def postgres() -> Iterator[Database]:
    """A server as long as the context lasts; skips loudly where none can be had."""
    programs, environment = _programs()
    if programs is None:
        pytest.skip("NOT TESTED: PostgreSQL is not on this machine, nor in packages of Debian")
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    options: dict[str, Any] = _as_somebody_else() if is_root else {}
    options["env"] = environment
    folder = Path(tempfile.mkdtemp(prefix="kinetic-pg-"))
    if is_root:
        shutil.chown(folder, options["user"], options["group"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = str(folder / "data")
    try:
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", _OWNER, "-A", "trust", "-E", "UTF8", "-N"],
            check=True, stdout=subprocess.DEVNULL, cwd=folder, **options,
        )  # fmt: skip
        listen = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
        control = [programs / "pg_ctl", "-D", data, "-w", "-l", str(folder / "log")]
        subprocess.run(
            [*control, "-o", listen, "start"],
            check=True, stdout=subprocess.DEVNULL, cwd=folder, **options,
        )  # fmt: skip
        try:
            yield Database(programs, port, environment)
        finally:
            subprocess.run(
                [*control, "-m", "immediate", "stop"],
                check=True, stdout=subprocess.DEVNULL, cwd=folder, **options,
            )  # fmt: skip
    finally:
        shutil.rmtree(folder)


def _as_somebody_else() -> dict[str, Any]:
    for name in (_OWNER, _ANYBODY):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}
    pytest.skip("NOT TESTED: PostgreSQL refuses to run as root, and there is nobody else")


def _programs() -> tuple[Path | None, dict[str, str]]:
    """The folder of PostgreSQL's programs, and the environment in which they run.

    They are installed, or unpacked from Debian's packages.
    """
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    for pattern in _FOLDERS:
        folders += sorted(Path("/").glob(pattern), reverse=True)
    ready = next((each for each in folders if (each / "initdb").exists()), None)
    if ready is None and (root := unpacked("postgresql")):
        ready = next((each for each in root.glob(_FOLDERS[0]) if (each / "initdb").exists()), None)
        libraries = os.pathsep.join(str(each) for each in root.glob(_LIBRARIES))
        return ready, {**os.environ, "LD_LIBRARY_PATH": libraries}
    return ready, {**os.environ}


def pipe(tap: list[str], target: list[str], folder: Path) -> dict[str, Any] | None:
    """`tap | target`, both whole; the last STATE that the target confirmed."""
    with (folder / "stderr").open("ab") as log:
        source = subprocess.Popen(tap, stdout=subprocess.PIPE, stderr=log, cwd=folder)
        sink = subprocess.Popen(
            target, stdin=source.stdout, stdout=subprocess.PIPE, stderr=log, cwd=folder
        )
        assert source.stdout is not None
        source.stdout.close()
        states, _ = sink.communicate(timeout=600)
        codes = (source.wait(), sink.returncode)
    assert codes == (0, 0), (folder / "stderr").read_text()[-3000:]
    lines = states.decode().splitlines()
    return json.loads(lines[-1]) if lines else None
