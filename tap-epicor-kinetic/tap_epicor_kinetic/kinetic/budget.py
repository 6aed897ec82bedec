"""How many requests may be in flight to one host: found out while reading, for all streams.

An ERP does not say how many it can serve, and it is somebody's work place. The limit starts at one,
grows by one while answers come as fast as they did, and halves when the server refuses.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from statistics import median
from threading import Condition
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LEVEL = 1.25
"""Answers are as fast as they were while they take at most this much longer than the fastest."""
_GROWN = 1.10
"""More requests pay off while this much more comes back per second."""
_FORGIVING_SECONDS = 60.0
"""After so long without a refusal one more than was refused may be tried."""
_LOOK_UP_SECONDS = 0.2


class Budget:
    """Slots for requests; each request holds one from its first byte to its last.

    Args:
        ceiling: the most there may be (`max_concurrency`).
        is_stopped: looked at while waiting for a slot; may raise.
    """

    def __init__(self, ceiling: int, is_stopped: Callable[[], object] = lambda: None) -> None:
        self.limit = 1
        self.in_flight = 0
        self._ceiling = self._most = ceiling
        self._refused_at = float("-inf")
        self._is_stopped = is_stopped
        self._free = Condition()
        self._fastest: dict[str, float] = {}
        self._slowdowns: list[float] = []
        self._window_began = time.monotonic()
        self._best_rate = 0.0

    def has_room(self, others: int = 0) -> bool:
        """Whether one more request may start now, beside `others` that are about to."""
        return max(self.in_flight, others) < self.limit

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait for a slot and hold it."""
        with self._free:
            while self.in_flight >= self.limit:
                self._free.wait(_LOOK_UP_SECONDS)
                self._is_stopped()
            self.in_flight += 1
        try:
            yield
        finally:
            with self._free:
                self.in_flight -= 1
                self._free.notify_all()

    def answered(self, kind: str, seconds: float) -> None:
        """A request was answered; sees whether more at once are worth it.

        Args:
            kind: what was asked for; only requests of one kind are compared with each other.
            seconds: how long the answer took.
        """
        with self._free:
            fastest = min(seconds, self._fastest.get(kind, seconds))
            self._fastest[kind] = fastest
            self._slowdowns.append(seconds / fastest if fastest else 1.0)
            if len(self._slowdowns) < max(2, self.limit):
                return
            now = time.monotonic()
            rate = len(self._slowdowns) / max(now - self._window_began, 1e-6)
            if now - self._refused_at > _FORGIVING_SECONDS:
                self._refused_at = now
                self._ceiling = min(self._ceiling + 1, self._most)
            is_level = median(self._slowdowns) <= _LEVEL
            if is_level or rate > self._best_rate * _GROWN:
                self.limit = min(self.limit + 1, self._ceiling)
            elif self.limit > 1:
                self.limit -= 1
            self._best_rate = max(self._best_rate * 0.9, rate)
            self._begin_window(now)
            self._free.notify_all()

    def refused(self, began_at: float) -> None:
        """The server could not take it: half as many, and for a while never as many as now.

        Args:
            began_at: of the request, by the monotonic clock; of several that were refused
                together, one counts.
        """
        with self._free:
            if began_at < self._refused_at:
                return
            self._refused_at = time.monotonic()
            self._ceiling = max(1, min(self._ceiling, self.limit - 1))
            self.limit = max(1, self.limit // 2)
            self._begin_window(self._refused_at)

    def _begin_window(self, now: float) -> None:
        self._slowdowns.clear()
        self._window_began = now
