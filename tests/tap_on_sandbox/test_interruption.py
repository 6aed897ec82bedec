"""A run that is cut never looks complete, and the next one loses and doubles nothing."""

import signal
import subprocess
import time

import pytest
from harness import (
    TAP,
    Result,
    Warehouse,
    assert_equal,
    environment,
    read_messages,
    run_tap,
    settings,
    tap_files,
)
from kinetic_sandbox.kinetic import KineticServer, Tenant


@pytest.fixture(params=["documented", "real"])
def slow_server(request):
    with KineticServer(Tenant(profile=request.param, seed=5, scale=0.5)) as running:
        running.vices.set("slow", 0.02)
        yield running


def cut_run(folder, server, sign: int, *, after_requests: int) -> Result:
    """Start the tap, stop it in the middle with a signal, and return what it had said."""
    config = settings(server, page_size=10)
    server.requests.clear()
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        process = subprocess.Popen(
            [*TAP, *tap_files(folder, config, None, None)], stdout=out, stderr=err,
            env=environment(),
        )  # fmt: skip
        deadline = time.monotonic() + 30
        while len(server.requests) < after_requests and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(sign)
        code = process.wait(timeout=20)
    whole_lines = (folder / "out").read_text().rpartition("\n")[0]
    return Result(code, (folder / "err").read_text(), read_messages(whole_lines))


@pytest.mark.parametrize("after_requests", [40, 90, 150])
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_polite_stop_is_exit_1_with_state_and_without_marker(
    tmp_path, slow_server, sign, after_requests
):
    cut = cut_run(tmp_path, slow_server, sign, after_requests=after_requests)

    assert cut.code == 1
    assert cut.markers == []
    assert (tmp_path / "out").read_text().endswith("\n")
    resume_and_compare(tmp_path, slow_server, cut)


@pytest.mark.parametrize("after_requests", [60, 130])
def test_a_killed_run_is_resumed_from_its_last_state(tmp_path, slow_server, after_requests):
    cut = cut_run(tmp_path, slow_server, signal.SIGKILL, after_requests=after_requests)

    assert cut.code != 0
    assert cut.markers == []
    resume_and_compare(tmp_path, slow_server, cut)


def resume_and_compare(folder, server, cut: Result) -> None:
    """What a loader has that stored all rows up to the last STATE, and then the next run."""
    server.vices.clear()
    warehouse = Warehouse()
    last_state = max(n for n, m in enumerate(cut.messages) if m["type"] == "STATE")
    cut.messages = cut.messages[: last_state + 1]
    warehouse.load(cut)

    resumed = run_tap(folder, settings(server, page_size=10), state=cut.state)

    assert resumed.code == 0, resumed.stderr[-2000:]
    warehouse.load(resumed)
    assert_equal(warehouse, server.tenant)


def test_a_hanging_server_does_not_keep_a_stopped_run_alive(tmp_path):
    with KineticServer(Tenant(profile="real", seed=5, scale=0.2)) as server:
        server.vices.set("hang", 1)
        started = time.monotonic()

        cut = cut_run(tmp_path, server, signal.SIGTERM, after_requests=12)

        assert cut.code == 1
        assert time.monotonic() - started < 15


def test_a_target_that_goes_away_is_told_without_a_traceback(tmp_path):
    with KineticServer(Tenant(profile="real", seed=5, scale=0.5)) as server:
        tap = subprocess.Popen(
            [*TAP, *tap_files(tmp_path, settings(server), None, None)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
        )  # fmt: skip
        tap.stdout.readline()
        tap.stdout.close()
        stderr = tap.stderr.read().decode()

        assert tap.wait(timeout=20) == 1
        tap.stderr.close()
        assert "The target closed the pipe" in stderr
        assert "Traceback" not in stderr
