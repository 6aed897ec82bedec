"""The proxy forwards what it is asked to, and nothing to strangers."""

import http.client
import json
import socket
import ssl
import subprocess
import sys
from base64 import b64encode
from urllib.parse import urlsplit

import pytest
from kinetic_sandbox.certificate import Authority
from kinetic_sandbox.kinetic import KineticServer, Tenant
from kinetic_sandbox.proxy import Passed, Proxy

LOGIN = ("clerk", "pr@xy/pa:ss")
AUTHORIZATION = {"Proxy-Authorization": "Basic " + b64encode(":".join(LOGIN).encode()).decode()}
NOWHERE = "http://127.0.0.1:9/x"


def ask(proxy, url, method="GET", body=None, **headers):
    parts = urlsplit(proxy.url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=5)
    try:
        connection.request(method, url, body, headers)
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


def test_a_request_passes_unchanged_and_without_the_proxys_login(shared_server):
    url = f"{shared_server.url}/api/v2/odata/EPIC06/Erp.BO.POSvc/POes?$top=1&$filter=PONum%20gt%200"
    with Proxy(LOGIN) as proxy:
        answer, body = ask(proxy, url, **AUTHORIZATION, **{"x-api-key": "none"})

    assert answer.status == 401
    assert b"Invalid username or password" in body
    received = shared_server.requests[-1]
    assert received.raw_query == "$top=1&$filter=PONum%20gt%200"
    assert received.headers["x-api-key"] == "none"
    assert "proxy-authorization" not in received.headers
    assert proxy.passed == [Passed("GET", url, 401)]


def test_a_body_passes(shared_server):
    form = "grant_type=password"
    with Proxy() as proxy:
        answer, _ = ask(proxy, shared_server.token_url, "POST", form)

    assert answer.status == 400
    assert proxy.passed[0].method == "POST"


@pytest.mark.parametrize("authorization", [{}, {"Proxy-Authorization": "Basic d3Jvbmc6bG9naW4="}])
@pytest.mark.parametrize("method", ["GET", "CONNECT"])
def test_strangers_are_turned_away(shared_server, authorization, method):
    target = shared_server.origin
    with Proxy(LOGIN) as proxy:
        asked = target if method == "GET" else target.removeprefix("http://")
        answer, _ = ask(proxy, asked, method, **authorization)

    assert answer.status == 407
    assert answer.getheader("Proxy-Authenticate") == 'Basic realm="sandbox"'
    assert [p.status for p in proxy.passed] == [407]


@pytest.mark.parametrize(("method", "target"), [("GET", NOWHERE), ("CONNECT", "127.0.0.1:9")])
def test_a_host_that_does_not_answer_is_a_bad_gateway(method, target):
    with Proxy() as proxy:
        assert ask(proxy, target, method)[0].status == 502


def test_a_tunnel_carries_tls_that_the_proxy_cannot_read(tmp_path):
    authority = Authority(tmp_path)
    tenant = Tenant(seed=3, scale=0.05)
    with KineticServer(tenant, certificate=authority.issue("s")) as server, Proxy(LOGIN) as proxy:
        target, near = urlsplit(server.url), urlsplit(proxy.url)
        context = ssl.create_default_context(cafile=authority.bundle)
        connection = http.client.HTTPSConnection(near.hostname, near.port, context=context)
        connection.set_tunnel(target.hostname, target.port, AUTHORIZATION)
        connection.request("GET", f"{target.path}/api/v2/odata/EPIC06/Erp.BO.POSvc/POes")
        status = connection.getresponse().status
        connection.close()

    assert status == 401
    assert proxy.passed == [Passed("CONNECT", target.netloc, 200)]


def test_a_server_with_a_certificate_survives_clients_that_speak_no_tls(tmp_path):
    authority = Authority(tmp_path)
    with KineticServer(Tenant(seed=3, scale=0.05), certificate=authority.issue("s")) as server:
        address = (urlsplit(server.url).hostname, urlsplit(server.url).port)
        with socket.create_connection(address) as silent, socket.create_connection(address) as raw:
            raw.sendall(b"GET / HTTP/1.1\r\n\r\n")
            context = ssl.create_default_context(cafile=authority.bundle)
            connection = http.client.HTTPSConnection(*address, context=context, timeout=5)
            connection.request("GET", "/")
            assert connection.getresponse().status == 404
            connection.close()
            assert silent.fileno() > 0


def test_the_program_tells_its_address_and_what_passed(shared_server):
    command = [sys.executable, "-m", "kinetic_sandbox.proxy", "--login", "clerk:secret"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        try:
            url = json.loads(program.stdout.readline())["url"]
            assert url.startswith("http://clerk:secret@127.0.0.1:")
            near = urlsplit(url)
            connection = http.client.HTTPConnection(near.hostname, near.port, timeout=5)
            connection.request("GET", shared_server.origin + "/")
            assert connection.getresponse().status == 407
            connection.close()
            line = json.loads(program.stdout.readline())
            assert (line["method"], line["status"]) == ("GET", 407)
        finally:
            program.terminate()
