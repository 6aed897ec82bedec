"""The tap and the loader of this repository: after each run extracts equal the open rows."""

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from extracts import Extracts, assert_equal, needed_engine
from harness import TAP, deleted_rows, environment, settings
from kinetic_sandbox.kinetic import KineticServer, Tenant

needed_engine()
PROGRAM = str(Path(sys.executable).with_name("target-tableau-refresh"))


class Pipeline:
    """A tap and a loader with STATE between the runs, as Meltano keeps it."""

    def __init__(self, folder: Path, server, **more) -> None:
        self.extracts = Extracts(folder / "extracts")
        self._tap = folder / "tap.json"
        self._target = folder / "target.json"
        self._state = folder / "state.json"
        config = settings(server, decimal_format="singer_decimal", **more)
        self._tap.write_text(json.dumps(config))
        self._target.write_text(json.dumps(self.extracts.config))
        self._state.write_text("{}")

    def run(self) -> None:
        files = ["--config", str(self._tap), "--state", str(self._state)]
        sent = subprocess.run(
            [*TAP, *files], capture_output=True, env=environment(), check=True, timeout=300
        ).stdout
        done = subprocess.run(
            [PROGRAM, "--config", str(self._target)], input=sent, capture_output=True, check=False,
            timeout=300, env=environment(),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        self._state.write_bytes(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("profile", [pytest.param("documented", marks=pytest.mark.full), "real"])
def test_three_runs_with_changes_closings_and_retractions_leave_the_open_rows(profile, tmp_path):
    tenant = Tenant(profile=profile, seed=7, scale=0.2)
    with KineticServer(tenant) as server:
        pipeline = Pipeline(tmp_path, server)
        pipeline.run()
        assert_equal(pipeline.extracts, tenant)

        tenant.touch("vendors", "EPIC06", 3)
        tenant.close_some("vendors", "EPIC06", 2)
        pipeline.run()
        assert_equal(pipeline.extracts, tenant)

        report = tenant.day_passes()
        assert any(report.closed.values())
        pipeline.run()
        assert_equal(pipeline.extracts, tenant, but=deleted_rows(report))
    runs = {row["run_id"] for row in pipeline.extracts.rows("epicor_sync_runs")}
    assert len(runs) == 3


@pytest.mark.full
def test_a_new_column_and_a_wider_decimal_of_the_tenant_arrive(tmp_path):
    tenant = Tenant(profile="real", seed=7, scale=0.1)
    with KineticServer(tenant) as server:
        pipeline = Pipeline(tmp_path, server)
        tenant.add_column("vendors", "Weight_c", "Edm.Decimal", Decimal("0.12345678"))
        pipeline.run()
        tenant.widen_decimal("vendors", "Weight_c", 28, 9)
        tenant.add_column("vendors", "Zone_c", "Edm.String")
        for number, key in enumerate(tenant.touch("vendors", "EPIC06", 9)):
            value = Decimal("1234567890123456789.123456789") - number
            given = {"Weight_c": value, "Zone_c": f"nörth '{number}'"}
            tenant.update("vendors", "EPIC06", key, **given)

        pipeline.run()

        assert_equal(pipeline.extracts, tenant)


@pytest.mark.full
def test_an_extract_with_a_row_less_or_a_cent_more_is_noticed(tmp_path, monkeypatch):
    tenant = Tenant(profile="real", seed=7, scale=0.1)
    with KineticServer(tenant) as server:
        pipeline = Pipeline(tmp_path, server)
        pipeline.run()
    rows = {stream: pipeline.extracts.rows(stream) for stream in tenant.streams}
    monkeypatch.setattr(pipeline.extracts, "rows", rows.__getitem__)
    assert_equal(pipeline.extracts, tenant)
    first, *others = rows["ap_invoices"]
    amount = next(
        name
        for name, column in tenant.entity("ap_invoices").columns.items()
        if column.type == "Edm.Decimal" and first[name] is not None
    )

    for wrong in (others, [first, first, *others], [{**first, amount: first[amount] + 1}, *others]):
        rows["ap_invoices"] = wrong
        with pytest.raises(AssertionError):
            assert_equal(pipeline.extracts, tenant)
