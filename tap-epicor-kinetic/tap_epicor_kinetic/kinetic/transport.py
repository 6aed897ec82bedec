"""One HTTP exchange: pool, TLS, proxies, time-outs. The only importer of urllib3."""

from __future__ import annotations

import ssl
import urllib.request
from dataclasses import dataclass
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

_CONNECT_SECONDS = 30
_IN_FLIGHT = 4


@dataclass(frozen=True)
class Answer:
    """What came back, whole: a body that was cut off is an `Unanswered`, never an answer."""

    status: int
    headers: urllib3.HTTPHeaderDict
    body: bytes


class Unanswered(Exception):
    """No whole answer: the line was cut, nobody listens, or the time ran out."""

    def __init__(self, what: str, *, timed_out: bool = False, is_final: bool = False) -> None:
        super().__init__(what)
        self.timed_out = timed_out
        self.is_final = is_final


class Transport:
    """Sends requests to one host over kept-alive connections.

    Args:
        root: the address whose host decides about proxies from the environment.
        timeout_seconds: patience between two bytes of an answer.
        ca_bundle: a PEM file with the certificate authorities to trust, None for the system's.
        tls_verify: False accepts any certificate.
    """

    def __init__(
        self, root: str, *, timeout_seconds: float, ca_bundle: str | None, tls_verify: bool
    ) -> None:
        timeout = urllib3.Timeout(
            connect=min(_CONNECT_SECONDS, timeout_seconds), read=timeout_seconds
        )
        context = ssl.create_default_context(cafile=ca_bundle)
        if not tls_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        self._pool = _pool(root, timeout, context)

    def send(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None = None
    ) -> Answer:
        """Exchange one request for one whole answer.

        Raises:
            Unanswered: when there is none.
        """
        try:
            response = self._pool.request(
                method, url, headers=headers, body=body, retries=False, redirect=False
            )
        except NewConnectionError as error:  # refused or unknown; urllib3 counts it as a time-out
            raise Unanswered(_reason(error)) from error
        except Urllib3Timeout as error:
            raise Unanswered("no answer in time", timed_out=True) from error
        except SSLError as error:
            # A certificate does not become valid by asking again; a torn handshake may.
            is_final = "CERTIFICATE_VERIFY_FAILED" in str(error)
            raise Unanswered(f"TLS failed ({_reason(error)})", is_final=is_final) from error
        except ProxyError as error:
            raise Unanswered(f"the proxy failed ({_reason(error)})") from error
        except HTTPError as error:
            raise Unanswered(_reason(error)) from error
        return Answer(response.status, response.headers, response.data)


def _pool(root: str, timeout: urllib3.Timeout, context: ssl.SSLContext) -> urllib3.PoolManager:
    parts = urlsplit(root)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
        proxy_parts = urlsplit(proxy)
        headers = None
        if proxy_parts.username:
            login = f"{proxy_parts.username}:{proxy_parts.password or ''}"
            headers = urllib3.make_headers(proxy_basic_auth=login)
        return urllib3.ProxyManager(
            proxy, proxy_headers=headers, timeout=timeout, ssl_context=context, maxsize=_IN_FLIGHT
        )
    return urllib3.PoolManager(timeout=timeout, ssl_context=context, maxsize=_IN_FLIGHT)


def _reason(error: Exception) -> str:
    """The innermost cause: urllib3 wraps it in the pool's own words, address included."""
    cause: BaseException = error
    while (inner := cause.__cause__ or cause.__context__) is not None:
        cause = inner
    return f"{type(cause).__name__}: {cause}"
