"""What the stand-ins with faults on command share: the way from a request to its answer."""

from __future__ import annotations

import socket
import threading
from abc import ABC, abstractmethod
from dataclasses import replace
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

from kinetic_sandbox.faults import Fault, Faults
from kinetic_sandbox.kinetic.http.answers import Answer, html_answer, wire_bytes
from kinetic_sandbox.loopback import LoopbackServer, LoopbackService

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PREFIX = "/_sandbox"
"""Of the control plane."""


class FaultyService(LoopbackService, ABC):
    """Answers one request after another, and lets faults befall them.

    Args:
        port: 0 takes a free one.
        served_by: headers of every answer.
    """

    def __init__(self, port: int, served_by: Mapping[str, str]) -> None:
        self.faults = Faults()
        self.served_by = served_by
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        server = _HttpServer(("127.0.0.1", port), _Handler)
        server.owner = self
        super().__init__(server)

    @property
    def url(self) -> str:
        """The address, as in a browser."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def control_url(self) -> str:
        """The root of the control plane."""
        return self.url + PREFIX

    def stop(self) -> None:
        """Stop answering, and let nobody wait."""
        self._stopping.set()
        super().stop()

    @abstractmethod
    def answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Answer | None:
        """Answer one request; None closes the connection."""

    @abstractmethod
    def now(self) -> float:
        """Seconds since 1970, by the clock of what is stood in for."""

    @abstractmethod
    def expire(self) -> None:
        """End every session before its time."""

    @abstractmethod
    def refusal(self, fault: Fault, method: str, path: str) -> Answer:
        """An error of the fault's status, as the API words it."""

    def befallen(self, method: str, path: str, work: Callable[[], Answer]) -> Answer | None:
        """Do the work, one call at a time, unless a fault is set for it."""
        fault = self.faults.next(method, path)
        if fault is None:
            with self._lock:
                return work()
        instead = self._instead(fault, method, path)
        if instead is not None:
            return instead if instead.status else None
        if fault.kind == "expire":
            self.expire()
        if fault.kind == "slow":
            self._stopping.wait(fault.seconds)
        with self._lock:
            answer = work()
        if fault.kind == "lost":
            return None
        return replace(answer, cut="length") if fault.kind == "half" else answer

    def _instead(self, fault: Fault, method: str, path: str) -> Answer | None:
        """What is answered without anything being done; status 0 is no answer at all."""
        if fault.kind == "cut":
            return Answer(0)
        if fault.kind == "redirect":
            return Answer(302, b"", "text/html", {"Location": fault.location})
        wait = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
        if fault.kind == "html":
            return replace(html_answer(fault.status, "The upstream server is away."), headers=wait)
        if fault.kind == "status":
            return replace(self.refusal(fault, method, path), headers=wait)
        return None


class _HttpServer(LoopbackServer):
    owner: FaultyService


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _HttpServer

    def do_GET(self) -> None:
        owner = self.server.owner
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = owner.answer(self.command, self.path, headers, body)
        if answer is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        now = datetime.fromtimestamp(owner.now(), timezone.utc)
        told = replace(answer, headers={**owner.served_by, **answer.headers})
        self.wfile.write(wire_bytes(told, now))
        if answer.cut:
            self.close_connection = True

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing; what was asked stands in `calls`."""
