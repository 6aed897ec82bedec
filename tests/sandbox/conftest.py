"""A client that sends addresses exactly as written, and tenants to send them to."""

from __future__ import annotations

import base64
import http.client
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from kinetic_sandbox.kinetic import KineticServer, Tenant


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body, parse_float=Decimal)

    @property
    def rows(self) -> list[dict[str, Any]]:
        return self.json["value"]

    @property
    def error(self) -> str:
        return self.json["ErrorMessage"]


class Client:
    """One keep-alive connection; nothing is encoded, decoded or retried behind the test's back."""

    def __init__(self, server: KineticServer) -> None:
        login = f"{server.username}:{server.password}".encode()
        self.headers = {
            "Authorization": "Basic " + base64.b64encode(login).decode(),
            "x-api-key": server.api_key,
            "Accept": "application/json",
        }
        self._connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=5)

    def send(self, method: str, path: str, body: str = "", **headers: str) -> Response:
        sent = {**self.headers, **{k.replace("_", "-"): v for k, v in headers.items()}}
        self._connection.request(method, path, body or None, sent)
        answer = self._connection.getresponse()
        lower = {name.lower(): value for name, value in answer.getheaders()}
        return Response(answer.status, lower, answer.read())

    def get(self, path: str, **options: Any) -> Response:
        """Ask with `$` options; values are percent-encoded."""
        query = "&".join(f"${name}={quote(str(value))}" for name, value in options.items())
        return self.send("GET", f"{path}?{query}" if query else path)

    def close(self) -> None:
        self._connection.close()


@pytest.fixture(scope="session")
def shared_tenant() -> Tenant:
    """For tests that only read."""
    return Tenant(profile="real", seed=7)


@pytest.fixture(scope="session")
def shared_server(shared_tenant):
    with KineticServer(shared_tenant) as running:
        yield running


@pytest.fixture
def connect():
    """Opens clients, and closes them after the test."""
    clients = []

    def opened(server: KineticServer) -> Client:
        clients.append(Client(server))
        return clients[-1]

    yield opened
    for client in clients:
        client.close()


@pytest.fixture
def client(connect, shared_server) -> Client:
    return connect(shared_server)


@pytest.fixture
def server():
    """Small, and the test's own."""
    with KineticServer(Tenant(profile="real", seed=3, scale=0.3)) as running:
        yield running


@pytest.fixture
def own(connect, server) -> Client:
    return connect(server)


@pytest.fixture(params=["real", "documented"])
def tenant(request) -> Tenant:
    """Small, the test's own, in both profiles."""
    return Tenant(profile=request.param, seed=3, scale=0.3)
