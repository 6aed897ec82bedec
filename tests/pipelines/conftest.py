"""One installed project for all tests of this folder; tenant, STATE and database per test."""

import pytest
from kinetic_sandbox.kinetic import KineticServer, Tenant
from project import Project, copy_project, install


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    folder = copy_project(tmp_path_factory.mktemp("project"))
    install("tap-epicor-kinetic", folder)
    install("target-duckdb", folder)
    return folder


@pytest.fixture(params=["documented", "real"])
def project(request, installed, tmp_path):
    with KineticServer(Tenant(profile=request.param, seed=7)) as server:
        yield Project(installed, tmp_path, server)


@pytest.fixture
def small_project(installed, tmp_path):
    with KineticServer(Tenant(profile="real", seed=7, scale=0.3)) as server:
        yield Project(installed, tmp_path, server)
