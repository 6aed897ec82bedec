"""Measures the tap on the sandbox: rows a second, CPU seconds, peak memory, requests."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kinetic_sandbox.kinetic import KineticServer, Tenant

COMPANY = "EPIC06"
STREAM = "gl_transactions"


def measure(server: KineticServer, folder: Path, page_size: int) -> dict[str, float]:
    """One whole process, interpreter start included."""
    config = {
        "api_url": server.url,
        "companies": [COMPANY],
        "username": server.username,
        "password": server.password,
        "api_key": server.api_key,
        "page_size": page_size,
    }
    (folder / "config.json").write_text(json.dumps(config))
    server.requests.clear()
    started = time.monotonic()
    with (folder / "err").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "tap_epicor_kinetic", "--config", str(folder / "config.json")],
            stdout=subprocess.DEVNULL,
            stderr=err,
        )
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit((folder / "err").read_text()[-2000:])
    return {
        "seconds": time.monotonic() - started,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / 1024,
        "requests": len(server.requests),
    }


def main() -> None:
    """Print one line of Markdown per page size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--page-size", type=int, nargs="+", default=[1000])
    options = parser.parse_args()
    tenant = Tenant(profile="real", seed=1, scale=0.05, companies=(COMPANY,))
    tenant.load_bulk(STREAM, COMPANY, options.rows)
    rows = sum(len(tenant.rows(stream, COMPANY)) for stream in tenant.streams)
    print("| page size | rows | rows/s | CPU s | peak MB | requests |\n" + "|---:" * 6 + "|")
    with KineticServer(tenant) as server, tempfile.TemporaryDirectory() as folder:
        for page_size in options.page_size:
            rounds = [measure(server, Path(folder), page_size) for _ in range(options.rounds)]
            seconds, cpu, peak, requests = (
                statistics.median(r[name] for r in rounds)
                for name in ("seconds", "cpu", "peak_mb", "requests")
            )
            print(
                f"| {page_size} | {rows:,} | {rows / seconds:,.0f} | {cpu:.1f} | {peak:.0f} "
                f"| {requests:.0f} |"
            )


if __name__ == "__main__":
    main()
