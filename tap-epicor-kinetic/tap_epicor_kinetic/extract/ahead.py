"""Requests under way while pages are converted, and waiting for them without missing a stop."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from tap_epicor_kinetic.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from threading import Event

T = TypeVar("T")

_LOOK_UP_SECONDS = 0.2
_THREADS = 64
"""More than any sensible number of requests in flight; threads are made when first needed."""


class Ahead:
    """Runs tasks in the background.

    Tasks must not wait for each other: all threads could be waiting.

    Args:
        stop: set when the run is to end; whoever waits is told.
    """

    def __init__(self, stop: Event) -> None:
        self.stop = stop
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="ahead")

    def start(self, task: Callable[[], T]) -> Future[T]:
        """Begin a task.

        Raises:
            Interrupted: when the run is to stop.
        """
        if self.stop.is_set():
            raise Interrupted("stopped between two pages")
        return self._pool.submit(task)

    def result(self, task: Future[T]) -> T:
        """Wait for a task; its error is raised here.

        Raises:
            Interrupted: when the run is to stop.
        """
        while True:
            try:
                return task.result(_LOOK_UP_SECONDS)
            except FutureTimeoutError:
                if task.done():
                    raise  # its own
                if self.stop.is_set():
                    raise Interrupted("stopped while waiting for the server") from None

    def first(self, tasks: Sequence[Future[T]]) -> Future[T]:
        """Wait until one of the tasks is done, and return it.

        Raises:
            Interrupted: when the run is to stop.
        """
        if len(tasks) == 1:
            with suppress(Exception):  # whoever takes the result is told
                self.result(tasks[0])
            self._check(tasks)
            return tasks[0]
        while True:
            for task in tasks:
                if task.done():
                    return task
            wait(tasks, _LOOK_UP_SECONDS, FIRST_COMPLETED)
            if not any(task.done() for task in tasks):
                self._check(tasks)

    def _check(self, tasks: Sequence[Future[T]]) -> None:
        if self.stop.is_set() and not any(task.done() for task in tasks):
            raise Interrupted("stopped while waiting for the server")

    def close(self) -> None:
        """Start nothing more; what is under way ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def run(self, task: Callable[[], T]) -> T:
        """Do a task in the background and wait for it."""
        return self.result(self.start(task))
