"""`meltano run tap-epicor-kinetic target-databricks` on an emulator: tables are the tenant's."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from databricks_workspace import ACCOUNT, CATALOG, SCHEMA, TOKEN, Databricks, workspace
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


@pytest.fixture
def job(installed):
    """The jobs of a project load Databricks, and prove it."""
    install("proof-databricks", installed)
    file = installed / "meltano.yml"
    before = file.read_text()
    head, jobs, rest = before.partition("\njobs:")
    file.write_text(head + jobs + rest.replace("duckdb", "databricks"))
    yield
    file.write_text(before)


@pytest.mark.full
@pytest.mark.usefixtures("job")
def test_the_job_proves_its_load_with_each_login_and_names_the_row_that_is_gone(
    small_project, warehouse
):
    project = replace(small_project, patience=900)
    proof = ("--environment=prod", "run", "proof-databricks:masters")
    principal = warehouse.variables
    code, output = project.run("--environment=prod", "run", "masters-daily", **principal)
    assert code == 0, output[-5000:]
    assert re.search(r"vendors +EPIC06 +\d+ +0 +\d+ +0 +0 +0 +equal", output)
    assert "differs" not in output

    nobody = {"DATABRICKS_CLIENT_ID": "", "DATABRICKS_CLIENT_SECRET": ""}
    account = {"DATABRICKS_ACCOUNT_ID": ACCOUNT["account_id"]}
    token = {**nobody, "DATABRICKS_TOKEN": TOKEN["token"]}
    for login in (account, token):
        code, output = project.run(*proof, **{**principal, **login})
        assert code == 0, output[-5000:]

    number = min(
        row["vendornum"] for row in warehouse.rows("vendors") if row["company"] == "EPIC06"
    )
    table = f"`{CATALOG}`.`{SCHEMA}`.`vendors`"
    warehouse.switch(sql=f"DELETE FROM {table} WHERE Company = 'EPIC06' AND VendorNum = {number}")
    code, output = project.run(*proof, **principal)

    assert code == 1, output[-3000:]
    assert re.search(r"vendors +EPIC06 +\d+ +0 +\d+ +1 +0 +0 +differs", output)
    assert f'["EPIC06",{number}]' in output

    wrong = {**principal, "DATABRICKS_CLIENT_SECRET": "wr0ng-one"}
    code, output = project.run(*proof, **wrong)
    assert code != 0
    assert "cannot be opened" in output
    assert "invalid_client" in output
    assert "wr0ng-one" not in output
