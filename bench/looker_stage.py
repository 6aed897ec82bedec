"""Measures the Looker stage from stdin to the table, and its memory as rows grow.

    .venv/bin/python bench/looker_stage.py              # 100,000, 300,000 and 1,000,000 rows

Rows of 30 columns from a file into PostgreSQL and into DuckDB, first into an empty table, then the
same rows again. PostgreSQL's server shares the machine's cores; its memory is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "pipelines"), str(ROOT / "bench")]

from community import postgres  # noqa: E402
from databricks_loader import write  # noqa: E402
from harness import environment  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Path(sys.executable).with_name("target-looker-stage")


@contextmanager
def place(kind: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if kind == "duckdb":
        (folder / "bench.duckdb").unlink(missing_ok=True)
        yield f"duckdb:///{folder / 'bench.duckdb'}"
    else:
        with postgres() as server:
            yield server.url


def load(url: str, messages: Path, folder: Path) -> tuple[float, float, float]:
    """Seconds that a load took, seconds of the loader's own CPU, and its MiB at most."""
    config = folder / "config.json"
    config.write_text(json.dumps({"sqlalchemy_url": url}))
    with messages.open("rb") as lines, (folder / "log").open("wb") as log:
        began = time.monotonic()
        process = subprocess.Popen(
            [PROGRAM, "--config", str(config)],
            stdin=lines, stdout=subprocess.DEVNULL, stderr=log, env=environment(),
        )  # fmt: skip
        _, status, used = os.wait4(process.pid, 0)
        took = time.monotonic() - began
    if status:
        sys.exit((folder / "log").read_text()[-2000:])
    return took, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def measure(kind: str, rows: int, folder: Path) -> Iterator[str]:
    """Lines of the table, in Markdown."""
    messages = folder / "messages"
    write(messages, rows)
    with place(kind, folder) as url:
        for what in ("new", "again"):
            took, cpu, most = load(url, messages, folder)
            yield (
                f"| {kind} | {rows:,} | {what} | {took:.1f} | {rows / took:,.0f} "
                f"| {rows / cpu:,.0f} | {most:,.0f} |"
            )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 300_000, 1_000_000])
    parser.add_argument("--kinds", nargs="+", default=["postgresql", "duckdb"])
    given = parser.parse_args()
    print("| warehouse | rows | | seconds | rows/s | rows per second of its CPU | MiB at most |")
    print("|---|---|---|---|---|---|---|")
    for kind in given.kinds:
        for rows in given.rows:
            with tempfile.TemporaryDirectory() as folder:
                for line in measure(kind, rows, Path(folder)):
                    print(line, flush=True)


if __name__ == "__main__":
    main()
