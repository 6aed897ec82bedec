"""Each example in an environment of its own, made once from its requirements and kept."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from harness import environment
from kinetic_sandbox.kinetic import KineticServer, Tenant

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
BIN = Path(sys.executable).parent


@pytest.fixture
def tenant():
    return Tenant(profile="real", seed=7, scale=0.3)


@pytest.fixture
def server(tenant):
    with KineticServer(tenant) as running:
        yield running


@pytest.fixture(scope="session")
def python_of():
    """The interpreter of an example's environment."""

    def find(name):
        requirements = EXAMPLES / name / "requirements.txt"
        project = ROOT / "tap-epicor-kinetic"
        made_of = requirements.read_bytes() + (project / "pyproject.toml").read_bytes()
        digest = hashlib.sha256(made_of + sys.version.encode()).hexdigest()[:12]
        folder = ROOT / ".tools" / "examples" / f"{name}-{digest}"
        python = folder / "bin" / "python"
        if not (folder / "ready").exists():
            for old in folder.parent.glob(f"{name}-*"):
                shutil.rmtree(old)
            install(python, "-r", str(requirements), "-e", str(project))
            (folder / "ready").touch()
        return python

    return find


def install(python, *packages):
    uv = str(BIN / "uv")
    subprocess.run(
        [uv, "venv", "-q", "--python", sys.executable, str(python.parents[1])], check=True
    )
    done = subprocess.run(
        [uv, "pip", "install", "-q", "--python", str(python), *packages],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"NOT TESTED: {packages[1]} cannot be installed here: {done.stderr[-300:]}")


@pytest.fixture
def run():
    """Run a command as a user of the examples would; the tap and a target are on the path."""

    def call(*command, cwd=None, **more):
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            list(map(str, command)), cwd=cwd, env={**environment(), "PATH": path, **more},
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip

    return call
