"""Hangs up on servers that drip: time-outs of sockets begin anew with each byte."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

_LOOK_UP_SECONDS = 0.5


class Watchdog:
    """Ends what takes longer than it may; one thread for all connections."""

    def __init__(self) -> None:
        self._due: dict[object, tuple[float, socket.socket]] = {}
        self._hung_up: set[object] = set()
        self._lock = Lock()
        self._thread: Thread | None = None
        self._closed = Event()

    def close(self) -> None:
        """Watch no longer."""
        self._closed.set()

    @contextmanager
    def watch(self, connection: socket.socket | None, seconds: float) -> Iterator[None]:
        """Hang up a connection that is still in use after so many seconds.

        Raises:
            TimeoutError: when that happened.
        """
        if connection is None:
            yield
            return
        ticket = object()
        with self._lock:
            self._due[ticket] = (time.monotonic() + seconds, connection)
            if self._thread is None:
                self._thread = Thread(target=self._run, name="watchdog", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._due.pop(ticket, None)
            if ticket in self._hung_up:
                self._hung_up.discard(ticket)
                raise TimeoutError("no whole answer in time")

    def _run(self) -> None:
        while not self._closed.wait(_LOOK_UP_SECONDS):
            now = time.monotonic()
            with self._lock:
                late = [(t, c) for t, (ends_at, c) in self._due.items() if ends_at < now]
                for ticket, _ in late:
                    del self._due[ticket]
                    self._hung_up.add(ticket)
            for _, connection in late:
                with suppress(OSError):
                    connection.shutdown(_BOTH_WAYS)


_BOTH_WAYS = 2
"""`socket.SHUT_RDWR`."""
