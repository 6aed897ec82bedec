"""`meltano run tap-epicor-kinetic target-databricks` on an emulator: tables are the tenant's rows."""

from __future__ import annotations

import pytest
from databricks_workspace import Databricks, workspace
from exact_loads import ExactLoads
from project import install
from redirect import Redirect


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    with workspace(tmp_path_factory.mktemp("workspace")) as port:
        yield port


@pytest.fixture
def warehouse(port, tmp_path):
    with Redirect({"*.cloud.databricks.com": port}, tmp_path) as redirect:
        yield Databricks(port, redirect, tmp_path)


@pytest.fixture(scope="module")
def installed(installed):
    install("target-databricks", installed)
    return installed


@pytest.mark.full
class TestDatabricks(ExactLoads):
    """Every promise of the three warehouses."""
