"""Runs the tap on malformed answers, case by case, and says how each run ended.

    PYTHONPATH=tests python tests/tap_on_sandbox/fuzz.py --seed 1 --cases 400
    PYTHONPATH=tests python tests/tap_on_sandbox/fuzz.py --seed 1 --case 37

A run is right that ends complete with the tenant's rows, or with a message and exit code 1 or 2;
whatever it sent is the tenant's, and the next run, on a server that behaves, completes the tables.
Prints one JSON object: how many runs ended how, and every run that was not right.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import gc
import io
import json
import multiprocessing
import os
import random
import resource
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import malformed_descriptions  # noqa: F401 - declares kinds
import malformed_exchanges  # noqa: F401 - declares kinds
import malformed_pages  # noqa: F401 - declares kinds
from harness import (
    AUDIT,
    Result,
    Warehouse,
    differences,
    expected_rows,
    settings,
    tap_files,
)
from kinetic_sandbox.kinetic import KineticServer, Tenant
from malformed import KINDS, draw
from mangling_front import THREAD_NAME, Front, Plan
from tap_epicor_kinetic import cli

COMPANY = "EPIC06"
NOON = datetime(2025, 1, 1, 12, tzinfo=timezone.utc)
HANG_SECONDS = 25
SLOW_SECONDS = 9
"""Patience of a case: a second for each request, twice, and what a busy machine adds."""
MOST_MEMORY_MB = 400
MOST_FILES = 40


@dataclass(frozen=True)
class Setup:
    """A tenant and a stream of it, read in one of the ways that the tap has."""

    name: str
    stream: str
    tenant: dict[str, Any]
    page_size: int
    is_later_run: bool = False
    overrides: dict[str, Any] = field(default_factory=dict)
    vices: dict[str, Any] = field(default_factory=dict)

    def new_tenant(self) -> Tenant:
        return Tenant(seed=7, companies=(COMPANY,), clock=lambda: NOON, **self.tenant)


REAL = {"profile": "real", "scale": 0.1}
SETUPS = (
    Setup("by row version", "parts", REAL, 6),
    Setup("by key", "vendors", {"profile": "documented", "scale": 0.1, "row_versions": False}, 2),
    Setup("by key of text", "gl_segment_values",
          {"profile": "documented", "scale": 0.02, "row_versions": False}, 15),
    Setup("children", "purchase_order_lines", {"profile": "real", "scale": 0.02}, 4),
    Setup("children by offset", "purchase_order_lines", {"profile": "real", "scale": 0.02}, 4,
          vices={"child_filter_on_parent": True}),
    Setup("a later run", "parts", REAL, 3, is_later_run=True),
    Setup("decimals as text", "parts", REAL, 6, overrides={"decimal_format": "singer_decimal"}),
    Setup("with a token", "parts", REAL, 9, overrides={"auth_method": "token_resource"}),
)  # fmt: skip


@dataclass
class Verdict:
    """How a case ended; `wrong` is empty where it ended as it should."""

    case: int
    setup: str
    kind: str
    often: str
    made: int
    code: int
    retried: bool
    seconds: float
    wrong: list[str]
    where: list[str] = field(default_factory=list)
    answer: str = ""
    message: str = ""

    @property
    def ending(self) -> str:
        if self.wrong:
            return "WRONG"
        if self.code:
            return f"exit {self.code}"
        return "complete after a retry" if self.retried else "complete at once"


def run_tap(arguments: list[str]) -> tuple[int, bytes, str]:
    """The console program in this process: exit code, stdout, stderr."""
    out, err = io.BytesIO(), io.StringIO()
    text = io.TextIOWrapper(out, encoding="utf-8", write_through=True)
    kept = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = text, err
    try:
        code = cli.run(arguments)
    except BaseException:  # noqa: BLE001 - whatever it is, it is a finding
        code = -1
        err.write(traceback.format_exc())
    finally:
        sys.stdout, sys.stderr = kept
    text.detach()
    return code, out.getvalue(), err.getvalue()


class Prepared:
    """A setup with its tenant, catalog, and what a clean run asks and sends."""

    def __init__(self, setup: Setup, bench: Bench) -> None:
        self.setup = setup
        self.server = self.start()
        self.catalog = self._discover(bench)
        self.before: Result | None = None
        if setup.is_later_run:
            self.before = self.run_clean(bench)
            change(self.server.tenant, setup.stream)
        self.clean = self.run_clean(bench)
        self.asked = Counter(bench.front.seen)

    @property
    def state(self) -> dict[str, Any] | None:
        return self.before.state if self.before else None

    def start(self) -> KineticServer:
        """A tenant as at the beginning; the front asks it without a connection."""
        server = KineticServer(self.setup.new_tenant())
        for name, value in self.setup.vices.items():
            server.vices.set(name, value)
        return server

    def run(
        self, bench: Bench, server: KineticServer, state: Any, plan: Plan | None, **overrides: Any
    ) -> tuple[int, bytes, str]:
        """Run the tap on a tenant behind the front."""
        bench.front.begin(server, plan)
        # Answers as they are come in the end, also on a busy machine.
        patience = 60 if plan is None else 1
        config = self._config(bench, patience, **overrides)
        return run_tap(tap_files(bench.folder, config, state, self.catalog))

    def run_clean(self, bench: Bench) -> Result:
        """Run the tap on answers as they are."""
        code, out, err = self.run(bench, self.server, self.state, None)
        assert code == 0, err
        return Result(code, err, strict_messages(out))

    def _config(self, bench: Bench, patience: int, **overrides: Any) -> dict[str, Any]:
        return settings(
            self.server,
            api_url=bench.front.url,
            page_size=self.setup.page_size,
            retry_deadline_seconds=patience,
            request_timeout_seconds=patience,
            **self.setup.overrides,
            **overrides,
        )

    def _discover(self, bench: Bench) -> dict[str, Any]:
        bench.front.begin(self.server, None)
        files = tap_files(bench.folder, self._config(bench, 60), None, None)
        code, out, err = run_tap([*files, "--discover"])
        assert code == 0, err
        streams = json.loads(out)["streams"]
        chosen = [s for s in streams if s["tap_stream_id"] in {self.setup.stream, AUDIT}]
        return {"streams": chosen}


class Bench:
    """A front, and a folder for configuration files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.front = Front()


def settings_of_the_tap() -> set[str]:
    """The settings that this version has."""
    _, out, _ = run_tap(["--about", "--format", "json"])
    return set(json.loads(out)["settings"]["properties"])


def change(tenant: Tenant, stream: str) -> None:
    """What happens between two runs."""
    tenant.touch(stream, COMPANY, 5)
    tenant.close_some(stream, COMPANY, 2)


def strict_messages(out: bytes) -> list[dict[str, Any]]:
    """Whole lines of RFC 8259 JSON without lone surrogates, members named once."""
    if out and not out.endswith(b"\n"):
        raise ValueError(f"stdout ends in half a line: {out[-80:]!r}")
    return [_strict(line) for line in out.splitlines()]


def _strict(line: bytes) -> dict[str, Any]:
    message = json.loads(
        line.decode(), parse_float=Decimal, parse_constant=_refuse, object_pairs_hook=_once
    )
    json.dumps(message, ensure_ascii=False, default=str).encode()
    return message


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        names = Counter(name for name, _ in pairs)
        raise ValueError(f"members named twice: {[n for n, count in names.items() if count > 1]}")
    return dict(pairs)


# --- judging


def misfits(result: Result, stream: str) -> Iterator[str]:
    """Values that do not have the type that SCHEMA promised."""
    properties: dict[str, Any] = {}
    for message in result.messages:
        if message.get("stream") != stream:
            continue
        if message["type"] == "SCHEMA":
            properties = message["schema"]["properties"]
        elif message["type"] == "RECORD":
            for name, value in message["record"].items():
                if not fits(value, properties[name]):
                    shown = f"{value!r}"[:60]
                    yield f"RECORD has {name}={shown} where SCHEMA says {properties[name]}"


def fits(value: Any, schema: dict[str, Any]) -> bool:
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if value is None:
        return "null" in types
    if isinstance(value, bool):
        return "boolean" in types
    if isinstance(value, int | Decimal):
        if "number" in types:
            return abs(value) < Decimal(sys.float_info.max)
        low, high = schema.get("minimum", value), schema.get("maximum", value)
        return "integer" in types and value == int(value) and low <= value <= high
    if not isinstance(value, str) or "string" not in types:
        return False
    return schema.get("format") != "date-time" or is_date_time(value)


def is_date_time(text: str) -> bool:
    whole, _, fraction = text.removesuffix("Z").partition(".")
    try:
        datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S")  # noqa: DTZ007
    except ValueError:
        return False
    return text.endswith("Z") and (not fraction or (fraction.isascii() and fraction.isdigit()))


def plain_rows(warehouse: Warehouse, tenant: Tenant, stream: str) -> dict[Any, dict[str, Any]]:
    """Open rows; a decimal that came as text is a number again."""
    columns = tenant.entity(stream).columns
    decimals = [name for name, column in columns.items() if column.type == "Edm.Decimal"]
    rows = warehouse.open_rows(stream, COMPANY)
    for row in rows.values():
        for name in decimals:
            if isinstance(row.get(name), str):
                with contextlib.suppress(ArithmeticError):
                    row[name] = Decimal(row[name])
    return rows


def wrong_rows(warehouse: Warehouse, tenant: Tenant, stream: str, *, whole: bool) -> Iterator[str]:
    """What is not as the tenant has it; where the run is not complete, of what was sent."""
    expected = expected_rows(tenant, stream, COMPANY)
    loaded = plain_rows(warehouse, tenant, stream)
    if whole and loaded.keys() - expected.keys():
        strange = sorted(map(str, loaded.keys() - expected.keys()))
        yield f"rows that the tenant does not have: {strange[:3]}"
    if whole and expected.keys() - loaded.keys():
        missing = sorted(map(str, expected.keys() - loaded.keys()))
        yield f"{len(missing)} of {len(expected)} rows are missing, such as {missing[:3]}"
    for key in loaded.keys() & expected.keys():
        wrong = differences(loaded[key], expected[key])
        if wrong:
            shown = {name: (repr(a)[:60], repr(b)[:60]) for name, (a, b) in wrong.items()}
            yield f"row {key} differs (sent, tenant): {shown}"


def strangers(result: Result, tenant: Tenant, stream: str) -> Iterator[str]:
    """Keys of records that the tenant has in no state, open or closed."""
    key = tenant.entity(stream).key
    types = tenant.entity(stream).columns
    known = {tuple(str(row[name]) for name in key) for row in tenant.rows(stream, COMPANY)}
    if any(types[name].type == "Edm.DateTimeOffset" for name in key):
        return
    for record in result.records(stream):
        if tuple(str(record.get(name)) for name in key) not in known:
            yield f"a record of a key that the tenant does not have: {[record.get(n) for n in key]}"


def wrong_manners(code: int, err: str, result: Result, server: KineticServer) -> Iterator[str]:
    """Whatever the answer was: exit code, message, marker, secrets."""
    lines = err.strip().splitlines()
    if code not in {0, 1, 2}:
        yield f"exit code {code}"
    if "Traceback" in err or "fault of the tap" in err:
        yield f"traceback: {lines[-1][:300] if lines else ''}"
    if code and not any("| ERROR" in line or "| CRITICAL" in line for line in lines):
        yield "no error message"
    if code and result.markers:
        yield "a final marker although the run failed"
    if not code and len(result.markers) != 1:
        yield f"{len(result.markers)} final markers in a complete run"
    longest = max(map(len, lines), default=0)
    if longest > 3000:
        yield f"a log line of {longest} characters"
    if "\x1b" in err or "\0" in err:
        yield "control characters in the log"
    said = err + json.dumps(result.messages, default=str)
    for secret in (server.password, server.api_key):
        if secret in said:
            yield "a secret is told"


# --- cases


class Fuzz:
    """Runs cases in this process, one after the other."""

    def __init__(self, seed: str, bench: Bench) -> None:
        self.seed = seed
        self.bench = bench
        self.has_concurrency = "max_concurrency" in settings_of_the_tap()
        self.prepared = [Prepared(setup, bench) for setup in SETUPS]

    def run(self, case: int, kind_name: str | None = None) -> Verdict:
        """Run a case; where its kind fits no answer of a setup, on another one."""
        rng = random.Random(f"{self.seed}/{case}")
        kind = draw(rng, case)
        if kind_name is not None:
            kind = next(kind for kind in KINDS if kind.name == kind_name)
        for prepared in rng.sample(self.prepared, len(self.prepared)):
            whats = sorted(kind.of & prepared.asked.keys())
            if not whats:
                continue
            what = rng.choice(whats)
            first = rng.randrange(prepared.asked[what])
            often = rng.choice(["once", "once", "always", "half"])
            verdict = self._run(case, prepared, Plan(kind, what, first, often, rng))
            if verdict.made:
                break
        return verdict

    def _run(self, case: int, prepared: Prepared, plan: Plan) -> Verdict:
        overrides = {"max_concurrency": plan.rng.randint(1, 4)} if self.has_concurrency else {}
        started, memory = time.monotonic(), peak_mb()
        code, out, err = prepared.run(
            self.bench, prepared.server, prepared.state, plan, **overrides
        )  # fmt: skip
        seconds, grown = time.monotonic() - started, peak_mb() - memory
        trapped = self.bench.front.trapped
        wrong = [f"called another host: {each[:200]!r}" for each in trapped[:1]]
        if seconds > SLOW_SECONDS:
            wrong.append(f"took {seconds:.1f} s")
        if grown > MOST_MEMORY_MB:
            wrong.append(f"took {grown:.0f} MB of memory")
        wrong += self._judge(case, prepared, code, out, err)
        verdict = Verdict(
            case, prepared.setup.name, plan.kind.name, plan.often, len(plan.made), code,
            retried="asking again" in err, seconds=round(seconds, 2), wrong=wrong,
            message=(err.strip().splitlines() or [""])[-1][:600],
        )  # fmt: skip
        if wrong:
            verdict.where = [path[-200:] for path, _ in plan.made[:2]]
            verdict.answer = repr(plan.made[0][1][-1500:]) if plan.made else ""
            if "Traceback" in err:
                verdict.message = err[err.index("Traceback") :][-2500:]
        return verdict

    def _judge(self, case: int, prepared: Prepared, code: int, out: bytes, err: str) -> list[str]:
        stream, server = prepared.setup.stream, prepared.server
        try:
            result = Result(code, err, strict_messages(out))
        except (ValueError, RecursionError) as error:
            return [*wrong_manners(code, err, Result(code, err, []), server), f"stdout: {error}"]
        wrong = list(wrong_manners(code, err, result, server))
        wrong += list(misfits(result, stream))[:3]
        wrong += list(strangers(result, server.tenant, stream))[:3]
        sent, warehouse = Warehouse(), Warehouse()
        sent.load(result)
        wrong += list(wrong_rows(sent, server.tenant, stream, whole=False))[:3]
        for each in (prepared.before, result):
            if each is not None:
                warehouse.load(each)
        if code == 0:
            wrong += list(wrong_rows(warehouse, server.tenant, stream, whole=True))[:3]
        share = 0.5 if code else 0.2
        is_followed = random.Random(f"{self.seed}/{case}/next").random() < share
        if not wrong and is_followed:
            wrong += self._next_runs(prepared, warehouse, result)
        return wrong

    def _next_runs(self, prepared: Prepared, warehouse: Warehouse, cut: Result) -> Iterator[str]:
        """The server behaves again, and there are changes: the tables become the tenant's.

        In two runs: one that resumes a walk leaves what has changed behind it to the next.
        """
        server, setup = prepared.start(), prepared.setup
        state = cut.state or prepared.state
        try:
            if prepared.before:
                change(server.tenant, setup.stream)
            server.tenant.touch(setup.stream, COMPANY, 2)
            for _ in range(2):
                code, out, err = prepared.run(self.bench, server, state, None)
                if code:
                    yield f"the next run ends with {code}: {err.strip().splitlines()[-1][:400]}"
                    return
                result = Result(code, err, strict_messages(out))
                warehouse.load(result)
                state = result.state
            for wrong in list(wrong_rows(warehouse, server.tenant, setup.stream, whole=True))[:3]:
                yield f"after the next runs: {wrong}"
        finally:
            server._http.server_close()

    def leaks(self, last: int) -> list[str]:
        """What a clean run sends at the end is what it sent at the beginning."""
        return [
            f"{prepared.setup.name}: a clean run sends other messages than before all cases"
            for prepared in random.Random(last).sample(self.prepared, 3)
            if _without_run(prepared.clean) != _without_run(prepared.run_clean(self.bench))
        ]


def _without_run(result: Result) -> list[tuple[str, Any]]:
    """SCHEMA and RECORD messages of the tenant, without what is each run's or front's own."""
    own = {"_epicor_synced_at", "_epicor_run_id", "_epicor_instance", "_epicor_source_url"}
    rows = []
    for message in result.messages:
        if message.get("stream", AUDIT) == AUDIT:
            continue
        row = {k: v for k, v in message.get("record", {}).items() if k not in own}
        row["_sdc_deleted_at"] = row.get("_sdc_deleted_at") is not None
        rows.append((message["type"], row if message["type"] == "RECORD" else message))
    return sorted(rows, key=str)  # requests in flight together end in any order


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def left_threads() -> list[str]:
    """Threads of the tap that go on after its run, once time-outs are over."""
    deadline = time.monotonic() + 4
    while True:
        alive = [t.name for t in threading.enumerate() if t is not threading.main_thread()]
        names = [name for name in alive if name != THREAD_NAME]
        if not names or time.monotonic() > deadline:
            return names
        time.sleep(0.1)


# --- processes


def work(fuzz: Fuzz, kind: str | None, pipe: Connection, stacks: str) -> None:
    """Run the cases that come; a hang writes every stack and ends this process."""
    with tempfile.TemporaryDirectory() as folder, Path(stacks).open("w") as file:
        fuzz.bench = Bench(Path(folder))
        files = open_files()
        last = 0
        while (case := next_case(pipe)) is not None:
            last = case
            faulthandler.dump_traceback_later(HANG_SECONDS, exit=True, file=file)
            try:
                pipe.send(fuzz.run(case, kind))
            except Exception:  # noqa: BLE001 - of this program, and a finding all the same
                pipe.send(([f"case {case}: {traceback.format_exc()}"], 0.0))
                return
            faulthandler.cancel_dump_traceback_later()
        wrong = fuzz.leaks(last)
        if left := left_threads():
            wrong.append(f"{len(left)} threads of the tap are left behind, such as {left[:3]}")
        gc.collect()
        if open_files() > files + MOST_FILES:
            wrong.append(f"{open_files() - files} files or sockets are left open")
        pipe.send((wrong, peak_mb()))


def next_case(pipe: Connection) -> int | None:
    """The next case; no orphan waits for one, as the tap keeps signals for itself."""
    parent = multiprocessing.parent_process()
    while not pipe.poll(2):
        if not parent.is_alive():
            os._exit(1)
    return pipe.recv()


def open_files() -> int:
    """Files and sockets of this process, 0 where the system does not tell."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


@dataclass
class Report:
    """What came of all cases."""

    seed: str
    cases: int = 0
    answers: int = 0
    seconds: float = 0
    peak_mb: float = 0
    endings: Counter[str] = field(default_factory=Counter)
    by_kind: dict[str, Counter[str]] = field(default_factory=dict)
    wrong: list[dict[str, Any]] = field(default_factory=list)
    hung: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)

    def add(self, verdict: Verdict) -> None:
        self.cases += 1
        self.answers += verdict.made
        ending = verdict.ending if verdict.made else "nothing to mangle"
        self.endings[ending] += 1
        self.by_kind.setdefault(verdict.kind, Counter())[ending] += 1
        if verdict.wrong:
            self.wrong.append(asdict(verdict))


class Workers:
    """Processes that take a case each: most of a case's time is a wait before asking again."""

    def __init__(self, fuzz: Fuzz, kind: str | None, folder: str) -> None:
        self._context = multiprocessing.get_context("fork")
        self._fuzz, self._kind, self._folder = fuzz, kind, folder
        self._busy: dict[Connection, tuple[Any, str, int | None]] = {}
        self._started = 0

    def start(self, case: int | None) -> None:
        """One more process, with its first case."""
        mine, theirs = self._context.Pipe()
        self._started += 1
        stacks = f"{self._folder}/{self._started}"
        process = self._context.Process(target=work, args=(self._fuzz, self._kind, theirs, stacks))
        process.start()
        theirs.close()
        self._give(mine, process, stacks, case)

    def _give(self, pipe: Connection, process: Any, stacks: str, case: int | None) -> None:
        self._busy[pipe] = (process, stacks, case)
        pipe.send(case)

    def run(self, cases: list[int], count: int, report: Report) -> None:
        """Hand out all cases and collect what comes of them."""
        left = iter(cases)
        for _ in range(min(count, len(cases))):
            self.start(next(left))
        while self._busy:
            for pipe in wait(list(self._busy)):
                process, stacks, case = self._busy.pop(pipe)
                try:
                    said = pipe.recv()
                except EOFError:
                    process.join()
                    report.hung.append(
                        f"case {case}: no end after {HANG_SECONDS} s (exit {process.exitcode}): "
                        + Path(stacks).read_text()[:4000]
                    )
                    self.start(next(left, None))
                    continue
                if isinstance(said, Verdict):
                    report.add(said)
                    self._give(pipe, process, stacks, next(left, None))
                else:
                    report.leaks += [each for each in said[0] if each not in report.leaks]
                    report.peak_mb = max(report.peak_mb, said[1])
                    process.join()
                    if case is not None:
                        self.start(next(left, None))


def run_all(seed: str, cases: list[int], workers: int, kind: str | None) -> Report:
    """Prepare once, then spread the cases over processes."""
    # Reading the system's certificates would be half of a run, and nothing here is encrypted.
    os.environ["SSL_CERT_FILE"] = os.environ["SSL_CERT_DIR"] = os.devnull
    report, started = Report(seed), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        fuzz = Fuzz(seed, Bench(Path(folder)))
        fuzz.bench.front.close()
        Workers(fuzz, kind, folder).run(cases, workers, report)
    report.seconds = round(time.monotonic() - started, 1)
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--cases", type=int, default=400)
    parser.add_argument("--case", type=int, help="this one only")
    parser.add_argument("--kind", help="this kind only, by its name")
    parser.add_argument("--workers", type=int, default=12)
    arguments = parser.parse_args()
    one = arguments.case is not None
    cases = [arguments.case] if one else list(range(arguments.cases))
    report = run_all(arguments.seed, cases, arguments.workers, arguments.kind)
    print(json.dumps(vars(report), indent=1))  # noqa: T201
    return bool(report.wrong or report.hung or report.leaks)


if __name__ == "__main__":
    sys.exit(main())
