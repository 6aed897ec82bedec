"""The control plane and the command line."""

import json
import signal
import subprocess
import sys

import pytest

COMMAND = [sys.executable, "-m", "kinetic_sandbox"]


def test_a_day_passes_by_request(own):
    report = own.send("POST", "/_sandbox/day").json

    assert report["added"]["ap_invoices"]
    assert report.keys() == {"added", "changed", "closed", "reopened", "deleted"}


def test_vices_are_switched_by_request_all_or_none(server, own):
    assert own.send("POST", "/_sandbox/vices", '{"page_cap": 5}').status == 200
    assert server.vices.active() == {"page_cap": 5}

    refused = own.send("POST", "/_sandbox/vices", '{"drop": 3, "nope": 1}')
    assert refused.status == 400
    assert "page_cap" in refused.json["error"]
    assert server.vices.active() == {"page_cap": 5}

    own.send("POST", "/_sandbox/vices", '{"page_cap": null}')
    assert server.vices.active() == {}


@pytest.mark.parametrize("body", ["[]", "{", '{"page_cap": "x"}'])
def test_a_malformed_order_is_a_400(own, body):
    assert own.send("POST", "/_sandbox/vices", body).status == 400


def test_control_is_no_tenant_traffic(server, own):
    own.get("/Kinetic/api/v2/odata/EPIC06/Erp.BO.POSvc/$metadata")
    listed = own.get("/_sandbox/requests").json

    assert [request["kind"] for request in listed] == ["metadata"]
    own.send("DELETE", "/_sandbox/requests")
    assert server.requests == []


def test_truth_is_told_with_decimals_as_text(server, own):
    rows = own.send("GET", "/_sandbox/rows?stream=ap_invoices&company=EPIC06").json

    assert len(rows) == len(server.tenant.rows("ap_invoices", "EPIC06"))
    assert isinstance(rows[0]["InvoiceAmt"], str)
    assert own.send("GET", "/_sandbox/rows?stream=nope&company=EPIC06").status == 400


def test_streams_and_restore(server, own):
    assert list(own.get("/_sandbox/streams").json) == list(server.tenant.streams)
    assert own.send("POST", "/_sandbox/restore").status == 200
    assert own.get("/_sandbox/nope").status == 404


@pytest.fixture
def served(tmp_path):
    command = [*COMMAND, "serve", "--scale", "0.1", "--vice", "page_cap=3",
               "--log-file", str(tmp_path / "log")]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process, json.loads(process.stdout.readline())
        process.kill()


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)


def test_the_command_serves_and_obeys(served, tmp_path):
    _, announced = served
    control = announced["control"]
    assert announced["url"].endswith("/Kinetic")
    assert announced["companies"] == ["EPIC06", "EPIC07"]
    assert {"username", "password", "api_key"} <= announced.keys()

    assert "added" in run("day", "--control", control).stdout
    assert json.loads(run("vice", "--control", control, "page_cap=null").stdout) == {"on": {}}
    assert run("requests", "--control", control).stdout.strip() == "[]"
    subprocess.run([sys.executable, "-c", "import sys, urllib.request as u;u.urlopen(sys.argv[1])",
                    announced["url"]], check=False, capture_output=True)  # fmt: skip
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert json.loads(line)["status"] == 404


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_command_cleanly(served, number):
    process, _ = served
    process.send_signal(number)

    assert process.wait(timeout=5) == 0


def test_mistakes_on_the_command_line_are_told():
    assert "known names" in run("serve", "--vice", "nope=1").stderr
    assert run("serve", "--vice", "page_cap=x").returncode == 2
    assert run("day", "--control", "http://127.0.0.1:9").returncode == 1
