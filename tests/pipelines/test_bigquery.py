"""`meltano run tap-epicor-kinetic target-bigquery` on an emulator: tables are the tenant's rows."""

from __future__ import annotations

import json
import subprocess
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from bigquery import BigQuery, Front, emulator, guard
from exact_loads import ExactLoads, assert_equal, command, load
from project import install

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PROJECT = "finance"
_ROWS = """
import json, sys
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
client = bigquery.Client(project=sys.argv[1], credentials=AnonymousCredentials())
for row in client.query(sys.argv[2]).result():
    print(json.dumps({k.lower(): [type(v).__name__, str(v)] for k, v in row.items()}))
"""
_READ = {
    "NoneType": lambda _: None,
    "Decimal": Decimal,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "int": int,
    "float": float,
    "bool": "True".__eq__,
    "str": str,
}


class Dataset:
    """One dataset of an emulator, as `exact_loads.Warehouse` wants it."""

    loader = "target-bigquery"
    process = "kinetic_target_bigquery"

    def __init__(self, front: Front, client: Path, folder: Path, name: str) -> None:
        self.front = front
        self._client = client
        self._name = name
        kept = ("BIGQUERY_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT")
        login = BigQuery(front, client, folder).variables
        self._login = {name: login[name] for name in kept}

    @property
    def variables(self) -> dict[str, str]:
        """What a user exports, and where the emulator is."""
        return {**self._login, "BIGQUERY_PROJECT": _PROJECT, "BIGQUERY_DATASET": self._name}

    def rows(self, stream: str) -> Iterator[dict[str, Any]]:
        """Through Google's client, each value with the type that it has there."""
        query = f"select * from `{_PROJECT}.{self._name}.{stream}`"
        with subprocess.Popen(
            [str(self._client / "python"), "-c", _ROWS, _PROJECT, query],
            env={"PYTHONWARNINGS": "ignore", **self._login}, stdout=subprocess.PIPE,
        ) as reader:  # fmt: skip
            for line in reader.stdout:
                yield {k: _READ[kind](text) for k, (kind, text) in json.loads(line).items()}
        assert reader.returncode == 0


@pytest.fixture(scope="module")
def front(tmp_path_factory):
    with emulator(tmp_path_factory.mktemp("emulator")) as port, Front(port) as front:
        yield front


@pytest.fixture(scope="module")
def client():
    return guard()


@pytest.fixture(scope="module", autouse=True)
def loader(installed):
    install("target-bigquery", installed)


@pytest.fixture
def warehouse(front, client, tmp_path):
    yield Dataset(front, client, tmp_path, f"kinetic_{tmp_path.name.replace('-', '_')}")
    front.fail("", 0)


class TestBigQuery(ExactLoads):
    """All of it."""


@pytest.mark.full
def test_a_load_without_the_right_to_it_is_no_success_and_the_next_run_makes_it_good(
    small_project, warehouse
):
    load(small_project, warehouse)
    small_project.server.tenant.touch("vendors", "EPIC06", 3)
    small_project.server.tenant.close_some("vendors", "EPIC06", 2)
    warehouse.front.fail(f"POST /bigquery/v2/projects/{_PROJECT}/jobs", 403)

    code, output = small_project.run(*command(warehouse), **warehouse.variables)

    assert code != 0
    assert "STATE stays where it was" in output
    warehouse.front.fail("", 0)
    load(small_project, warehouse)
    assert_equal(small_project.server, warehouse)
