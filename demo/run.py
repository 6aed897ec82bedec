"""The demo: a sandbox tenant into DuckDB, a day later again, and a report of what arrived."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import duckdb
from processes import Sandbox, StepFailed, run_logged, sandbox
from report import write_report

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "demo" / "output"
# Not kinetic.duckdb: DuckDB could not tell the file from the schema in `kinetic.vendors`.
DATABASE = OUTPUT / "demo.duckdb"
REPORT = OUTPUT / "report.html"
SCHEMA = "kinetic"
TAP, LOADER = "tap-epicor-kinetic", "target-duckdb"
PROGRAMS = Path(sys.executable).parent

STOPPED_BY = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# A tenant of the user's own, from the environment or .env, is none of the demo's business.
FOREIGN = ("TAP_EPICOR_KINETIC_", "TARGET_DUCKDB_", "MELTANO_")

# One row a stream: what the first run loaded, what the second found changed or closed.
_RUNS = """
WITH numbered AS (
    SELECT run_id, row_number() OVER (ORDER BY min(started_at)) AS number
    FROM {schema}.epicor_sync_runs GROUP BY run_id
), runs AS (
    SELECT number, stream, sum(rows_sent) AS sent, sum(rows_retracted) AS retracted,
           sum(requests) AS requests,
           date_diff('millisecond', min(started_at), max(finished_at)) / 1000 AS seconds,
           bool_and(status = 'complete') AS complete
    FROM {schema}.epicor_sync_runs JOIN numbered USING (run_id) GROUP BY number, stream
)
SELECT stream, a.sent, a.requests, a.seconds,
       b.sent - b.retracted, b.retracted, b.requests, b.seconds, a.complete AND b.complete
FROM (FROM runs WHERE number = 1) a JOIN (FROM runs WHERE number = 2) b USING (stream)
ORDER BY a.sent DESC, stream
"""
_HEADS = ("stream", "loaded", "requests", "s", "changed", "retracted", "requests", "s")


def main() -> int:
    """Do it all; exit code 1 with the end of the failing step's log if a step fails."""
    for number in STOPPED_BY:
        signal.signal(number, _leave)
    started = time.monotonic()
    try:
        _start_from_nothing()
        _demonstrate()
    except StepFailed as failure:
        print(f"\nThe demo failed: {failure}", file=sys.stderr)
        return 1
    print(f"\nDone in {time.monotonic() - started:.0f} s. Report: {REPORT}")
    return 0


def _leave(number: int, _: object) -> NoReturn:
    """Leave by an exception, so that every started program is stopped on the way out."""
    for later in STOPPED_BY:
        signal.signal(later, signal.SIG_IGN)
    print("\nStopped.", file=sys.stderr)
    sys.exit(128 + number)


def _start_from_nothing() -> None:
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir(parents=True)
    (OUTPUT / "empty.env").touch()


def _demonstrate() -> None:
    _say("installing tap and loader")
    seconds = run_logged(_meltano("install", TAP, LOADER), _log("install"), _environment({}))
    _said(f"{seconds:.0f} s")
    command = [str(PROGRAMS / "kinetic-sandbox"), "serve"]
    options = ["--port", "0", "--profile", "real", "--seed", "7"]
    _say("starting a sandbox tenant")
    with sandbox([*command, *options], _log("sandbox"), _environment({})) as tenant:
        _said(tenant.url)
        first = _load(tenant, "first run", "run-1")
        _say("a day passes")
        _said(_in_words(tenant.let_a_day_pass()))
        second = _load(tenant, "second run", "run-2")
    print(f"\nThe tenant received {first:,} data requests in run 1 and {second:,} in run 2.\n")
    _print_table()
    for line in write_report(DATABASE, SCHEMA, REPORT):
        print(line)


def _load(tenant: Sandbox, name: str, log: str) -> int:
    """Run the pipeline once; how many data requests the tenant received."""
    _say(name)
    command = _meltano("--environment=sandbox", "run", TAP, LOADER)
    seconds = run_logged(command, _log(log), _environment(tenant.settings))
    requests = tenant.take_requests()
    _said(f"{seconds:.0f} s, {len(requests):,} requests")
    return sum(request["kind"] == "rows" for request in requests)


def _meltano(*arguments: str) -> list[str]:
    return [str(PROGRAMS / "meltano"), "--env-file", str(OUTPUT / "empty.env"), *arguments]


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return {
        **kept,
        **{f"TAP_EPICOR_KINETIC_{name}": value for name, value in settings.items()},
        "TARGET_DUCKDB_FILEPATH": str(DATABASE),
        "MELTANO_PROJECT_ROOT": str(ROOT),
        "MELTANO_DATABASE_URI": f"sqlite:///{OUTPUT / 'meltano.db'}",
        "MELTANO_CLI_LOG_FORMAT": "uncolored",
        "NO_COLOR": "1",
    }


def _in_words(changes: Mapping[str, Mapping[str, Sequence[object]]]) -> str:
    counts = {kind: sum(map(len, streams.values())) for kind, streams in changes.items()}
    return ", ".join(f"{count:,} rows {kind}" for kind, count in counts.items() if count)


def _print_table() -> None:
    with duckdb.connect(str(DATABASE), read_only=True) as connection:
        found = connection.execute(_RUNS.format(schema=SCHEMA)).fetchall()
    if not found or not all(complete for *_, complete in found):
        raise StepFailed(f"not every stream is complete, see {SCHEMA}.epicor_sync_runs")
    rows = [[_text(value) for value in row[:-1]] for row in found]
    totals = ["total", *(_text(sum(column)) for column in list(zip(*found, strict=True))[1:-1])]
    lines = [list(_HEADS), *rows, totals]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    runs = f"{'':{widths[0]}}  {'run 1':^{sum(widths[1:4]) + 4}}    run 2"
    print(runs)
    for line in lines:
        stream, *numbers = line
        cells = [f"{text:>{width}}" for text, width in zip(numbers, widths[1:], strict=True)]
        print("  ".join([f"{stream:<{widths[0]}}", *cells[:3], " ", *cells[3:]]))
    print()


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _log(name: str) -> Path:
    return OUTPUT / f"{name}.log"


def _say(what: str) -> None:
    print(f"{what + ' ':.<28} ", end="", flush=True)


def _said(result: str) -> None:
    print(result, flush=True)


if __name__ == "__main__":
    sys.exit(main())
