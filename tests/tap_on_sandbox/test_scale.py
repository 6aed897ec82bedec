"""Memory does not grow with the table."""

import subprocess

import pytest
from harness import TAP, environment, settings, tap_files
from kinetic_sandbox.kinetic import KineticServer, Tenant

ROWS = 200_000
LIMIT_MB = 150


@pytest.mark.full
def test_200_000_rows_stay_within_150_mb(tmp_path):
    tenant = Tenant(profile="real", seed=3, scale=0.1, companies=("EPIC06",))
    tenant.load_bulk("gl_transactions", "EPIC06", ROWS)
    with KineticServer(tenant) as server:
        command = [*TAP, *tap_files(tmp_path, settings(server), None, None)]
        with (tmp_path / "out").open("wb") as out:
            done = subprocess.run(
                [*MEASURED, *command], stdout=out, stderr=subprocess.PIPE, text=True,
                env=environment(), check=False,
            )  # fmt: skip

        assert done.returncode == 0, done.stderr[-2000:]
        peak_mb = int(done.stderr.rpartition("peak_kb=")[2]) / 1024
        assert peak_mb < LIMIT_MB
        begin = '{"type":"RECORD","stream":"gl_transactions",'
        with (tmp_path / "out").open() as lines:
            sent = sum(line.startswith(begin) for line in lines)
        assert sent == len(tenant.rows("gl_transactions", "EPIC06"))
        assert sent >= ROWS


_MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(f"peak_kb={resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}", file=sys.stderr)
sys.exit(code)
"""
MEASURED = [TAP[0], "-c", _MEASURE]
