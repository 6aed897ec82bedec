"""A front before the tenant's server: lets most answers through and mangles the chosen ones."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from kinetic_sandbox.kinetic.http.addresses import INSTANCE, Address, read_path
from kinetic_sandbox.kinetic.http.answers import wire_bytes
from kinetic_sandbox.kinetic.http.gateway import Request
from malformed import Exchange, Kind, NotApplicableError, Reply

if TYPE_CHECKING:
    from kinetic_sandbox.kinetic import KineticServer

THREAD_NAME = "front"
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER that makes a close a reset."""
_LONGEST_WAIT = 15
"""No connection of the front outlives this."""


@dataclass
class Plan:
    """Which answers become malformed: of those that the kind is for, from the n-th on.

    Attributes:
        kind: how.
        what: the answers that it is meant for this time.
        first: how many fitting answers go through before.
        often: `once`, `always`, or `half` of them.
        rng: for everything that the kind draws.
    """

    kind: Kind
    what: str
    first: int
    often: str
    rng: Random
    made: list[tuple[str, bytes]] = field(default_factory=list)
    fitting: int = 0

    def reply(self, exchange: Exchange) -> Reply | None:
        """The malformed answer, None where this one goes through."""
        if exchange.what != self.what:
            return None
        self.fitting += 1
        is_over = self.often == "once" and self.made
        if self.fitting <= self.first or is_over:
            return None
        if self.often == "half" and self.made and self.rng.random() < 0.5:
            return None
        try:
            reply = self.kind.make(self.rng, exchange)
        except NotApplicableError:
            return None
        self.made.append((exchange.path, reply.data))
        return reply


class Front:
    """Answers for a server that it holds, over real connections."""

    def __init__(self) -> None:
        self.server: KineticServer | None = None
        self.plan: Plan | None = None
        self.seen: list[str] = []
        self._previous: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self._listener = _listen(self._serve)
        self.trapped: list[bytes] = []
        self._trap = _listen(self._catch)
        self._open: set[socket.socket] = set()

    def close(self) -> None:
        """Take no more connections."""
        for listener in (self._listener, self._trap):
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/{INSTANCE}"

    @property
    def trap(self) -> str:
        return f"http://127.0.0.1:{self._trap.getsockname()[1]}"

    def begin(self, server: KineticServer, plan: Plan | None) -> None:
        """Serve this tenant from now on, and forget what was before."""
        server.requests.clear()
        with self._lock:
            self.server, self.plan = server, plan
            self.seen, self.trapped, self._previous = [], [], {}
            stale, self._open = self._open, set()
        for connection in stale:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _catch(self, connection: socket.socket) -> None:
        connection.settimeout(1)
        with contextlib.suppress(OSError):
            self.trapped.append(connection.recv(4096))

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(_LONGEST_WAIT)
        with self._lock:
            self._open.add(connection)
        with contextlib.suppress(OSError):
            while (request := _read_request(connection)) is not None:
                if not self._answer(connection, request):
                    return

    def _answer(self, connection: socket.socket, request: Request) -> bool:
        """Send one answer; False where the connection is over."""
        with self._lock:
            reply = self._reply(request)
        if reply.drip_seconds:
            _drip(connection, reply)
        else:
            connection.sendall(reply.data)
        if reply.then == "keep":
            return True
        if reply.then == "stall":
            with contextlib.suppress(OSError):
                connection.recv(1)
        elif reply.then == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        return False

    def _reply(self, request: Request) -> Reply:
        server = self.server
        answer = server.answer(request)
        address = read_path(request.path)
        good = Reply(wire_bytes(answer, server.tenant.clock()))
        if answer.status != 200:
            return good
        set_path = f"{address.service}/{address.entity_set}"
        exchange = Exchange(
            what=address.kind,
            path=f"{request.path}?{request.raw_query}",
            body=answer.body,
            facts=_facts(server, address),
            previous=self._previous.get(set_path),
            trap=self.trap,
            secrets=(server.api_key, server.password),
        )
        self.seen.append(address.kind)
        if address.kind == "rows":
            self._previous[set_path] = answer.body
        return (self.plan and self.plan.reply(exchange)) or good


def _facts(server: KineticServer, address: Address) -> Any:
    for stream in server.tenant.streams:
        facts = server.tenant.entity(stream)
        if (facts.service, facts.entity_set) == (address.service, address.entity_set):
            return facts
    return None


def _listen(serve: Callable[[socket.socket], None]) -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def handle(connection: socket.socket) -> None:
        with connection:
            serve(connection)

    def accept() -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                connection, _ = listener.accept()
                _start(handle, connection)

    _start(accept)
    return listener


def _start(target: Callable[..., None], *arguments: Any) -> None:
    threading.Thread(target=target, args=arguments, name=THREAD_NAME, daemon=True).start()


def _read_request(connection: socket.socket) -> Request | None:
    """One request; the answer has to be readable, so no compression is let through."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return None
        data += more
    top, _, body = data.partition(b"\r\n\r\n")
    first, *lines = top.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65536)
    headers.pop("accept-encoding", None)
    path, _, query = target.partition("?")
    return Request(method, path, query, headers, body.decode(), f"http://{headers['host']}")


def _drip(connection: socket.socket, reply: Reply) -> None:
    """So slowly that no pause between two bytes is long."""
    top, _, body = reply.data.partition(b"\r\n\r\n")
    connection.sendall(top + b"\r\n\r\n")
    pause = reply.drip_seconds / max(1, len(body))
    step = max(1, int(0.2 / pause))
    for at in range(0, len(body), step):
        connection.sendall(body[at : at + step])
        time.sleep(0.2)
