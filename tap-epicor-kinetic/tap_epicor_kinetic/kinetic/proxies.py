"""Which proxy leads to an address: `http_proxy`, `https_proxy`, `all_proxy`, `no_proxy`."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass


@dataclass(frozen=True)
class Proxy:
    """A forward proxy.

    Attributes:
        url: scheme, host and port, without the login.
        headers: `Proxy-Authorization` where the proxy wants a login.
    """

    url: str
    headers: dict[str, str]


def proxy_for(url: str) -> Proxy | None:
    """The proxy that the environment names for an address, None to go there directly.

    Token endpoint and instance may differ: one lies outside the company's network.
    """
    target = urlsplit(url)
    proxies = getproxies()
    named = proxies.get(target.scheme) or proxies.get("all")
    if not named or proxy_bypass(target.netloc):
        return None
    parts = urlsplit(named if "://" in named else f"http://{named}")
    headers = {}
    if parts.username:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Proxy-Authorization"] = "Basic " + b64encode(login.encode()).decode()
    return Proxy(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", headers)


def proxy_secrets() -> set[str]:
    """The passwords in the environment's proxies, as written and as sent."""
    found = {urlsplit(proxy).password for proxy in getproxies().values()}
    return {spelling for each in found if each for spelling in (each, unquote(each))}
