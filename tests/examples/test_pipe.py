"""examples/pipe: STATE is what the target has loaded, and no failure goes unnoticed."""

import json
import sys
from pathlib import Path

import duckdb
import pytest
from harness import expected_rows, settings

SYNC = Path(__file__).parents[2] / "examples" / "pipe" / "sync.sh"


@pytest.fixture
def sync(server, tmp_path, run):
    config = settings(server, start_date="2020-01-01T00:00:00Z")
    (tmp_path / "config.json").write_text(json.dumps(config))
    target = {"filepath": str(tmp_path / "loaded.duckdb"), "default_target_schema": "kinetic"}
    (tmp_path / "target.json").write_text(json.dumps(target))

    def call(*target, config="config.json", **environment):
        target = target or ("kinetic-target-duckdb", "--config", "target.json")
        return run(SYNC, config, "state.json", *target, cwd=tmp_path, **environment)

    return call


def test_the_second_run_asks_for_what_has_changed(sync, server, tenant, tmp_path):
    first = sync()
    tenant.touch("vendors", "EPIC06", 2)
    server.requests.clear()
    second = sync()

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    asked = [r.query for r in server.requests if "/Vendors" in r.path]
    assert any("SysRevID ge" in str(query) for query in asked)
    with duckdb.connect(str(tmp_path / "loaded.duckdb")) as loaded:
        numbers = loaded.execute(
            "select VendorNum from kinetic.vendors "
            "where _epicor_company = 'EPIC06' and _sdc_deleted_at is null"
        ).fetchall()
    assert {n for (n,) in numbers} == {k[-1] for k in expected_rows(tenant, "vendors", "EPIC06")}


def test_settings_may_come_from_the_environment(sync, server, tmp_path):
    done = sync(
        config="ENV",
        TAP_EPICOR_KINETIC_API_URL=server.url,
        TAP_EPICOR_KINETIC_COMPANIES='["EPIC06"]',
        TAP_EPICOR_KINETIC_USERNAME=server.username,
        TAP_EPICOR_KINETIC_PASSWORD=server.password,
        TAP_EPICOR_KINETIC_API_KEY=server.api_key,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "state.json").read_text())["last_complete_run"]


def test_a_tap_that_fails_fails_the_run_although_the_target_is_content(sync, server, tmp_path):
    assert sync().returncode == 0
    before = (tmp_path / "state.json").read_bytes()
    config = {**json.loads((tmp_path / "config.json").read_text()), "password": "not-the-password"}
    (tmp_path / "config.json").write_text(json.dumps(config))

    done = sync()

    assert done.returncode == 2
    assert (tmp_path / "state.json").read_bytes() == before


LOADS_ONE_STATE = """
import sys
for line in sys.stdin:
    if '"type":"STATE"' in line and "vendors" in line:
        print('{"loaded": 1}')
        print('{"half": ', end="", flush=True)
        sys.exit(3)
"""


def test_of_a_target_that_dies_the_last_whole_state_is_kept(sync, tmp_path):
    done = sync(sys.executable, "-c", LOADS_ONE_STATE)

    assert done.returncode == 3
    assert json.loads((tmp_path / "state.json").read_text()) == {"loaded": 1}
