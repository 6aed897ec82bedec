"""Work in the order in which it was given, while more is read."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Behind:
    """One thread that does one thing after the other; after a failure it does nothing more."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[tuple[Callable[[], None], bool] | None] = queue.SimpleQueue()
        self._room = threading.Semaphore(1)
        self._failure: BaseException | None = None
        # A daemon: what is under way does not keep a process that was told to end.
        self._thread = threading.Thread(target=self._work, name="behind", daemon=True)
        self._thread.start()

    def load(self, job: Callable[[], None]) -> None:
        """Do this next; waits until the load before it has ended, so that two are in memory."""
        self._room.acquire()
        self.check()
        self._jobs.put((job, True))

    def then(self, job: Callable[[], None]) -> None:
        """Do this when everything before it is done, and only if all of it went well."""
        self.check()
        self._jobs.put((job, False))

    def check(self) -> None:
        """Raise what ended the work."""
        if self._failure is not None:
            raise self._failure

    def finish(self) -> None:
        """Wait for the end of everything; raises what ended it."""
        self._jobs.put(None)
        self._thread.join()
        self.check()

    def _work(self) -> None:
        while (given := self._jobs.get()) is not None:
            job, is_load = given
            try:
                if self._failure is None:
                    job()
            except BaseException as error:  # noqa: BLE001 - the reading thread raises it
                self._failure = error
            finally:
                if is_load:
                    self._room.release()
