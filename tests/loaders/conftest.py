"""One emulator of BigQuery for the tests here that need one; a front of its own for each test."""

import pytest
from bigquery import BigQuery, Front, emulator, guard


@pytest.fixture(scope="session")
def bigquery_port(tmp_path_factory):
    programs = guard()  # skips before the emulator is started
    assert programs
    with emulator(tmp_path_factory.mktemp("emulator")) as port:
        yield port


@pytest.fixture
def bigquery(bigquery_port, tmp_path):
    with Front(bigquery_port) as front:
        yield BigQuery(front, guard(), tmp_path)
