"""Killed at any moment, a run is resumed from what a loader kept; nothing is lost or doubled."""

import json
import random
import secrets
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from harness import (
    TAP,
    Result,
    Warehouse,
    assert_equal,
    deleted_rows,
    environment,
    read_messages,
    run_tap,
    settings,
    tap_files,
)
from kinetic_sandbox.kinetic import KineticServer, Tenant

PROFILES = ("documented", "real")
MOST_KILLS = 3
_START_UP = 0.35
"""The share of a run before which little has been asked; kills there are rarer."""


class WatchedServer(KineticServer):
    """Calls back before it answers the n-th request of a run."""

    def __init__(self, tenant: Tenant) -> None:
        super().__init__(tenant)
        self._left = 0
        self._call: Callable[[], None] = lambda: None

    def watch(self, count: int, call: Callable[[], None]) -> None:
        self._left, self._call = count, call

    def answer(self, request):
        self._left -= 1
        if self._left == 0:
            self._call()
        return super().answer(request)


@dataclass(frozen=True)
class Whole:
    """How long an undisturbed run takes, what it says and asks."""

    seconds: float
    size: int
    requests: int


@dataclass(frozen=True)
class Moment:
    """When to kill: at a share of an undisturbed run's seconds, bytes or requests."""

    of: str
    share: float


class Killed:
    """A process of the tap whose output is read until it is killed."""

    def __init__(self, server: WatchedServer, folder: Path, files: list[str]) -> None:
        self._server = server
        self._errors = folder / "stderr"
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [*TAP, *files], stdout=subprocess.PIPE, stderr=errors, env=environment()
            )

    def run(self, moment: Moment, whole: Whole) -> Result:
        """Kill at this moment; the result is what a loader had received by then."""
        process, timer = self._process, None
        if moment.of == "requests":
            self._server.watch(max(1, round(whole.requests * moment.share)), process.kill)
        elif moment.of == "seconds":
            timer = threading.Timer(whole.seconds * moment.share, process.kill)
            timer.start()
        else:
            received = process.stdout.read(max(1, round(whole.size * moment.share)))
            process.kill()
        received = (received if moment.of == "bytes" else b"") + process.stdout.read()
        process.stdout.close()
        code = process.wait(timeout=60)
        self._server.watch(0, lambda: None)
        if timer is not None:
            timer.cancel()
        whole_lines = received[: received.rfind(b"\n") + 1].decode()
        return Result(code, self._errors.read_text(), read_messages(whole_lines))


@dataclass
class Loader:
    """Stores rows at least once; STATE counts when the rows before it are stored."""

    warehouse: Warehouse
    state: dict | None = None

    def take(self, result: Result, *, states_behind: int = 0, and_rows: bool = False) -> None:
        """Store what a run said, up to a STATE.

        Args:
            result: the run.
            states_behind: how many STATE messages a loader that was slow had not come to.
            and_rows: whether rows behind that STATE were stored as well.
        """
        states = [n for n, m in enumerate(result.messages) if m["type"] == "STATE"]
        states = states[: max(1, len(states) - states_behind)]
        end = 0
        if states:
            self.state = result.messages[states[-1]]["value"]
            end = states[-1] + 1
        stored = result.messages if and_rows else result.messages[:end]
        self.warehouse.load(Result(result.code, "", stored))


@cache
def concurrency() -> dict[str, int]:
    """Four requests at once, where the tap has a setting for that."""
    about = subprocess.run(
        [*TAP, "--about", "--format", "json"],
        capture_output=True, text=True, env=environment(), check=True,
    )  # fmt: skip
    has_it = "max_concurrency" in json.loads(about.stdout)["settings"]["properties"]
    return {"max_concurrency": 4} if has_it else {}


class Scene:
    """A tenant, a loader, and runs of the tap that are killed until one is complete."""

    def __init__(self, folder: Path, server: WatchedServer, seed: str) -> None:
        self.folder, self.server = folder, server
        self.rng = random.Random(seed)
        self.loader = Loader(Warehouse())
        self.config = settings(server, page_size=25, **concurrency())

    def run(self) -> Whole:
        """A run that nobody kills."""
        self.server.requests.clear()
        started = time.monotonic()
        result = run_tap(self.folder, self.config, state=self.loader.state)
        assert result.code == 0, result.stderr[-3000:]
        assert len(result.markers) == 1
        self.loader.take(result)
        size = sum(len(json.dumps(m, default=str, separators=(",", ":"))) for m in result.messages)
        return Whole(time.monotonic() - started, size, len(self.server.requests))

    def kill(self, moment: Moment, whole: Whole, **kept: Any) -> bool:
        """Kill a run, unless it was over before; the loader takes its output as far as `kept`."""
        self.server.requests.clear()
        files = tap_files(self.folder, self.config, self.loader.state, None)
        result = Killed(self.server, self.folder, files).run(moment, whole)
        assert "Traceback" not in result.stderr
        if result.code == 0 or result.markers:  # it had said all
            self.loader.take(result)
            return False
        self.loader.take(result, **kept)
        return True

    def kill_at_random(self, whole: Whole) -> bool:
        """Kill at any moment, with a loader that came any way along."""
        behind = self.rng.choice([0, 0, 0, 1, 5])
        return self.kill(
            self.moment(), whole, states_behind=behind, and_rows=self.rng.random() < 0.3
        )

    def moment(self) -> Moment:
        """Later runs say and ask less than the one that was measured, so early is likelier."""
        of = self.rng.choice(["seconds", "bytes", "requests"])
        earliest = 0 if of != "seconds" or self.rng.random() < 0.2 else _START_UP
        return Moment(of, max(earliest, self.rng.random() ** self.rng.choice([1, 3])))

    def is_exact(self, *, but=frozenset()) -> None:
        assert_equal(self.loader.warehouse, self.server.tenant, but=but)


def scene(folder: Path, seed: str, profile: str, *, scale: float = 0.12) -> Scene:
    server = WatchedServer(Tenant(profile=profile, seed=5, scale=scale))
    return Scene(folder, server, seed)


def books(profile: str) -> Tenant:
    """One company, whose journal takes many pages."""
    tenant = Tenant(profile=profile, seed=5, scale=0.1, companies=("EPIC06",))
    tenant.load_bulk("gl_transactions", "EPIC06", 300)
    return tenant


@cache
def undisturbed(profile: str) -> Whole:
    """A first sync of that tenant."""
    with TemporaryDirectory() as folder, WatchedServer(books(profile)) as server:
        return Scene(Path(folder), server, "").run()


@pytest.mark.parametrize(
    ("profile", "moment"),
    [
        ("documented", Moment("bytes", 0.7)),
        ("real", Moment("requests", 0.5)),
        ("real", Moment("seconds", 0.75)),
    ],
    ids=str,
)
def test_a_killed_first_sync_is_resumed_exactly(tmp_path, profile, moment):
    whole = undisturbed(profile)
    with WatchedServer(books(profile)) as server:
        it = Scene(tmp_path, server, "first")

        it.kill(moment, whole)
        it.run()

        it.is_exact()


@pytest.mark.parametrize(
    ("profile", "moment"),
    [("documented", Moment("requests", 0.3)), ("real", Moment("bytes", 0.03))],
    ids=str,
)
def test_a_killed_later_run_is_resumed_exactly(tmp_path, profile, moment):
    with WatchedServer(books(profile)) as server:
        it = Scene(tmp_path, server, "later")
        whole = it.run()
        gone = deleted_rows(server.tenant.day_passes())
        server.tenant.touch("gl_transactions", "EPIC06", 100)

        assert it.kill(moment, whole)
        it.run()

        it.is_exact(but=gone)


@pytest.mark.full
@pytest.mark.parametrize("profile", PROFILES)
def test_50_kills_at_random_moments(tmp_path, profile, capsys):
    seed = secrets.token_hex(4)
    with capsys.disabled():
        print(f"\nkill -9 on {profile}: seed {seed}")  # noqa: T201
    dice = random.Random(seed)
    killed, scenes = 0, 0
    while killed < 25:
        scenes += 1
        folder = tmp_path / str(scenes)
        folder.mkdir()
        killed += killed_until_complete(folder, f"{seed}/{scenes}", profile, dice)
    with capsys.disabled():
        print(f"{killed} kills in {scenes} lives of a tenant")  # noqa: T201


@pytest.mark.full
@pytest.mark.parametrize("seed", ["a", "b", "c"])
@pytest.mark.parametrize("profile", PROFILES)
def test_a_tenant_that_changes_while_killed_runs_read_it(tmp_path, profile, seed):
    it = scene(tmp_path, seed, profile)
    with it.server:
        whole = it.run()
        tenant, vices = it.server.tenant, it.server.vices
        for stream in ("vendors", "purchase_order_lines", "gl_transactions"):
            tenant.touch(stream, "EPIC06", 10)
        held = tenant.hold_back("vendors", "EPIC06", 3)
        vices.set("change_between_pages", 1)
        vices.set("close_between_pages", 1)
        for _ in range(MOST_KILLS):
            it.kill_at_random(whole)
        it.run()
        held.commit()
        vices.clear()

        it.run()

        it.is_exact()


def killed_until_complete(folder: Path, seed: str, profile: str, dice: random.Random) -> int:
    """One life of a tenant: a first sync and a later run, killed again and again."""
    it, killed = scene(folder, seed, profile), 0
    with it.server:
        it.server.tenant.load_bulk("gl_transactions", "EPIC06", dice.choice([0, 400]))
        slow = dice.choice([0, 0.005, 0.02])
        it.server.vices.set("slow", slow)
        whole = measured(folder, it)
        gone = set()
        for days in (0, dice.randint(1, 3)):
            if days:
                gone |= deleted_rows(it.server.tenant.day_passes(days))
            for _ in range(dice.randint(1, MOST_KILLS)):
                killed += it.kill_at_random(whole)
            whole = it.run()
            it.is_exact(but=gone)
    return killed


def measured(folder: Path, it: Scene) -> Whole:
    """An undisturbed first sync, whose output nobody keeps."""
    other = Scene(folder, it.server, "measured")
    return other.run()
