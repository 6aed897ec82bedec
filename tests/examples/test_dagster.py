"""examples/dagster: the definitions load, and an asset tells what the tap sent."""

import json
from pathlib import Path

import pytest
from harness import expected_rows, settings

DEFINITIONS = Path(__file__).parents[2] / "examples" / "dagster" / "definitions.py"
MATERIALIZE = """
import json, sys
sys.path.insert(0, sys.argv[1])
from dagster import materialize
import definitions
assert definitions.defs.resolve_job_def("kinetic_hourly")
result = materialize([definitions.kinetic], raise_on_error=False)
rows = {
    event.asset_key.to_user_string(): {
        name: value.value for name, value in event.materialization.metadata.items()
    }
    for event in result.get_asset_materialization_events()
}
print("RESULT" + json.dumps({"success": result.success, "assets": rows}))
"""


@pytest.fixture
def dagster(server, tmp_path, run, python_of):
    python = python_of("dagster")
    target = {"filepath": str(tmp_path / "loaded.duckdb"), "default_target_schema": "kinetic"}
    (tmp_path / "target.json").write_text(json.dumps(target))

    def call(*arguments, **overrides):
        config = settings(server, start_date="2020-01-01T00:00:00Z", **overrides)
        (tmp_path / "config.json").write_text(json.dumps(config))
        return run(
            python, *arguments, cwd=tmp_path,
            DAGSTER_HOME=str(tmp_path), KINETIC_CONFIG=str(tmp_path / "config.json"),
            KINETIC_TARGET=f"kinetic-target-duckdb --config {tmp_path / 'target.json'}",
            KINETIC_FOLDER=str(tmp_path),
        )  # fmt: skip

    return call


@pytest.mark.full
def test_each_asset_tells_how_many_rows_the_tap_sent(dagster, tenant, tmp_path):
    def materialize():
        done = dagster("-c", MATERIALIZE, DEFINITIONS.parent)
        assert "RESULT" in done.stdout, done.stderr[-3000:]
        return json.loads(done.stdout.rpartition("RESULT")[2])["assets"]["vendors"]

    first = materialize()
    closed = tenant.close_some("vendors", "EPIC06", 2)
    second = materialize()

    open_rows = sum(
        len(expected_rows(tenant, "vendors", company)) for company in tenant.companies
    ) + len(closed)
    assert first["rows_sent"] == open_rows
    assert first["run_id"]
    assert second["rows_retracted"] == len(closed)
    assert not list(tmp_path.glob("config-*.json"))


COMMAND = ("-m", "dagster", "asset", "materialize", "-f", DEFINITIONS, "--select", "*")


@pytest.mark.full
def test_the_command_line_materializes_all_assets(dagster):
    done = dagster(*COMMAND)

    assert done.returncode == 0, done.stderr[-3000:]
    assert "ASSET_MATERIALIZATION" in done.stderr + done.stdout


@pytest.mark.full
def test_a_run_that_fails_materializes_nothing(dagster):
    done = dagster(*COMMAND, password="not-the-password")

    told = done.stderr + done.stdout
    assert done.returncode != 0
    assert "ASSET_MATERIALIZATION" not in told
    assert "login refused" in told
    assert "not-the-password" not in told
