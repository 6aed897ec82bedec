"""The program `looker-refresh` as people and Meltano run it: lines, exit codes, no secrets."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import trustme
from environments import free_port
from kinetic_sandbox.looker import Commit, Fault, LookmlError
from kinetic_sandbox.loopback import LoopbackServer, LoopbackService
from looker_refresh import ONE_NOTICE, Done


@pytest.fixture
def here(make):
    return make(looker_deadline_seconds=4)


def test_run_tells_what_waits_once(server, here):
    here.load("vendors")
    first, second = here.command("run"), here.command("run")

    assert (first.returncode, second.returncode) == (0, 0)
    assert "Looker: trigger of epicor_kinetic::epicor_kinetic for vendors" in first.stderr
    assert "no complete run waits" in second.stderr
    assert server.asked == ONE_NOTICE


def test_settings_come_from_variables_and_win_over_the_file(server, here):
    here.load("vendors")
    secret = here.settings.pop("looker_client_secret")
    here.settings["looker_client_id"] = "wrong"
    done = here.command(
        "run",
        TARGET_LOOKER_STAGE_LOOKER_CLIENT_SECRET=secret,
        TARGET_LOOKER_STAGE_LOOKER_CLIENT_ID=server.looker.users[0].client_id,
        TARGET_LOOKER_STAGE_LOOKER_DATAGROUPS='{"epicor_kinetic": ["ven*"]}',
    )

    assert done.returncode == 0, done.stderr
    assert server.asked == ONE_NOTICE


def one_sentence(done: Done, code: int) -> str:
    """The last line of stderr, which has no traceback above it."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


def test_a_failure_is_exit_1_and_a_warning_where_that_is_set(server, here):
    server.looker.users[0].permissions.discard("update_datagroups")
    here.load("vendors")
    told = one_sentence(here.command("run"), 1)
    assert told.startswith("CRITICAL")
    assert "`update_datagroups`" in told

    here.settings["on_looker_error"] = "warn"
    told = one_sentence(here.command("run"), 0)
    assert told.startswith("WARNING Looker does not know of the last load")
    assert here.waiting == ["vendors"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"looker_url": ""}, "`looker_url` is missing"),
        ({"looker_client_secret": ""}, "`looker_client_secret` is missing"),
        ({"looker_url": "http://looker.example"}, "`looker_url` has to begin with https://"),
        ({"lookr_url": "x"}, "`lookr_url` is no setting"),
    ],
)
def test_a_wrong_setting_is_exit_2(here, change, words):
    here.settings |= change

    assert words in one_sentence(here.command("run"), 2)


def test_an_unknown_option_is_exit_2(here):
    assert "No such option" in one_sentence(here.command("run", "--nope"), 2)


def test_nobody_listening_is_told_within_the_deadline(here):
    here.settings["looker_url"] = f"http://127.0.0.1:{free_port()}"
    here.load("vendors")

    told = one_sentence(here.command("run"), 1)
    assert "cannot be reached ([Errno 111] Connection refused)" in told
    assert "`looker_deadline_seconds` (4)" in told


def test_test_prints_each_check_and_fails_with_any(server, here):
    done = here.command("test")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok       login" in done.stdout
    assert "unknown  tables" in done.stdout

    server.looker.datagroups.clear()
    done = here.command("test")
    assert "1 check failed" in one_sentence(done, 1)
    assert "FAILED   datagroup" in done.stdout


def test_status_tells_of_the_last_load_without_asking_looker(server, here):
    assert "no complete run is on record" in here.command("status").stdout
    here.load("vendors")
    here.load("parts", complete=False)
    waiting = here.command("status").stdout.splitlines()
    assert waiting[0].endswith("run run-1: 3 rows, 0 retractions")
    assert waiting[1:] == [
        "Looker     pending",
        "waiting    complete run run-1: vendors",
        "waiting    cut run run-2: parts",
    ]
    assert server.asked == []

    here.tell()
    told = here.command("status").stdout.splitlines()
    assert told[1].startswith("Looker     told at 2")
    assert told[2:] == ["waiting    nothing"]


def test_status_tells_of_cut_runs_that_wait_for_a_complete_one(here):
    here.load("parts", complete=False)

    assert "told together with the next complete one" in here.command("status").stdout


def test_status_shows_lookers_side_on_request(server, here):
    here.load("vendors")
    here.tell()
    server.calls.clear()
    done = here.command("status", "--looker")

    assert "datagroup  epicor_kinetic::epicor_kinetic: triggered at 2" in done.stdout
    assert server.asked == ["POST /login", "GET /datagroups", "DELETE /logout"]


def test_deploy_prints_what_it_does_and_fails_with_file_and_line(server, here):
    project = server.looker.projects["epicor"]
    here.settings |= {"looker_project": "epicor"}
    done = here.command("deploy", "--tests")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "epicor: the LookML of main is valid",
        "epicor: 1 LookML test passed",
        "epicor: production runs branch main at a1f0c6e",
    ]

    error = LookmlError("Unknown field", "views/vendors.view.lkml", 12)
    project.push("main", Commit("b2", errors=(error,)))
    assert "views/vendors.view.lkml:12: Unknown field" in one_sentence(here.command("deploy"), 1)
    assert project.deploys == ["a1f0c6e"]


def test_deploy_needs_a_project(here):
    assert "`looker_project` is missing" in one_sentence(here.command("deploy"), 2)


@pytest.mark.parametrize("command", ["run", "test", "status"])
def test_secrets_are_nowhere(server, here, command):
    """Not in what is printed, not in the audit, not in a file, whatever Looker repeats."""
    secret = here.settings["looker_client_secret"]
    file = here.folder / "settings.json"
    server.faults.add(Fault("status", where="GET", status=400, times=None,
                            message=f"bad secret {secret} in {secret}"))  # fmt: skip
    here.load("vendors")
    done = here.command(command, *(["--looker"] if command == "status" else []))
    file.unlink()

    assert done.returncode == 1
    assert "bad secret *** in ***" in done.stdout + done.stderr
    tokens = {call.headers.get("authorization", "x").removeprefix("Bearer ")
              for call in server.calls} - {"x"}  # fmt: skip
    assert tokens
    dump = str(here.rows("SELECT * FROM epicor_stage._sync_audit"))
    files = b"".join(each.read_bytes() for each in here.folder.rglob("*") if each.is_file())
    for each in (secret, *tokens):
        assert each not in done.stdout + done.stderr + dump
        assert each.encode() not in files


def test_a_proxy_of_the_environment_is_used_and_its_password_is_not_told(here):
    here.load("vendors")
    proxy = f"http://user:hunter2secret@127.0.0.1:{free_port()}"
    done = here.command("run", HTTP_PROXY=proxy, http_proxy=proxy, NO_PROXY="", no_proxy="")

    assert "cannot be reached" in one_sentence(done, 1)
    assert "hunter2secret" not in done.stdout + done.stderr


def test_an_untrusted_certificate_is_told_with_its_setting(tmp_path, here):
    authority = trustme.CA()
    listening = LoopbackServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    listening.socket = context.wrap_socket(listening.socket, server_side=True)
    here.load("vendors")
    with LoopbackService(listening) as service:
        here.settings["looker_url"] = f"https://127.0.0.1:{service.port}"
        told = one_sentence(here.command("run"), 1)
        bundle = tmp_path / "ca.pem"
        authority.cert_pem.write_to_path(str(bundle))
        here.settings["looker_ca_bundle"] = str(bundle)
        trusted = one_sentence(here.command("run"), 1)

    assert "is not trusted" in told
    assert "`looker_ca_bundle`" in told
    assert "is not trusted" not in trusted
    assert "with a web page" in trusted


def test_the_installed_program_ends_with_the_same_codes(here):
    program = str(Path(sys.executable).with_name("looker-refresh"))
    shown = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    assert all(f"  {name} " in shown for name in ("run", "test", "status", "deploy"))

    file = here.folder / "settings.json"
    file.write_text(json.dumps({**here.settings, "looker_url": ""}))
    done = subprocess.run(
        [program, "run", "--config", str(file)], capture_output=True, text=True, check=False
    )
    assert "`looker_url` is missing" in one_sentence(Done(done.returncode, "", done.stderr), 2)
