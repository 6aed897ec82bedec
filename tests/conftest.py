"""For all tests: no deadlines, and what was skipped is said at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Sequence

# Time is measured in bench/, never in a test: a busy machine must not fail one.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

_LEFT_OUT = pytest.StashKey[int]()


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Count what only `--full` runs."""
    stash = items[0].config.stash
    heavy = sum(item.get_closest_marker("full") is not None for item in items)
    stash[_LEFT_OUT] = stash.get(_LEFT_OUT, 0) + heavy


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a worker has counted; each counts all."""
    node.config.stash[_LEFT_OUT] = getattr(node, "workeroutput", {}).get("left_out", 0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List skipped checks with their reasons."""
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.section(f"NOT TESTED HERE: {len(skipped)} checks", sep="!", red=True)
        for report in skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
            terminalreporter.line(f"{report.nodeid}: {reason}")
    left_out = terminalreporter.config.stash.get(_LEFT_OUT, 0)
    if left_out:
        terminalreporter.line(
            f"{left_out} heavy checks were left out; `python3 dev.py test --full` runs them."
        )


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Runs in this process may still ask a server that is gone; the interpreter would wait."""
    import gc  # noqa: PLC0415

    from tap_epicor_kinetic.extract.ahead import Ahead  # noqa: PLC0415

    for each in gc.get_objects():
        if isinstance(each, Ahead):
            each.stop.set()
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = session.config.stash.get(_LEFT_OUT, 0)
