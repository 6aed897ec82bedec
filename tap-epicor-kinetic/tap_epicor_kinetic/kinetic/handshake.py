"""What stands between this machine and the server: a connection and its certificate, no request."""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import cast
from urllib.parse import urlsplit

from tap_epicor_kinetic.errors import HostUnreachable

from .faults import judge_refused_connection
from .proxies import proxy_for


@dataclass(frozen=True)
class Handshake:
    """A connection that came about.

    Attributes:
        seconds: how long that took, TLS included.
        proxy: through which it goes, None for directly.
        tls_version: `TLSv1.3`; None for plain HTTP.
        valid_until: the end of the certificate; None where it was not verified.
    """

    seconds: float
    proxy: str | None
    tls_version: str | None
    valid_until: datetime | None


class CertificateRefused(HostUnreachable):
    """The host answers, but its certificate does not hold."""


def shake_hands(
    root: str, *, timeout_seconds: float, ca_bundle: str | None, tls_verify: bool
) -> Handshake:
    """Connect to the host of `root`, as the tap does, and hang up.

    Raises:
        HostUnreachable: nobody listens there, or a proxy does not let pass.
        CertificateRefused: see there.
    """
    connection = _connection(root, timeout_seconds, _context(ca_bundle, tls_verify=tls_verify))
    proxy = proxy_for(root)
    began = time.monotonic()
    try:
        connection.connect()
        seconds = time.monotonic() - began
        tls = connection.sock if isinstance(connection.sock, ssl.SSLSocket) else None
        return Handshake(
            seconds,
            proxy.url if proxy else None,
            tls.version() if tls else None,
            _end_of(tls) if tls else None,
        )
    except ssl.SSLCertVerificationError as error:
        advice = judge_refused_connection(str(error)).advice
        raise CertificateRefused(f"{error.verify_message}. {advice}") from error
    except (OSError, HTTPException) as error:
        raise HostUnreachable(_told(urlsplit(root).netloc, error)) from error
    finally:
        connection.close()


def _context(ca_bundle: str | None, *, tls_verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_bundle)
    if not tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _connection(root: str, timeout: float, context: ssl.SSLContext) -> HTTPConnection:
    target, proxy = urlsplit(root), proxy_for(root)
    nearest = urlsplit(proxy.url) if proxy else target
    host, port = nearest.hostname or "", nearest.port
    if target.scheme != "https":
        return HTTPConnection(host, port, timeout=timeout)
    tunnelled = HTTPSConnection(host, port, timeout=timeout, context=context)
    if proxy:
        tunnelled.set_tunnel(target.hostname or "", target.port or 443, proxy.headers)
    return tunnelled


def _end_of(tls: ssl.SSLSocket) -> datetime | None:
    """`getpeercert` is empty where nothing was verified."""
    certificate = tls.getpeercert() or {}
    end = cast("str | None", certificate.get("notAfter"))
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(end), timezone.utc) if end else None


def _told(host: str, error: Exception) -> str:
    words = f"{type(error).__name__}: {error}"
    advice = "Check `api_url`, the network, VPN and proxy between this machine and the server."
    if "407" in words:
        advice = judge_refused_connection(words).advice
    return f"no connection to {host} ({words}). {advice}"
