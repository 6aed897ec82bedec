"""A forward proxy as companies have it: plain HTTP and CONNECT, with or without a login.

`python -m kinetic_sandbox.proxy` serves until stopped and prints one line of JSON when it is
ready; each request that passed, or was turned away, is a line of JSON on stdout as well.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import select
import socket
import sys
import threading
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from kinetic_sandbox.kinetic.http.login import read_basic
from kinetic_sandbox.loopback import LoopbackServer, LoopbackService

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_HOP_BY_HOP = {"proxy-authorization", "proxy-connection", "connection", "keep-alive", "te"}
_PATIENCE_SECONDS = 30
_CHUNK = 65_536


@dataclass(frozen=True)
class Passed:
    """One request as the proxy saw it; of a tunnel it knows the host alone."""

    method: str
    target: str
    status: int
    """407 where the login was missing or wrong, 502 where nobody answered."""


class Proxy(LoopbackService):
    """Forwards from entering the context until leaving it.

    Args:
        login: user and password that clients have to send, None lets everyone pass.
        port: 0 takes a free one.
        tell: called with each request.
    """

    def __init__(
        self,
        login: tuple[str, str] | None = None,
        *,
        port: int = 0,
        tell: Callable[[Passed], None] | None = None,
    ) -> None:
        self.passed: list[Passed] = []
        self.login = login
        self._tell = tell
        server = _HttpServer(("127.0.0.1", port), _Handler)
        server.owner = self
        super().__init__(server)

    @property
    def url(self) -> str:
        """The address for `http_proxy` and `https_proxy`, login included."""
        user = ":".join(quote(part, safe="") for part in self.login) + "@" if self.login else ""
        return f"http://{user}127.0.0.1:{self.port}"

    def keep(self, passed: Passed) -> None:
        """Log one request."""
        self.passed.append(passed)
        if self._tell is not None:
            self._tell(passed)


class _HttpServer(LoopbackServer):
    owner: Proxy


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _HttpServer

    def do_CONNECT(self) -> None:
        """Join the client with the host that it names, and look at nothing that passes."""
        if not self._is_let_in():
            return
        host, _, port = self.path.rpartition(":")
        try:
            far = socket.create_connection((host.strip("[]"), int(port)), _PATIENCE_SECONDS)
        except OSError:
            self._refuse(502)
            return
        self._keep(200)
        self.close_connection = True
        with far:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            _join(self.connection, far)

    def do_GET(self) -> None:
        """Forward a request with an absolute address, and its answer unchanged."""
        if not self._is_let_in():
            return
        parts = urlsplit(self.path)
        if parts.scheme != "http" or not parts.netloc:
            self._refuse(400)
            return
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else None
        headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP_BY_HOP}
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        far = http.client.HTTPConnection(parts.netloc, timeout=_PATIENCE_SECONDS)
        try:
            far.request(self.command, path, body, {**headers, "Connection": "close"})
            answer = far.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            self._refuse(502)
            return
        finally:
            far.close()
        self._keep(answer.status)
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {*_HOP_BY_HOP, "transfer-encoding", "content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing; what was asked stands in `passed`."""

    def _is_let_in(self) -> bool:
        offered = {"authorization": self.headers.get("Proxy-Authorization", "")}
        if self.server.owner.login in {None, read_basic(offered)}:
            return True
        self._refuse(407)
        return False

    def _refuse(self, status: int) -> None:
        self._keep(status)
        self.close_connection = True
        self.send_response(status)
        if status == http.client.PROXY_AUTHENTICATION_REQUIRED:
            self.send_header("Proxy-Authenticate", 'Basic realm="sandbox"')
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()

    def _keep(self, status: int) -> None:
        self.server.owner.keep(Passed(self.command, self.path, status))


def _join(near: socket.socket, far: socket.socket) -> None:
    """Carry bytes both ways until one side has no more, or neither speaks for long."""
    other = {near: far, far: near}
    with contextlib.suppress(OSError):
        while ready := select.select([near, far], [], [], _PATIENCE_SECONDS)[0]:
            for side in ready:
                data = side.recv(_CHUNK)
                if not data:
                    return
                other[side].sendall(data)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until stopped; returns the exit code."""
    parser = argparse.ArgumentParser(prog="kinetic_sandbox.proxy", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--login", metavar="USER:PASSWORD", help="what clients have to send")
    options = parser.parse_args(arguments)
    user, _, password = (options.login or "").partition(":")

    def tell(line: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()

    with Proxy(
        (user, password) if options.login else None,
        port=options.port,
        tell=lambda passed: tell(asdict(passed)),
    ) as proxy:
        tell({"url": proxy.url})
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
