"""The way by which warehouse clients reach emulators: it can break, and leads nowhere else."""

from http.server import BaseHTTPRequestHandler

import pytest
import urllib3
from kinetic_sandbox.loopback import LoopbackServer, LoopbackService
from redirect import Redirect

BODY = b"x" * 200_000


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: list

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if len(body) < len(BODY):
            self.close_connection = True
            return
        self.seen.append((self.headers["Host"], len(body)))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def seen():
    return []


@pytest.fixture
def redirect(seen, tmp_path):
    echo = LoopbackService(LoopbackServer(("127.0.0.1", 0), type("E", (Echo,), {"seen": seen})))
    with echo, Redirect({"*.example.com": echo.port}, tmp_path) as redirect:
        yield redirect


@pytest.fixture
def client(redirect):
    variables = redirect.variables
    with urllib3.ProxyManager(variables["HTTPS_PROXY"], ca_certs=variables["SSL_CERT_FILE"]) as it:
        yield it


def ask(client, host="eu.cloud.example.com"):
    return client.request("POST", f"https://{host}/a", body=BODY, retries=False, timeout=5)


def test_a_production_host_name_reaches_a_port_on_loopback(redirect, client, seen):
    assert ask(client).data == BODY
    assert ask(client, "us.example.com").data == BODY
    assert redirect.asked == ["eu.cloud.example.com", "us.example.com"]
    assert seen == [("eu.cloud.example.com", len(BODY)), ("us.example.com", len(BODY))]


def test_a_host_that_is_not_listed_is_refused(redirect, client, seen):
    with pytest.raises(urllib3.exceptions.HTTPError):
        ask(client, "example.org")
    assert (redirect.refused, seen) == (["example.org"], [])


def test_a_listed_host_can_be_refused_for_a_while(redirect, client):
    redirect.refuse("eu.*")
    with pytest.raises(urllib3.exceptions.HTTPError):
        ask(client)
    redirect.mend()
    assert ask(client).status == 200


@pytest.mark.parametrize("bytes_passed", [0, 50_000])
def test_a_cut_in_the_middle_of_a_request_lets_nothing_be_done(
    redirect, client, seen, bytes_passed
):
    ask(client)
    redirect.cut(bytes_passed)
    with pytest.raises(urllib3.exceptions.HTTPError):
        ask(client)
    assert len(seen) == 1
    redirect.mend()
    assert ask(client).data == BODY


@pytest.mark.parametrize("bytes_passed", [0, 50_000])
def test_a_cut_of_the_answer_lets_the_work_be_done_and_nobody_hear_of_it(
    redirect, client, seen, bytes_passed
):
    redirect.cut(bytes_passed, answers=True)
    with pytest.raises(urllib3.exceptions.HTTPError):
        ask(client)
    assert len(seen) == 1
    redirect.mend()
    assert ask(client).data == BODY
