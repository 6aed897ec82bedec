"""Measures the Databricks loader from stdin to the table, and its memory as rows grow.

    .venv/bin/python bench/databricks_loader.py          # 100,000, 300,000 and 1,000,000 rows

Rows of 30 columns from a file; the emulator shares the machine's cores, so a warehouse of one's own
leaves the loader more.
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

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "pipelines")]

from harness import environment  # noqa: E402
from test_databricks import place  # noqa: E402

STREAM = "bench"
_TEXT = {"type": ["string", "null"]}
_COLUMNS = {
    "K": {"type": "integer"},
    "_sdc_deleted_at": {**_TEXT, "format": "date-time"},
    **{f"Text{n}": _TEXT for n in range(10)},
    **{
        f"Amount{n}": {**_TEXT, "format": "x-singer.decimal", "precision": 18, "scale": 3}
        for n in range(8)
    },
    **{f"Number{n}": {"type": ["integer", "null"]} for n in range(4)},
    **{f"At{n}": {**_TEXT, "format": "date-time"} for n in range(4)},
    **{f"Is{n}": {"type": ["boolean", "null"]} for n in range(2)},
}


def row(key: int) -> dict[str, object]:
    """Thirty values."""
    return {
        "K": key,
        "_sdc_deleted_at": None,
        **{f"Text{n}": f"text {key * n} of some length" for n in range(10)},
        **{f"Amount{n}": f"{key * 7 + n}.{n}25" for n in range(8)},
        **{f"Number{n}": key * n for n in range(4)},
        **{f"At{n}": f"2026-11-21T12:00:0{n}.123Z" for n in range(4)},
        **{f"Is{n}": key % 2 == n for n in range(2)},
    }


def write(file: Path, rows: int) -> None:
    """Messages of Singer."""
    with file.open("w") as out:
        schema = {"properties": _COLUMNS}
        given = {"type": "SCHEMA", "stream": STREAM, "schema": schema, "key_properties": ["K"]}
        out.write(json.dumps(given) + "\n")
        for key in range(rows):
            out.write(json.dumps({"type": "RECORD", "stream": STREAM, "record": row(key)}) + "\n")
        out.write(json.dumps({"type": "STATE", "value": {"rows": rows}}) + "\n")


def measure(rows: int, folder: Path) -> str:
    """One line of the table, in Markdown."""
    file = folder / "messages"
    write(file, rows)
    with place(folder) as warehouse, file.open("rb") as messages:
        variables = {**environment(), **warehouse.redirect.variables}
        began = time.monotonic()
        process = subprocess.Popen(
            warehouse.command, stdin=messages, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=variables,
        )  # fmt: skip
        _, status, used = os.wait4(process.pid, 0)
        took = time.monotonic() - began
        if status:
            sys.exit(process.stderr.read().decode()[-2000:] if process.stderr else 1)
    cpu = used.ru_utime + used.ru_stime
    return (
        f"| {rows:,} | {took:.1f} | {rows / took:,.0f} | {rows / cpu:,.0f} "
        f"| {used.ru_maxrss / 1024:,.0f} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 300_000, 1_000_000])
    print("| rows | seconds | rows/s | rows per second of its CPU | MiB at most |")
    print("|---|---|---|---|---|")
    for rows in parser.parse_args().rows:
        with tempfile.TemporaryDirectory() as folder:
            print(measure(rows, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
