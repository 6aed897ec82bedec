"""A tenant for each test; both profiles where the test says so."""

import pytest
from kinetic_sandbox.kinetic import KineticServer, Tenant

PROFILES = ("documented", "real")


@pytest.fixture(params=PROFILES)
def tenant(request) -> Tenant:
    return Tenant(profile=request.param, seed=7)


@pytest.fixture
def server(tenant):
    with KineticServer(tenant) as running:
        yield running


@pytest.fixture
def real_server():
    with KineticServer(Tenant(profile="real", seed=7, scale=0.3)) as running:
        yield running


def pytest_collection_modifyitems(config, items):
    """A sample writes no audit, so the SDK's test of records in that stream has nothing to say."""
    empty = "test_tap_stream_returns_record[epicor_sync_runs]"
    items[:] = [item for item in items if item.name != empty]
