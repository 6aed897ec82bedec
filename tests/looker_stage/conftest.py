"""A Looker, what is told to it, and the databases that the stage loads into."""

from __future__ import annotations

import looker_refresh
import pytest
from looker_instance import serving
from stages import DuckDB, Stage, postgres_places


@pytest.fixture
def server():
    with serving() as running:
        yield running


@pytest.fixture
def make(server, tmp_path):
    """Makes what `looker-refresh` has around it, with these settings."""
    return lambda **settings: looker_refresh.stage(server, tmp_path, **settings)


@pytest.fixture
def ours(server):
    """The datagroup that is told by default."""
    return server.looker.datagroup(looker_refresh.MODEL, "epicor_kinetic")


@pytest.fixture(scope="module")
def databases():
    """Makes a database of PostgreSQL with each call."""
    with postgres_places() as make:
        yield make


@pytest.fixture(params=["postgresql", "duckdb"])
def stage(request, tmp_path):
    """A loader and its database, of each kind."""
    if request.param == "duckdb":
        return Stage(DuckDB(tmp_path / "stage.duckdb"))
    return Stage(request.getfixturevalue("databases")())
