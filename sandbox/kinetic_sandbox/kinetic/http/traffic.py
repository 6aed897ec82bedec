"""How many requests are in hand, and how many of them are worked on."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kinetic_sandbox.kinetic.http.vices import Vices

_GLANCE = 0.1
"""Seconds after which one who waits looks whether the server stops or the vice is off."""


@dataclass(frozen=True)
class Arrival:
    """When a request came, and how many were in hand then, this one included."""

    started: float
    in_flight: int


@dataclass
class Traffic:
    """Counts requests; `stopping` ends the waits."""

    vices: Vices
    stopping: threading.Event
    in_flight: int = 0
    _began: float = field(default_factory=time.monotonic)
    _busy: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def now(self) -> float:
        """Return the seconds since the server was made."""
        return time.monotonic() - self._began

    @contextmanager
    def in_hand(self) -> Iterator[Arrival]:
        """Count a request until its answer is about to leave.

        A client that waits for an answer before it asks again is never counted twice.
        """
        with self._changed:
            self.in_flight += 1
            arrival = Arrival(self.now(), self.in_flight)
        try:
            yield arrival
        finally:
            with self._changed:
                self.in_flight -= 1

    @contextmanager
    def worker(self) -> Iterator[None]:
        """Wait for a free worker, and keep it busy for as long as its service takes."""
        with self._changed:
            while self._is_full() and not self.stopping.is_set():
                self._changed.wait(_GLANCE)
            self._busy += 1
        try:
            self.stopping.wait(self.vices.get("service_time") or 0)
            yield
        finally:
            with self._changed:
                self._busy -= 1
                self._changed.notify()

    def _is_full(self) -> bool:
        workers = self.vices.get("workers")
        return workers is not None and self._busy >= workers
