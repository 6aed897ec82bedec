"""Measures `meltano run` end to end, with the settings of meltano.yml and with the loaders' own.

    .venv/bin/python bench/loads.py                        # every warehouse, about half an hour
    .venv/bin/python bench/loads.py --only duckdb --rows 100000

The sandbox tenant serves the rows, an emulator on this machine takes them: compare lines with each
other, not with an account. Wall time, the start of Meltano and both plugins included.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinetic_sandbox.kinetic import KineticServer, Tenant

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "pipelines")]

import bigquery  # noqa: E402
import project  # noqa: E402
import snowflake  # noqa: E402
import test_bigquery  # noqa: E402
import test_databricks  # noqa: E402
import test_snowflake  # noqa: E402
from redirect import Redirect  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

COMPANY, STREAM = "EPIC06", "gl_transactions"
_OWN_SIZES = {
    "duckdb": ("TARGET_DUCKDB_BATCH_SIZE_ROWS", "100000"),
    "bigquery": ("TARGET_BIGQUERY_BATCH_SIZE", "500"),
    "snowflake": ("TARGET_SNOWFLAKE_BATCH_SIZE_ROWS", "10000"),
    "databricks": ("TARGET_DATABRICKS_BATCH_SIZE_ROWS", "10000"),
}
"""The batch that each loader, or the SDK under it, takes when nobody sets one."""


@contextmanager
def variables_of(name: str, folder: Path) -> Iterator[Mapping[str, str]]:
    """The environment in which a run finds the warehouse."""
    if name == "duckdb":
        yield {}
    elif name == "bigquery":
        with bigquery.emulator(folder) as port, bigquery.Front(port) as front:
            yield test_bigquery.Dataset(front, bigquery.guard(), folder, "kinetic").variables
    elif name == "snowflake":
        key = test_snowflake.make_key(folder / "key.p8")
        with (
            snowflake.emulator(folder) as port,
            snowflake.Front(port) as front,
            Redirect({snowflake.HOSTS: front.port}, folder) as redirect,
        ):
            yield test_snowflake.Schema(front, redirect, key, "KINETIC").variables
    else:
        with test_databricks.place(folder) as warehouse:
            yield warehouse.variables


def measure(name: str, rows: int, rounds: int, folder: Path, installed: Path) -> str:
    """One line of the table, in Markdown."""
    tenant = Tenant(profile="real", seed=1, scale=0.05, companies=(COMPANY,))
    tenant.load_bulk(STREAM, COMPANY, rows)
    total = len(tenant.rows(STREAM, COMPANY))
    size, own = _OWN_SIZES[name]
    rates: dict[str, list[float]] = {"ours": [], "own": []}
    with KineticServer(tenant) as server, variables_of(name, folder) as variables:
        for number in range(rounds):
            for kind, more in (("ours", {}), ("own", {size: own})):
                home = folder / f"{kind}{number}"
                home.mkdir()
                place = project.Project(installed, home, server, patience=3600)
                seconds = _timed(place, name, {**variables, **more})
                rates[kind].append(total / seconds)
    ours, theirs = (statistics.median(rates[kind]) for kind in ("ours", "own"))
    return f"| {name} | {total:,} | {ours:,.0f} | {theirs:,.0f} |"


def _timed(place: project.Project, name: str, variables: Mapping[str, Any]) -> float:
    environment = "sandbox" if name == "duckdb" else "prod"
    command = ["run", "--full-refresh", "tap-epicor-kinetic", f"target-{name}"]
    only = {
        "TAP_EPICOR_KINETIC__SELECT": f'["{STREAM}.*"]',
        "TAP_EPICOR_KINETIC_COMPANIES": f'["{COMPANY}"]',
    }
    started = time.monotonic()
    code, output = place.run(f"--environment={environment}", *command, **variables, **only)
    if code:
        raise SystemExit(output[-3000:])
    return time.monotonic() - started


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=_OWN_SIZES, nargs="+", default=[*_OWN_SIZES])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        installed = Path(folder) / "project"
        installed.mkdir()
        project.copy_project(installed)
        for plugin in ("tap-epicor-kinetic", *(f"target-{name}" for name in options.only)):
            project.install(plugin, installed)
        print("| warehouse | rows | rows/s, settings of meltano.yml | rows/s, loader's own batch |")
        print("|---|---|---|---|")
        for name in options.only:
            place = Path(folder) / name
            place.mkdir()
            print(measure(name, options.rows, options.rounds, place, installed), flush=True)


if __name__ == "__main__":
    main()
