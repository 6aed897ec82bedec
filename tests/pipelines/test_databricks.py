"""`meltano run tap-epicor-kinetic target-databricks` on an emulator: tables are the tenant's."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from databricks_workspace import Databricks, workspace
from exact_loads import ExactLoads
from project import install
from redirect import Redirect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def place(folder: Path) -> Iterator[Databricks]:
    """A workspace, and the way to it."""
    with workspace(folder) as port, Redirect({"*.cloud.databricks.com": port}, folder) as redirect:
        yield Databricks(port, redirect, folder)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with place(tmp_path_factory.mktemp("workspace")) as warehouse:
        yield warehouse


@pytest.fixture
def warehouse(shared):
    shared.switch(reset=True, forget=True)
    return shared


@pytest.fixture(scope="module")
def installed(installed):
    install("target-databricks", installed)
    return installed


@pytest.mark.full
class TestDatabricks(ExactLoads):
    """Every promise of the three warehouses."""
