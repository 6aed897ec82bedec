"""A Meltano project of its own: a copy of this one, with its plugins installed once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from harness import LINEAGE, Key, differences, environment, expected_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from kinetic_sandbox.kinetic import KineticServer, Tenant

ROOT = Path(__file__).parents[2]
MELTANO = Path(sys.executable).with_name("meltano")
_PARTS = (
    "meltano.yml", "constraints.txt", "output", "tap-epicor-kinetic", "kinetic-batches", "loaders",
    "target-looker-stage", "target-tableau-refresh",
)  # fmt: skip


def copy_project(folder: Path) -> Path:
    """What Meltano needs of the repository, without anything that was installed or loaded."""
    for part in _PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(
                source, folder / part, ignore=shutil.ignore_patterns("__pycache__", "*.duckdb*")
            )
        else:
            shutil.copy(source, folder / part)
    return folder


def install(plugin: str, folder: Path) -> None:
    """Let Meltano make a plugin's environment."""
    variables = {**environment(), "MELTANO_DATABASE_URI": "sqlite:///:memory:"}
    done = subprocess.run(
        [str(MELTANO), "install", plugin], cwd=folder, env=variables, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@dataclass
class Project:
    """Runs Meltano against a tenant; STATE and the DuckDB file are its own."""

    folder: Path
    home: Path
    server: KineticServer
    patience: int = 300
    """Seconds that a run may take."""

    @property
    def database(self) -> Path:
        """The DuckDB file."""
        return self.home / "epicor.duckdb"

    def environment(self, **more: str) -> dict[str, str]:
        """The five settings of the tenant, as a user would export them."""
        return {
            **environment(),
            "PATH": f"{MELTANO.parent}{os.pathsep}{os.environ['PATH']}",
            "MELTANO_DATABASE_URI": f"sqlite:///{self.home / 'meltano.db'}",
            "MELTANO_CLI_LOG_LEVEL": "info",
            "TAP_EPICOR_KINETIC_API_URL": self.server.url,
            "TAP_EPICOR_KINETIC_COMPANIES": '["EPIC06", "EPIC07"]',
            "TAP_EPICOR_KINETIC_USERNAME": self.server.username,
            "TAP_EPICOR_KINETIC_PASSWORD": self.server.password,
            "TAP_EPICOR_KINETIC_API_KEY": self.server.api_key,
            "TARGET_DUCKDB_FILEPATH": str(self.database),
            **more,
        }

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """Start Meltano in a process group of its own."""
        return subprocess.Popen(
            [str(MELTANO), *arguments], cwd=self.folder, env=self.environment(**more),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def run(self, *arguments: str, **more: str) -> tuple[int, str]:
        """Run Meltano to its end; exit code and output."""
        process = self.start(*arguments, **more)
        output, _ = process.communicate(timeout=self.patience)
        return process.returncode, output

    def load(self, **more: str) -> tuple[int, str]:
        """The headline command, into DuckDB."""
        return self.run("run", "tap-epicor-kinetic", "target-duckdb", **more)

    def rows(self, stream: str, company: str, *, only_open: bool = True) -> list[dict[str, Any]]:
        """The rows of a table; names as DuckDB has them, in lower case."""
        where = "_epicor_company = ?" + (" and _sdc_deleted_at is null" if only_open else "")
        with duckdb.connect(str(self.database), read_only=True) as connection:
            cursor = connection.execute(f"select * from kinetic.{stream} where {where}", [company])
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def assert_equal(
    project: Project, tenant: Tenant, *, but: set[tuple[str, Key]] = frozenset()
) -> None:
    """Each table's open rows are the tenant's open rows: keys, values, nothing twice."""
    for stream in tenant.streams:
        entity = tenant.entity(stream)
        types = {name.lower(): column.type for name, column in entity.columns.items()}
        for company in tenant.companies:
            expected = {
                key: {name.lower(): stored(v, types[name.lower()]) for name, v in row.items()}
                for key, row in expected_rows(tenant, stream, company).items()
            }
            loaded: dict[Key, dict[str, Any]] = {}
            for row in project.rows(stream, company):
                key = tuple(
                    _key_part(row[name.lower()], types[name.lower()]) for name in entity.key
                )
                assert key not in loaded, (stream, key, "is there twice")
                loaded[key] = {k: v for k, v in row.items() if k not in LINEAGE}
            extra = {key for key in loaded.keys() - expected.keys() if (stream, key) not in but}
            assert not extra, (stream, company)
            assert expected.keys() <= loaded.keys(), (stream, company)
            for key, row in expected.items():
                wrong = differences(loaded[key], row)
                assert not wrong, (stream, company, key, wrong)


def stored(value: Any, edm_type: str) -> Any:
    """A sent value as DuckDB gives it back: timestamps in UTC without a zone, numbers by value."""
    if value is not None and edm_type == "Edm.DateTimeOffset":
        return datetime.fromisoformat(value.replace("Z", "+00:00")).replace(tzinfo=None)
    return float(value) if value is not None and edm_type == "Edm.Double" else value


def _key_part(value: Any, edm_type: str) -> Any:
    """Back to the form in which the tenant's keys are written."""
    if edm_type == "Edm.DateTimeOffset":
        return f"{value:%Y-%m-%dT%H:%M:%S}Z"
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value


def assert_no_marker(project: Project) -> None:
    """No STATE that Meltano kept is of a complete run."""
    _, listed = project.run("state", "list")
    for state_id in [word for word in listed.split() if "tap-epicor-kinetic" in word]:
        _, state = project.run("state", "get", state_id)
        assert "last_complete_run" not in state


def wait_for(condition: Callable[[], bool]) -> None:
    """Until it holds; a minute at most."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def processes(leader: int, name: str) -> list[int]:
    """The processes of a session, but its leader, whose command line holds a name."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        pid = int(entry.name)
        try:
            command = (entry / "cmdline").read_text().replace("-", "_")
            if pid != leader and os.getsid(pid) == leader and name in command:
                found.append(pid)
        except OSError:
            continue  # it has ended meanwhile
    return found
