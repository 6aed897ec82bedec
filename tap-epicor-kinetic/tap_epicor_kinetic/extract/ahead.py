"""Asks for the next page while the current one is converted."""

from __future__ import annotations

from threading import Event, Thread
from typing import TYPE_CHECKING, Generic, TypeVar

from tap_epicor_kinetic.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_LOOK_UP_SECONDS = 0.2


class Ahead(Generic[T]):
    """One task under way in a thread of its own.

    The thread is a daemon: a request that hangs must not keep a stopped run alive.
    """

    def __init__(self, task: Callable[[], T], stop: Event) -> None:
        self._task = task
        self._stop = stop
        self._done = Event()
        self._result: T | None = None
        self._error: BaseException | None = None
        Thread(target=self._run, name="next-page", daemon=True).start()

    def _run(self) -> None:
        try:
            self._result = self._task()
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            self._error = error
        finally:
            self._done.set()

    def result(self) -> T:
        """Wait for the task; its error is raised here.

        Raises:
            Interrupted: when the run is to stop.
        """
        while not self._done.wait(_LOOK_UP_SECONDS):
            if self._stop.is_set():
                raise Interrupted("stopped while waiting for the server")
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]
