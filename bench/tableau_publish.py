"""Measures how fast rows become an extract, and the memory of it as rows grow.

    .venv/bin/python bench/tableau_publish.py            # 100,000, 300,000 and 1,000,000 rows

Rows of 30 columns from a file: first into an empty folder, then the same rows again, each of which
takes the place of one that is there. Memory is what the loader and Tableau's engine hold
at most, without the pages of files, which the system takes back when it needs them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "pipelines"), str(ROOT / "bench")]

from databricks_loader import write  # noqa: E402
from harness import environment  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Path(sys.executable).with_name("target-tableau-refresh")
_END = {
    "type": "STATE",
    "value": {"last_complete_run": {"run_id": "bench", "completed_at": "", "streams": {}}},
}


def load(messages: Path, folder: Path) -> tuple[float, float, float, float]:
    """Seconds that a load took, and of CPU; MiB at most of the loader and of the engine."""
    config = folder / "config.json"
    given = {"mode": "publish", "publish_folder": str(folder / "extracts")}
    config.write_text(json.dumps(given))
    loader = engine = 0.0
    with messages.open("rb") as lines, (folder / "log").open("wb") as log:
        began = time.monotonic()
        process = subprocess.Popen(
            [PROGRAM, "--config", str(config)],
            stdin=lines, stdout=subprocess.DEVNULL, stderr=log, env=environment(),
        )  # fmt: skip
        while True:
            done, status, used = os.wait4(process.pid, os.WNOHANG)
            if done:
                break
            loader = max(loader, held(process.pid))
            engine = max(engine, sum(map(held, children(process.pid))))
            time.sleep(0.1)
        took = time.monotonic() - began
    if status:
        sys.exit((folder / "log").read_text()[-2000:])
    return took, used.ru_utime + used.ru_stime, loader, engine


def children(parent: int) -> list[int]:
    """Processes that a process has started."""
    try:
        text = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in text.split()]


def held(process: int) -> float:
    """MiB that a process holds now, without the pages of files."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    lines = [line for line in status.splitlines() if line.startswith("RssAnon:")]
    return sum(int(line.split()[1]) for line in lines) / 1024


def measure(rows: int, folder: Path) -> Iterator[str]:
    """Lines of the table, in Markdown."""
    messages = folder / "messages"
    write(messages, rows)
    with messages.open("a") as out:
        out.write(json.dumps(_END) + "\n")
    for what in ("new", "again"):
        took, cpu, loader, engine = load(messages, folder)
        size = sum(file.stat().st_size for file in (folder / "extracts").glob("*.hyper")) / 2**20
        yield (
            f"| {rows:,} | {what} | {took:.1f} | {rows / took:,.0f} | {rows / cpu:,.0f} "
            f"| {loader:,.0f} | {engine:,.0f} | {size:,.0f} |"
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 300_000, 1_000_000])
    given = parser.parse_args()
    print(
        "| rows | | seconds | rows/s | rows per second of CPU "
        "| MiB of the loader | MiB of the engine | MiB of the file |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for rows in given.rows:
        with tempfile.TemporaryDirectory() as folder:
            for line in measure(rows, Path(folder)):
                print(line, flush=True)


if __name__ == "__main__":
    main()
