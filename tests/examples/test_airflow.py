"""examples/airflow: Airflow's own parser loads the DAG, and its task moves rows."""

import json
import shutil
from pathlib import Path

import pytest
from harness import settings

EXAMPLES = Path(__file__).parents[2] / "examples"
PARSE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
print("RESULT" + json.dumps({"errors": bag.import_errors, "dags": sorted(bag.dags)}, default=str))
"""
RUN = """
import sys
from airflow.dag_processing.dagbag import DagBag
run = DagBag(sys.argv[1]).dags["kinetic"].test()
print("RESULT" + str(run.state))
"""


@pytest.fixture
def airflow(tmp_path, run, python_of):
    python = python_of("airflow")
    shutil.copytree(EXAMPLES / "airflow" / "dags", tmp_path / "dags")

    def call(program, **more):
        return run(
            python, "-c", program, tmp_path / "dags", cwd=tmp_path,
            AIRFLOW_HOME=str(tmp_path), AIRFLOW__CORE__LOAD_EXAMPLES="false", **more,
        )  # fmt: skip

    return call


@pytest.mark.full
def test_airflow_parses_the_dag_without_errors(airflow):
    done = airflow(PARSE)

    assert "RESULT" in done.stdout, done.stderr[-3000:]
    result = json.loads(done.stdout.rpartition("RESULT")[2])
    assert result == {"errors": {}, "dags": ["kinetic"]}


@pytest.mark.full
def test_the_task_syncs_with_secrets_from_the_connection(airflow, server, tmp_path):
    target = {"filepath": str(tmp_path / "loaded.duckdb"), "default_target_schema": "kinetic"}
    (tmp_path / "target.json").write_text(json.dumps(target))
    given = settings(server)
    connection = {
        "conn_type": "generic",
        "host": given["api_url"],
        "login": given["username"],
        "password": given["password"],
        "extra": json.dumps({"api_key": given["api_key"]}),
    }
    state = tmp_path / "of all" / "state.json"
    state.parent.mkdir()
    migrated = airflow("from airflow.utils.db import initdb; initdb()")
    assert migrated.returncode == 0, migrated.stderr[-3000:]

    done = airflow(
        RUN,
        AIRFLOW_CONN_EPICOR_KINETIC=json.dumps(connection),
        AIRFLOW_VAR_KINETIC_COMPANIES='["EPIC06"]',
        AIRFLOW_VAR_KINETIC_SYNC=str(EXAMPLES / "pipe" / "sync.sh"),
        AIRFLOW_VAR_KINETIC_STATE=str(state),
        AIRFLOW_VAR_KINETIC_TARGET=f"kinetic-target-duckdb --config {tmp_path / 'target.json'}",
    )

    told = done.stdout + done.stderr
    assert "RESULTsuccess" in told, told[-4000:]
    assert json.loads(state.read_text())["last_complete_run"]
    for secret in (given["password"], given["api_key"]):
        assert secret not in told
