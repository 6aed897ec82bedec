"""The server's threads and sockets."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from kinetic_sandbox.kinetic.http import login
from kinetic_sandbox.kinetic.http.addresses import INSTANCE
from kinetic_sandbox.kinetic.http.answers import Answer, wire_bytes
from kinetic_sandbox.kinetic.http.control import PREFIX, Control
from kinetic_sandbox.kinetic.http.gateway import Gateway, Request
from kinetic_sandbox.kinetic.http.mischief import Mischief
from kinetic_sandbox.kinetic.http.reading import Reader
from kinetic_sandbox.kinetic.http.seats import Seats
from kinetic_sandbox.kinetic.http.traffic import Traffic
from kinetic_sandbox.kinetic.http.vices import Vices
from kinetic_sandbox.loopback import LoopbackServer, LoopbackService

if TYPE_CHECKING:
    from pathlib import Path

    from kinetic_sandbox.kinetic.http.received import ReceivedRequest
    from kinetic_sandbox.kinetic.tenant import Tenant


class KineticServer(LoopbackService):
    """Serves a tenant on loopback from entering the context until leaving it.

    Args:
        tenant: who is served.
        port: 0 takes a free one.
        log_file: gets each request as a line of JSON.
        certificate: a PEM file with key and certificate; with it, `https` only.
    """

    username = login.USERNAME
    password = login.PASSWORD
    api_key = login.API_KEY
    client_id = login.CLIENT_ID
    client_secret = login.CLIENT_SECRET

    def __init__(
        self,
        tenant: Tenant,
        port: int = 0,
        log_file: Path | None = None,
        certificate: Path | None = None,
    ) -> None:
        self.tenant = tenant
        self.requests: list[ReceivedRequest] = []
        self._log_file = log_file
        self._log_lock = threading.Lock()
        self._stopping = threading.Event()
        self.vices = Vices()
        self.login = login.Login(tenant.companies, self.vices)
        self._traffic = Traffic(self.vices, self._stopping)
        self._gateway = Gateway(
            Reader(tenant, self.vices),
            self.login,
            Mischief(self.vices, self._stopping),
            self._traffic,
            Seats(self.vices, self._stopping),
        )
        self._control = Control(tenant, self.vices, self.requests)
        self._scheme = "https" if certificate else "http"
        self._http = _HttpServer(("127.0.0.1", port), self, certificate)
        super().__init__(self._http)

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"{self._scheme}://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The root under which the tenant's API lies."""
        return f"{self.origin}/{INSTANCE}"

    @property
    def control_url(self) -> str:
        """The root of the control plane."""
        return f"{self.origin}{PREFIX}"

    @property
    def token_url(self) -> str:
        """The address of the identity provider's token endpoint."""
        return f"{self.origin}/oauth2/token"

    @property
    def in_flight(self) -> int:
        """How many requests are in hand now."""
        return self._traffic.in_flight

    def stop(self) -> None:
        """Stop answering, and close every connection."""
        self._stopping.set()
        super().stop()
        self._http.close_connections()

    def answer(self, request: Request) -> Answer:
        """Answer one request; tenant traffic is kept in `requests` before the answer leaves."""
        if request.path.startswith(PREFIX + "/"):
            return self._control.answer(request)
        with self._traffic.in_hand() as arrival:
            answer, received = self._gateway.answer(request, arrival)
            self._keep(received)
            self._stopping.wait(answer.held_seconds)
        return answer

    def _keep(self, received: ReceivedRequest) -> None:
        self.requests.append(received)
        if self._log_file is not None:
            line = json.dumps(received.as_dict(), ensure_ascii=False)
            with self._log_lock, self._log_file.open("a", encoding="utf-8") as log:
                log.write(line + "\n")


class _HttpServer(LoopbackServer):
    def __init__(
        self, address: tuple[str, int], owner: KineticServer, certificate: Path | None
    ) -> None:
        super().__init__(address, _Handler)
        self.owner = owner
        self._tls = None
        if certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate)
        self._connections: set[socket.socket] = set()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        if self._tls is not None:
            # The handshake waits for the handler's thread: one slow client must not stop others.
            connection = self._tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, address

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401
        self._connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _HttpServer

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        path, _, query = self.path.partition("?")
        request = Request(
            method=self.command,
            path=path,
            raw_query=query,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(length).decode() if length else "",
            origin=self.server.owner.origin,
        )
        answer = self.server.owner.answer(request)
        if answer.status:
            self.wfile.write(wire_bytes(answer, self.server.owner.tenant.clock()))
        if answer.cut or not answer.status:
            self.close_connection = True

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing; what was asked stands in `requests`."""
