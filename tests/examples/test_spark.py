"""examples/spark: key ranges are partitions, rows are exact, and the tap goes on from there."""

import json
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest
from harness import Warehouse, expected_rows, plain, run_tap, settings
from kinetic_sandbox.kinetic import KineticServer, Tenant

EXAMPLE = Path(__file__).parents[2] / "examples" / "spark" / "load_history.py"
STREAM = "gl_transactions"
READ = """
import json, sys
import pyarrow.parquet as pq
rows = pq.read_table(sys.argv[1]).to_pylist()
print(json.dumps(rows, default=str))
"""


@pytest.fixture
def python(python_of):
    if shutil.which("java") is None:
        pytest.skip("NOT TESTED: Spark needs Java, and there is none on this machine")
    return python_of("spark")


@pytest.fixture
def history():
    """Enough rows that ranges are worth it."""
    tenant = Tenant(profile="real", seed=7, scale=0.3)
    tenant.load_bulk(STREAM, "EPIC06", 5_000)
    with KineticServer(tenant) as server:
        yield server


def load(python, run, server, folder, **more):
    environment = {
        "TAP_EPICOR_KINETIC_API_URL": server.url,
        "TAP_EPICOR_KINETIC_COMPANIES": json.dumps(server.tenant.companies),
        "TAP_EPICOR_KINETIC_USERNAME": server.username,
        "TAP_EPICOR_KINETIC_PASSWORD": server.password,
        "TAP_EPICOR_KINETIC_API_KEY": server.api_key,
        "PYSPARK_PYTHON": str(python),
        "SPARK_MASTER": "local[2]",
        "SPARK_LOCAL_IP": "127.0.0.1",
        "TZ": "UTC",
        **more,
    }
    return run(python, EXAMPLE, STREAM, "rows", "state.json", cwd=folder, **environment)


@pytest.mark.full
def test_ranges_hold_every_row_once_and_the_tap_sends_what_changed_since(
    python, run, history, tmp_path
):
    tenant = history.tenant

    done = load(python, run, history, tmp_path)

    assert done.returncode == 0, done.stderr[-3000:]
    read = [python, "-c", READ, "rows"]
    found = subprocess.run(read, cwd=tmp_path, capture_output=True, text=True, check=True)
    rows = json.loads(found.stdout)
    key = tenant.entity(STREAM).key
    for company in tenant.companies:
        expected = expected_rows(tenant, STREAM, company)
        loaded = [row for row in rows if row["_epicor_company"] == company]
        assert len(loaded) == len(expected)
        for row in loaded:
            truth = expected[tuple(row[name] for name in key)]
            assert Decimal(row["DebitAmount"]) == truth["DebitAmount"]
            assert plain(row["SysRevID"]) == truth["SysRevID"]
    ranges = {r.query["$filter"] for r in history.requests if "gt" in r.query.get("$filter", "")}
    assert len(ranges) > 32

    touched = tenant.touch(STREAM, "EPIC06", 3)
    state = json.loads((tmp_path / "state.json").read_text())
    warehouse = Warehouse()
    warehouse.load(run_tap(tmp_path, settings(history), state=state))
    sent = warehouse.open_rows(STREAM, "EPIC06")
    assert set(touched) <= sent.keys()
    assert len(sent) <= len(touched) + 1


@pytest.mark.full
def test_a_refused_login_ends_in_the_taps_words_without_the_secret(python, run, history, tmp_path):
    done = load(python, run, history, tmp_path, TAP_EPICOR_KINETIC_PASSWORD="not-the-password")

    assert done.returncode != 0
    assert "login refused" in done.stderr
    assert "not-the-password" not in done.stderr + done.stdout
    assert history.api_key not in done.stderr + done.stdout
