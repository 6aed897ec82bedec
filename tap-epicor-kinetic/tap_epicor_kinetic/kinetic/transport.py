"""One HTTP exchange: pool, TLS, proxies, time-outs. The only importer of urllib3."""

from __future__ import annotations

import logging
import ssl
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import (
    HTTPError,
    NewConnectionError,
    ProxyError,
    SSLError,
)
from urllib3.exceptions import (
    TimeoutError as Urllib3Timeout,
)

from .proxies import proxy_for
from .watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable

    Send = Callable[..., urllib3.BaseHTTPResponse]

_CONNECT_SECONDS = 30
_TOLD_LENGTH = 300
_READ_AT_ONCE = 1 << 20
_MOST_BYTES = 256 << 20
"""A page is a few MB; what is larger is no page, or one that has to be asked for in parts."""


# It tells of headers that it cannot read with a traceback; the answer is judged all the same.
logging.getLogger("urllib3.connection").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Answer:
    """What came back, whole: a body that was cut off is an `Unanswered`, never an answer."""

    status: int
    headers: urllib3.HTTPHeaderDict
    body: bytes


class Unanswered(Exception):
    """No whole answer: the line was cut, nobody listens, or the time ran out."""

    def __init__(
        self, what: str, *, timed_out: bool = False, is_final: bool = False, is_large: bool = False
    ) -> None:
        super().__init__(what[:_TOLD_LENGTH])
        self.timed_out = timed_out
        self.is_large = is_large
        self.is_final = is_final


class Transport:
    """Sends requests over kept-alive connections, through proxies where the environment says so.

    Args:
        root: where nearly all requests go.
        timeout_seconds: patience for one answer.
        ca_bundle: a PEM file with the certificate authorities to trust, None for the system's.
        tls_verify: False accepts any certificate.
        connections: how many are kept per host.
    """

    def __init__(
        self,
        root: str,
        *,
        timeout_seconds: float,
        ca_bundle: str | None,
        tls_verify: bool,
        connections: int = 4,
    ) -> None:
        self._ca_bundle, self._tls_verify = ca_bundle, tls_verify
        if ca_bundle or root.startswith("https:"):
            _ = self._context  # a bundle that cannot be used is told at the start
        self._options = {
            "timeout": urllib3.Timeout(
                connect=min(_CONNECT_SECONDS, timeout_seconds), read=timeout_seconds
            ),
            "maxsize": connections,
        }
        self._root = root
        self._timeout_seconds = timeout_seconds
        self._watchdog = Watchdog()
        self._managers: list[urllib3.PoolManager] = []
        self._routes = {self._origin(root): self._route(root)}

    @cached_property
    def _context(self) -> ssl.SSLContext:
        """Certificates to trust; loading the system's takes longer than a small answer."""
        context = ssl.create_default_context(cafile=self._ca_bundle)
        if not self._tls_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            # The tap has warned once; one warning per request would bury it.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        return context

    @staticmethod
    def _origin(url: str) -> str:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc}"

    def _route(self, url: str) -> Send:
        """How to get to a host: through a proxy, or by a pool of its own."""
        proxy = proxy_for(url)
        options: dict[str, Any] = dict(self._options)
        if "https:" in (url[:6], proxy.url[:6] if proxy else ""):
            options["ssl_context"] = self._context
        if proxy is not None:
            through = urllib3.ProxyManager(proxy.url, proxy_headers=proxy.headers, **options)
            self._managers.append(through)
            return through.urlopen
        manager = urllib3.PoolManager(**options)
        self._managers.append(manager)
        origin = self._origin(url)
        pool = manager.connection_from_url(origin)

        def send(method: str, url: str, **options: object) -> urllib3.BaseHTTPResponse:
            path = url.removeprefix(origin) or "/"
            return pool.urlopen(method, path, **options)  # type: ignore[arg-type]

        return send

    def send(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None = None
    ) -> Answer:
        """Exchange one request for one whole answer.

        Raises:
            Unanswered: when there is none.
        """
        began = time.monotonic()
        try:
            response = self._route_to(url)(
                method, url, headers=headers, body=body,
                retries=False, redirect=False, preload_content=False,
            )  # fmt: skip
            left = self._timeout_seconds - (time.monotonic() - began)
            connection = response.connection
            with self._watchdog.watch(getattr(connection, "sock", None), left):
                whole = _read(response)
        except TimeoutError as error:
            raise Unanswered(str(error), timed_out=True) from error
        except NewConnectionError as error:  # refused or unknown; urllib3 counts it as a time-out
            raise Unanswered(_reason(error)) from error
        except Urllib3Timeout as error:
            raise Unanswered("no answer in time", timed_out=True) from error
        except SSLError as error:
            # A certificate does not become valid by asking again; a torn handshake may.
            is_final = "CERTIFICATE_VERIFY_FAILED" in str(error)
            raise Unanswered(f"TLS failed ({_reason(error)})", is_final=is_final) from error
        except ProxyError as error:
            reason = _reason(error)
            raise Unanswered(f"the proxy failed ({reason})", is_final="407" in reason) from error
        except HTTPError as error:
            raise Unanswered(_reason(error)) from error
        except (ValueError, OverflowError, MemoryError) as error:
            # Lengths that are none, or that no machine has room for.
            raise Unanswered(f"the answer is not HTTP ({_reason(error)})") from error
        return Answer(response.status, response.headers, whole)

    def close(self) -> None:
        """Hang up."""
        self._watchdog.close()
        for manager in self._managers:
            manager.clear()

    def _route_to(self, url: str) -> Send:
        origin = self._origin(url) if not url.startswith(self._root) else self._origin(self._root)
        if origin not in self._routes:
            self._routes[origin] = self._route(url)
        return self._routes[origin]


def _read(response: urllib3.BaseHTTPResponse) -> bytes:
    """The whole body, in one piece where its length is told: pieces cost more than the network."""
    length = response.headers.get("Content-Length", "")
    is_packed = "Content-Encoding" in response.headers
    if length.isascii() and length.isdigit() and int(length) > _MOST_BYTES:
        raise _too_large(response)
    if length and not is_packed:
        body = response.read()
    else:
        parts: list[bytes] = []
        size = 0
        while part := response.read(_READ_AT_ONCE):
            parts.append(part)
            size += len(part)
            if size > _MOST_BYTES:
                raise _too_large(response)
        body = b"".join(parts)
    response.release_conn()
    return body


def _too_large(response: urllib3.BaseHTTPResponse) -> Unanswered:
    response.close()  # what is left of it must not be taken for the next answer
    return Unanswered(f"the answer has over {_MOST_BYTES >> 20} MB", is_large=True)


def _reason(error: Exception) -> str:
    """The innermost cause: urllib3 wraps it in the pool's own words, address included."""
    cause: BaseException = error
    while (inner := cause.__cause__ or cause.__context__) is not None:
        cause = inner
    return f"{type(cause).__name__}: {cause}"
