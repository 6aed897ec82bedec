"""One installed project for all tests of this folder; tenant, STATE and database per test."""

import subprocess

import pytest
from kinetic_sandbox.kinetic import KineticServer, Tenant
from project import MELTANO, Project, copy_project


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    folder = copy_project(tmp_path_factory.mktemp("project"))
    home = tmp_path_factory.mktemp("home")
    with KineticServer(Tenant(profile="real", seed=1, scale=0.1)) as server:
        environment = Project(folder, home, server).environment()
    for plugin in ("tap-epicor-kinetic", "target-duckdb"):
        command = [str(MELTANO), "install", plugin]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(params=["documented", "real"])
def project(request, installed, tmp_path):
    with KineticServer(Tenant(profile=request.param, seed=7)) as server:
        yield Project(installed, tmp_path, server)


@pytest.fixture
def small_project(installed, tmp_path):
    with KineticServer(Tenant(profile="real", seed=7, scale=0.3)) as server:
        yield Project(installed, tmp_path, server)
