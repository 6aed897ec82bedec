"""Measures the tap beside its peers on the yardstick's stand-in, and prints the tables of the docs.

    bash bench/yardstick/setup.sh raw naive dlt airbyte     # the peers, once; needs PyPI and cc
    .venv/bin/python bench/demands.py                       # all of it, about half an hour
    .venv/bin/python bench/demands.py --only "full read"    # what begins so

Whole processes, interpreter start included; peers in turn within a round; ratios are taken within
a round, then the median.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
YARDSTICK = HERE / "yardstick"
TAP = Path(sys.executable).with_name("tap-epicor-kinetic")
FLOOR = "floor-parse"
_FEW_ROWS = 1000
EVERYBODY = (FLOOR, "naive", "sdk-tuned", "dlt-extract", "airbyte", "tap")
# The peers send every column, so that is what the tap is measured with.
EVERY_COLUMN: dict[str, Any] = {"sensitive_columns": []}
SETTINGS = {
    "companies": ["EPIC06"], "api_key": "bench-key", "username": "bench", "password": "bench",
}  # fmt: skip


@dataclass(frozen=True)
class Demand:
    """One line of the table.

    Attributes:
        name: what is measured.
        at_least: the ratio to the floor that is asked for; None where something else counts.
        options: of the yardstick's runner.
        settings: of the tap, beside the yardstick's own.
        server: of the stand-in.
        peers: who runs.
    """

    name: str
    at_least: float | None
    options: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    server: str = ""
    peers: tuple[str, ...] = (FLOOR, "tap")


SLOW = ("--latency-ms", "50")
DEMANDS = (
    Demand("full read, 100,000 rows", 1.0, peers=EVERYBODY),
    Demand("full read, a million rows", 1.4, ("--rows", "1000000")),
    Demand("pages of 100", 0.75, ("--page", "100")),
    Demand("50 ms away, as set out of the box", 2.5, SLOW),
    Demand("50 ms away, `max_concurrency: 8`", 3.5, SLOW, {"max_concurrency": 8}),
    Demand("50 ms away, `max_concurrency: 1`", 0.97, SLOW, {"max_concurrency": 1}),
    Demand("a server whose OFFSET costs", 5.0, ("--rows", "200000", "--latency-ms", "5"),
           server="skip-us-per-k=500"),
    Demand("258 columns, 20,000 rows", 1.3, ("--rows", "20000"), server="cols=258"),
    Demand("through a stream map that drops a column", 0.23, (),
           {"stream_maps": {"vendors": {"Comment": None}}}),
    Demand("nothing changed", None, ("--scenario", "nochange")),
    Demand("nothing changed, 50 ms away", None, ("--scenario", "nochange", *SLOW)),
)  # fmt: skip
WORLDS = (
    ("4 workers x 100 ms, 50 ms away", "latency-ms=50,service-ms=100,slots=4"),
    ("1 worker x 60 ms, 50 ms away", "latency-ms=50,service-ms=60,slots=1"),
    ("429 above 3 in flight, 100 ms", "latency-ms=100,max-inflight=3"),
    ("429 above 6 in flight, 4 workers x 100 ms",
     "latency-ms=50,service-ms=100,slots=4,max-inflight=6"),
)  # fmt: skip


class Bench:
    """Runs the yardstick with the tap as it is here."""

    def __init__(self, folder: Path, venvs: str, rounds: int) -> None:
        self._folder = folder
        self._venvs = venvs
        self._rounds = rounds

    def runs(self, demand: Demand) -> list[dict[str, Any]]:
        """Every measured run of a demand."""
        results = self._folder / "runs.jsonl"
        results.unlink(missing_ok=True)
        server = ["--server", demand.server] if demand.server else []
        self._python(
            "run.py", "--only", ",".join(demand.peers), "--ref", demand.peers[0],
            "--rounds", str(self._rounds), "--venvs", self._venvs, "--json", str(results),
            "--cmd", f"tap={self.tap(demand.settings, demand.server)}", *server, *demand.options,
        )  # fmt: skip
        found = [json.loads(line) for line in results.read_text().splitlines()]
        broken = [run for run in found if run["rc"]]
        if broken:
            raise SystemExit(f"{demand.name}: {broken[0]['peer']} ended with {broken[0]['rc']}")
        return [run for run in found if run["round"] >= 0]

    def tap(self, settings: dict[str, Any], server: str = "") -> str:
        """The tap's command line: every column of the vendors, a catalog made beforehand."""
        over = self._folder / "settings.json"
        over.write_text(json.dumps({**EVERY_COLUMN, **settings}))
        catalog = self._catalog(server)
        return shlex.join([str(TAP), "--config"]) + " {config} " + shlex.join(
            ["--config", str(over), "--catalog", str(catalog)]
        )  # fmt: skip

    def _catalog(self, server: str) -> Path:
        path = self._folder / "catalog.json"
        columns = [option for option in server.split(",") if option.startswith("cols=")]
        stand_in = StandIn(self._folder, columns)
        try:
            config = self._folder / "discover.json"
            config.write_text(json.dumps({"api_url": stand_in.url, **SETTINGS, **EVERY_COLUMN}))
            found = subprocess.run(
                [TAP, "--config", config, "--discover"], capture_output=True, check=True
            )
        finally:
            stand_in.stop()
        catalog = json.loads(found.stdout)
        for entry in catalog["streams"]:
            for each in entry["metadata"]:
                if not each["breadcrumb"]:
                    each["metadata"]["selected"] = entry["tap_stream_id"] == "vendors"
        path.write_text(json.dumps(catalog))
        return path

    def loss(self) -> None:
        """Rows lost while the source changes: the yardstick's own table."""
        command = f"tap={self.tap({'lookback_seconds': 3})}"
        for lag in ("0", "2000"):
            self._python("loss.py", "--only", "tap", "--lag-ms", lag, "--cmd", command,
                         "--venvs", self._venvs, "--settle", "4", quiet=False)  # fmt: skip

    def worlds(self) -> None:
        """Unknown limits: the tap from one request up to 16, beside the best fixed number."""
        fixed = self._python("adaptive.py", "--rows", "20000", "--page", "200", "--rounds", "1")
        best = {
            cells[0].strip(): min(float(cell.split()[0]) for cell in cells[1:6])
            for line in fixed.splitlines()
            if len(cells := line.strip("| \n").split("|")) > len(WORLDS) and "c=1" not in line
            and "---" not in line
        }  # fmt: skip
        print("\n| server | best fixed, s | the tap, s | refusals |\n|---|---:|---:|---:|")
        for (name, server), seconds in zip(WORLDS, list(best.values())[1:], strict=False):
            runs = self.runs(Demand(name, None, ("--rows", "20000", "--page", "200"),
                                    {"max_concurrency": 16}, server, ("tap",)))  # fmt: skip
            took = statistics.median(run["wall"] for run in runs)
            refused = statistics.median(run["e429"] for run in runs)
            print(f"| {name} | {seconds:.1f} | {took:.1f} | {refused:.0f} |")

    def sweep(self) -> None:
        """Bytes of a key sweep beside those of a full read, out of the run log."""
        log = self._folder / "runs.log"
        stand_in = StandIn(self._folder, ["rows=100000"])
        config = self._folder / "sweep.json"
        config.write_text(json.dumps({
            "api_url": stand_in.url, **SETTINGS, **EVERY_COLUMN, "run_log_path": str(log),
            "sweep_streams": ["*"], "sweep_path": str(self._folder / "keys"),
            "sweep_every_hours": 0,
        }))  # fmt: skip
        state = self._folder / "state.json"
        command = [TAP, "--config", config, "--catalog", self._catalog("")]
        try:
            first = subprocess.run(command, capture_output=True, check=True, text=True)
            states = re.findall(r'^\{"type":"STATE","value":(.*)\}$', first.stdout, re.MULTILINE)
            state.write_text(states[-1])
            subprocess.run([*command, "--state", state], capture_output=True, check=True)
        finally:
            stand_in.stop()
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        whole, later = (line["bytes"] for line in lines if line.get("stream") == "vendors")
        print(f"\nkey sweep of 100,000 rows: {later / 1e6:.1f} MB beside a full read of "
              f"{(whole - later) / 1e6:.1f} MB, {later / (whole - later):.1%}")  # fmt: skip

    def _python(self, name: str, *arguments: str, quiet: bool = True) -> str:
        done = subprocess.run(
            [sys.executable, YARDSTICK / name, *arguments],
            stdout=subprocess.PIPE, text=True, check=True,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
        if not quiet:
            print(done.stdout)
        return done.stdout


class StandIn:
    """The yardstick's server."""

    def __init__(self, folder: Path, options: list[str]) -> None:
        program = folder / "stand_in"
        source = YARDSTICK / "mock" / "odata_mock.c"
        subprocess.run(["cc", "-O2", "-w", "-pthread", "-o", program, source, "-lz"], check=True)  # noqa: S607
        flags = [part for option in options for part in ("--" + option).split("=")]
        self._process = subprocess.Popen(
            [program, "--port", "0", "--rows", "1000", *flags], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        port = re.search(r"port=(\d+)", self._process.stdout.readline())
        assert port is not None  # noqa: S101 - its first line names it
        self.url = f"http://127.0.0.1:{port[1]}"
        urllib.request.urlopen(f"{self.url}/_ctl/stats", timeout=30).close()  # noqa: S310

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()


def table(demand: Demand, runs: list[dict[str, Any]]) -> list[str]:
    """Lines of Markdown, one per peer."""
    lines = []
    reference = [run["wall"] for run in runs if run["peer"] == demand.peers[0]]
    for peer in demand.peers:
        own = [run for run in runs if run["peer"] == peer]
        wall, cpu, peak, rows, requests = (
            statistics.median(run[name] for run in own)
            for name in ("wall", "cpu", "rss_mb", "rows", "requests")
        )
        ratio = statistics.median(r / run["wall"] for r, run in zip(reference, own, strict=True))
        asked = "" if demand.at_least is None or peer != "tap" else f"{demand.at_least:g}"
        told = "" if demand.at_least is None else f"{ratio:.2f}"
        is_long = rows > _FEW_ROWS
        speed = f"{rows / wall:,.0f}" if is_long else ""
        lines.append(
            f"| {demand.name} | {peer} | {wall:.2f} | {speed} | {told} | {asked} "
            f"| {cpu / rows * 1e6 if is_long else cpu:.1f} | {peak:.0f} "
            f"| {requests:.0f} |"
        )
    return lines


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venvs", default=os.environ.get("BENCH_VENVS", str(HERE / ".venvs")))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), options.venvs, options.rounds)
        print("| measured | who | s | rows/s | x floor | asked for | CPU s per M rows | peak MB "
              "| requests |\n|---|---|" + "---:|" * 7)  # fmt: skip
        for demand in DEMANDS:
            if demand.name.startswith(options.only):
                print("\n".join(table(demand, bench.runs(demand))), flush=True)
        for name, measure in (("loss", bench.loss), ("worlds", bench.worlds),
                              ("sweep", bench.sweep)):  # fmt: skip
            if name.startswith(options.only):
                measure()


if __name__ == "__main__":
    main()
