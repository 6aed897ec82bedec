"""Time as waits, deadlines and marks need it, and the wish of a signal to end."""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from .errors import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_STOP = threading.Event()


def _pause(seconds: float) -> None:
    if _STOP.wait(seconds):
        raise Stopped("stopped by a signal: what changed stays marked, and the next run goes on")


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass(frozen=True)
class Clock:
    """What the time is, and how it passes.

    Attributes:
        now: seconds that only go forward.
        wall: the time of day, in UTC.
        pause: lets seconds pass; raises `Stopped` where a signal came.
    """

    now: Callable[[], float] = time.monotonic
    wall: Callable[[], datetime] = _utc_now
    pause: Callable[[float], None] = _pause


CLOCK = Clock()


def stop_on_signals() -> None:
    """Let SIGTERM and SIGINT end the next pause; a second one ends the process."""

    def stop(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001
        _STOP.set()
        signal.signal(signum, signal.SIG_DFL)

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, stop)


def text_of(moment: datetime) -> str:
    """As files keep it: UTC, whole milliseconds."""
    utc = moment.astimezone(timezone.utc)
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment_of(text: str) -> datetime:
    """The same, read again."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def shown(text: str) -> str:
    """As people read it."""
    return f"{moment_of(text).astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC" if text else "never"
