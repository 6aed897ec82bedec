"""Lets unmodified clients with production host names reach emulators on loopback."""

from __future__ import annotations

import select
import socket
import threading
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler
from ssl import PROTOCOL_TLS_SERVER, SSLContext, SSLSocket
from typing import TYPE_CHECKING

import trustme
from kinetic_sandbox.loopback import LoopbackServer, LoopbackService

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_CHUNK = 65_536
_LOOK_SECONDS = 0.05
_LOOPBACK = "127.0.0.1,localhost"


class Redirect(LoopbackService):
    """A CONNECT proxy that ends TLS with an authority of its own.

    A host that is not listed is refused, so nothing leaves the machine.

    Args:
        hosts: ports on loopback that speak plain HTTP, by host; globs such as `*.example.com`.
        folder: where the authority's certificate is written.

    Attributes:
        asked: hosts that were asked for, in order.
        refused: those of them that were answered with 403.
    """

    def __init__(self, hosts: Mapping[str, int], folder: Path) -> None:
        self.asked: list[str] = []
        self.refused: list[str] = []
        self._hosts = dict(hosts)
        self._authority = trustme.CA()
        self._certificates: dict[str, SSLContext] = {}
        self._lock = threading.Lock()
        self._barred = ""
        self._left: int | None = None
        self._counts_answers = False
        self._file = folder / "redirect-authority.pem"
        self._authority.cert_pem.write_to_path(self._file)
        server = _Server(("127.0.0.1", 0), _Handler)
        server.owner = self
        super().__init__(server)

    @property
    def variables(self) -> dict[str, str]:
        """The environment in which a client takes this way and trusts its certificates."""
        url, file = f"http://127.0.0.1:{self.port}", str(self._file)
        trusted = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")
        return {
            **dict.fromkeys(("HTTPS_PROXY", "https_proxy"), url),
            **dict.fromkeys(("NO_PROXY", "no_proxy"), _LOOPBACK),
            **dict.fromkeys(trusted, file),
        }

    def cut(self, after_bytes: int = 0, *, answers: bool = False) -> None:
        """Break connections from now on, open ones too, when so much more has passed.

        Args:
            after_bytes: of all connections together; 0 breaks at once what is idle or new. The
                host gets a request that ends too early.
            answers: counts what comes back and lets requests pass: with 0, what was asked is
                done, and nobody hears of it.
        """
        with self._lock:
            self._left, self._counts_answers = after_bytes, answers

    def refuse(self, hosts: str) -> None:
        """Answer 403 for a glob of listed hosts from now on, as a firewall would."""
        self._barred = hosts

    def mend(self) -> None:
        """End what `cut` and `refuse` began."""
        self._barred, self._left = "", None

    def port_of(self, host: str) -> int | None:
        """Where a host is; None where it is refused."""
        self.asked.append(host)
        found = next((port for glob, port in self._hosts.items() if fnmatch(host, glob)), None)
        if found is None or fnmatch(host, self._barred):
            self.refused.append(host)
            return None
        return found

    def certificate(self, host: str) -> SSLContext:
        """What shows a client that this is the host."""
        with self._lock:
            if host not in self._certificates:
                self._certificates[host] = SSLContext(PROTOCOL_TLS_SERVER)
                self._authority.issue_cert(host).configure_cert(self._certificates[host])
            return self._certificates[host]

    def may_pass(self, size: int, *, is_answer: bool) -> int:
        """How many of so many bytes may pass; fewer where the connection breaks after them."""
        with self._lock:
            if self._left is None or is_answer != self._counts_answers:
                return size
            passing = min(size, self._left)
            self._left -= passing
            return passing

    @property
    def is_cut(self) -> bool:
        """Whether nothing may be asked any more."""
        return self._left == 0 and not self._counts_answers


class _Server(LoopbackServer):
    owner: Redirect


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_CONNECT(self) -> None:
        self.close_connection = True
        owner, host = self.server.owner, self.path.rpartition(":")[0]
        port = owner.port_of(host)
        if port is None:
            self.send_error(403)
            return
        if owner.is_cut:
            return
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        context = owner.certificate(host)
        with (
            context.wrap_socket(self.connection, server_side=True) as client,
            socket.create_connection(("127.0.0.1", port)) as far,
        ):
            _join(client, far, owner)

    def log_message(self, *_: object) -> None:
        """Say nothing; what was asked stands in `asked`."""


def _join(client: SSLSocket, far: socket.socket, owner: Redirect) -> None:
    """Pass bytes both ways until one side ends or the connection is cut."""
    while not owner.is_cut:
        waiting = [] if client.pending() else [client, far]
        for source in select.select(waiting, [], [], _LOOK_SECONDS)[0] if waiting else [client]:
            chunk = source.recv(_CHUNK)
            passing = owner.may_pass(len(chunk), is_answer=source is far)
            (client if source is far else far).sendall(chunk[:passing])
            if not chunk or passing < len(chunk):
                return
