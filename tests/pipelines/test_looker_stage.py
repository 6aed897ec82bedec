"""`meltano run tap-epicor-kinetic target-looker-stage`: PostgreSQL and DuckDB hold the tenant's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from exact_loads import ExactLoads, assert_equal, load
from kinetic_sandbox.kinetic import KineticServer, Tenant
from project import Project, install
from stages import SCHEMA, DuckDB, postgres_places

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stages import Place


class Stage:
    """A database, as `exact_loads.Warehouse` wants it."""

    loader = "target-looker-stage"
    process = "target_looker_stage"

    def __init__(self, place: Place) -> None:
        self._place = place

    @property
    def variables(self) -> dict[str, str]:
        """What a user exports."""
        return {"LOOKER_STAGE_URL": self._place.url}

    def rows(self, stream: str) -> Iterable[dict[str, Any]]:
        """Through the database's own client."""
        return self._place.query(f'SELECT * FROM "{SCHEMA}"."{stream}"')


@pytest.fixture(scope="module")
def installed(installed):
    install("target-looker-stage", installed)
    return installed


@pytest.fixture(scope="module")
def databases():
    with postgres_places() as make:
        yield make


@pytest.mark.full
class TestPostgreSQL(ExactLoads):
    """A real server."""

    @pytest.fixture
    def warehouse(self, databases):
        return Stage(databases())

    def test_the_audit_tells_a_cut_run_from_a_complete_one(self, installed, tmp_path, warehouse):
        with KineticServer(Tenant(profile="real", seed=7, scale=0.1)) as server:
            project = Project(installed, tmp_path, server, patience=900)
            load(project, warehouse)
            server.tenant.touch("vendors", "EPIC06", 3)
            load(project, warehouse)

            audit = list(warehouse.rows("_sync_audit"))
            assert_equal(server, warehouse)
        runs = {row["run_id"]: row["completed_at"] for row in audit if row["stream"] == "*"}
        assert len(runs) == 2
        second = max(runs, key=runs.get)
        changed = {row["stream"] for row in audit if row["run_id"] == second}
        assert {"vendors", "*"} <= changed
        assert "epicor_sync_runs" not in changed
        assert {row["status"] for row in audit} == {"complete"}
        assert {row["_epicor_run_id"] for row in warehouse.rows("vendors")} == set(runs)


@pytest.mark.full
class TestDuckDB(ExactLoads):
    """A file."""

    @pytest.fixture
    def warehouse(self, tmp_path):
        return Stage(DuckDB(tmp_path / "looker.duckdb"))
