"""`meltano run tap-epicor-kinetic target-duckdb`: tables hold the tenant's open rows, exactly."""

import os
import signal

import duckdb
import pytest
from harness import deleted_rows
from project import Project, assert_equal, assert_no_marker, processes, wait_for


def test_two_runs_and_a_day_between_leave_the_tenants_open_rows(project: Project):
    tenant = project.server.tenant
    code, output = project.load()
    assert code == 0, output[-3000:]
    assert_equal(project, tenant)

    report = tenant.day_passes()
    project.server.requests.clear()
    code, output = project.load()

    assert code == 0, output[-3000:]
    assert_equal(project, tenant, but=deleted_rows(report))
    voided = [(s, c, tuple(key)) for s, rows in report.closed.items() for c, key in rows]
    assert voided
    for stream, company, _ in voided:
        marked = [r for r in project.rows(stream, company, only_open=False) if r["_sdc_deleted_at"]]
        assert marked, (stream, company)


def test_the_first_row_of_each_batch_is_loaded(small_project: Project):
    """DuckDB 1.3 and later take it for a header: why the versions are pinned."""
    code, output = small_project.load(TARGET_DUCKDB_BATCH_SIZE_ROWS="10")

    assert code == 0, output[-3000:]
    assert_equal(small_project, small_project.server.tenant)


def test_the_audit_lands_beside_the_data_and_joins_on_the_run(small_project: Project):
    small_project.load()

    with duckdb.connect(str(small_project.database), read_only=True) as connection:
        differences = connection.execute(
            """
            select r.stream, r.company, r.rows_sent, count(v.vendorid)
            from kinetic.epicor_sync_runs r
            left join kinetic.vendors v
              on v._epicor_run_id = r.run_id and v._epicor_company = r.company
            where r.stream = 'vendors'
            group by all having r.rows_sent <> count(v.vendorid)
            """
        ).fetchall()
    assert differences == []


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("victim", ["tap_epicor_kinetic", "kinetic_target_duckdb"])
def test_a_run_that_was_cut_is_not_a_success_and_the_next_completes_it(
    small_project: Project, sign, victim
):
    small_project.server.vices.set("slow", 0.05)
    process = small_project.start("run", "tap-epicor-kinetic", "target-duckdb",
                                  TAP_EPICOR_KINETIC_PAGE_SIZE="20")  # fmt: skip
    wait_for(lambda: sum(r.kind == "rows" for r in small_project.server.requests) > 60)
    for pid in processes(process.pid, victim):
        os.kill(pid, sign)
    output, _ = process.communicate(timeout=120)
    small_project.server.vices.clear()

    assert process.returncode != 0, output[-3000:]
    assert_no_marker(small_project)
    code, output = small_project.load()
    assert code == 0, output[-3000:]
    assert_equal(small_project, small_project.server.tenant)
