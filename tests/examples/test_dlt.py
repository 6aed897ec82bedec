"""examples/dlt: rows are merged by key, what closed is gone, a second load reads changes only."""

import json
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest
from harness import expected_rows, settings

PROGRAM = Path(__file__).parents[2] / "examples" / "dlt" / "kinetic_to_duckdb.py"


@pytest.fixture
def load(server, tmp_path, run, python_of):
    python = python_of("dlt")

    def call(*streams):
        done = run(
            python, PROGRAM, *streams, cwd=tmp_path,
            SOURCES__KINETIC__SETTINGS=json.dumps(settings(server)),
            DLT_DATA_DIR=str(tmp_path), DLT_PROJECT_DIR=str(tmp_path),
            RUNTIME__DLTHUB_TELEMETRY="false",
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    return call


def query(python, folder, sql):
    """The example's DuckDB is newer than the one here."""
    program = (
        "import duckdb, json, sys\n"
        "rows = duckdb.connect('epicor.duckdb').execute(sys.argv[1]).fetchall()\n"
        "print(json.dumps(rows, default=str))"
    )
    done = subprocess.run(
        [python, "-c", program, sql], cwd=folder, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_two_loads_leave_what_the_tenant_shows_as_open(load, server, tenant, tmp_path, python_of):
    load("vendors", "ap_invoices")
    closed = tenant.close_some("vendors", "EPIC06", 2)
    tenant.touch("ap_invoices", "EPIC07", 3)
    server.requests.clear()
    load("vendors", "ap_invoices")

    asked = [r.query for r in server.requests if r.kind == "rows"]
    assert asked
    for query_ in asked:
        assert "SysRevID ge" in query_.get("$filter", "") or query_["$top"] == "1", query_
    python = python_of("dlt")
    for company in tenant.companies:
        numbers = query(
            python, tmp_path, f"select vendor_num from kinetic.vendors where company = '{company}'"
        )
        expected = {key[-1] for key in expected_rows(tenant, "vendors", company)}
        assert {n for (n,) in numbers} == expected
        assert len(numbers) == len(expected)
    assert closed
    money = query(
        python, tmp_path, "select cast(sum(invoice_amt) as varchar) from kinetic.ap_invoices"
    )
    truth = sum(
        Decimal(str(row["InvoiceAmt"]))
        for company in tenant.companies
        for row in expected_rows(tenant, "ap_invoices", company).values()
    )
    assert Decimal(money[0][0]) == truth
