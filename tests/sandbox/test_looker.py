"""The stand-in for Looker, asked over plain HTTP."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from kinetic_sandbox import cli
from kinetic_sandbox.looker import (
    KINDS,
    Commit,
    Fault,
    LookerServer,
    LookmlError,
    LookmlTest,
    sample_looker,
)
from looker_instance import needed_description, serving

COMMAND = [sys.executable, "-m", "kinetic_sandbox"]
STAGE = "epicor_stage"


@pytest.fixture
def server():
    with serving() as running:
        yield running


class Client:
    """Logged in, and without any comfort."""

    def __init__(self, server: LookerServer) -> None:
        self.server = server
        self._session = requests.Session()
        self._session.trust_env = False
        user = server.looker.users[0]
        self.keys = {"client_id": user.client_id, "client_secret": user.client_secret}
        self.token = self.log_in().json()["access_token"]

    def log_in(self, **keys: str) -> requests.Response:
        form = {**self.keys, **keys}
        return self._session.post(f"{self.server.url}/api/4.0/login", data=form, timeout=5)

    def ask(self, method: str, path: str, body: object = None, **query: str) -> requests.Response:
        return self._session.request(
            method, f"{self.server.url}/api/4.0{path}", params=query, json=body, timeout=5,
            headers={"Authorization": f"Bearer {self.token}"}, allow_redirects=False,
        )  # fmt: skip

    def get(self, path: str, **query: str):
        return self.ask("GET", path, **query).json()


@pytest.fixture
def client(server):
    return Client(server)


def test_login_gives_a_token_of_an_hour_and_wrong_keys_are_not_found(client):
    good = client.log_in()
    bad = client.log_in(client_secret="wrong")

    assert good.json()["expires_in"] == 3600
    assert (bad.status_code, bad.json()["message"]) == (404, "Not found")


def test_a_token_ends_with_its_hour_and_with_the_logout(server, client):
    assert client.ask("GET", "/user").status_code == 200
    server.looker.let_pass(3601)
    assert client.ask("GET", "/user").status_code == 401

    client.token = client.log_in().json()["access_token"]
    assert client.ask("DELETE", "/logout").status_code == 204
    assert client.ask("GET", "/user").status_code == 401
    assert server.looker.open_sessions == 0


@pytest.mark.parametrize("name", ["stale_before", "triggered_at"])
def test_a_datagroup_takes_a_time_that_is_not_in_the_future(server, client, name):
    now = int(time.time())
    late = client.ask("PATCH", "/datagroups/1", {name: now + 600})
    told = client.ask("PATCH", "/datagroups/1", {name: now - 2})

    assert late.status_code == 422
    assert late.json()["errors"][0]["field"] == name
    assert told.json()[name] == now - 2
    assert server.looker.datagroup("epicor_kinetic", "epicor_kinetic").notices == [{name: now - 2}]


@pytest.mark.parametrize("denial", [404, 403])
def test_what_the_role_does_not_allow_is_refused(server, client, denial):
    server.looker.denial = denial
    user = server.looker.users[0]
    user.permissions -= {"update_datagroups", "manage_project_connections", "deploy"}

    assert client.ask("PATCH", "/datagroups/1", {"triggered_at": 1}).status_code == denial
    assert client.ask("GET", "/connections/epicor_kinetic").status_code == denial
    deploy = "/projects/epicor/deploy_ref_to_production"
    assert client.ask("POST", deploy, branch="main").status_code == denial
    assert [each["can"]["update"] for each in client.get("/datagroups")] == [False, False]
    user.permissions.discard("see_datagroups")
    assert client.ask("GET", "/datagroups").status_code == denial


def test_a_role_shows_the_datagroups_of_its_models_only(server, client):
    assert [each["id"] for each in client.get("/datagroups")] == ["1", "2"]
    server.looker.users[0].models = {"thelook"}

    assert [each["id"] for each in client.get("/datagroups")] == ["2"]
    assert client.ask("PATCH", "/datagroups/1", {"triggered_at": 1}).status_code == 404


def test_a_model_is_shown_to_those_whose_role_names_it(server, client):
    told = client.get("/lookml_models/epicor_kinetic")
    assert (told["project_name"], told["allowed_db_connection_names"]) == (
        "epicor", ["epicor_kinetic"])  # fmt: skip
    server.looker.users[0].models = {"thelook"}
    assert client.ask("GET", "/lookml_models/epicor_kinetic").status_code == 404


def test_a_connection_shows_what_the_database_user_sees(server, client):
    connection = server.looker.connections["epicor_kinetic"]
    connection.schemas[STAGE] = {"vendors": ["vendorid", "name"]}
    root = "/connections/epicor_kinetic"

    assert [each["name"] for each in client.get(f"{root}/schemas")] == ["public", STAGE]
    (schema,) = client.get(f"{root}/tables", schema_name=STAGE)
    assert [each["name"] for each in schema["tables"]] == ["vendors"]
    (table,) = client.get(f"{root}/columns", schema_name=STAGE)
    assert [each["name"] for each in table["columns"]] == ["vendorid", "name"]
    tests = client.ask("PUT", f"{root}/test", tests="connect,query,nonsense").json()
    assert [(each["name"], each["status"]) for each in tests] == [
        ("connect", "success"), ("query", "success")]  # fmt: skip

    connection.failing["connect"] = "password authentication failed"
    tests = client.ask("PUT", f"{root}/test", tests="connect").json()
    assert (tests[0]["status"], tests[0]["message"]) == ("error", "password authentication failed")
    assert client.ask("GET", f"{root}/tables").status_code == 404


@pytest.mark.parametrize("error", ["", "column is missing"])
def test_a_build_takes_its_time_and_ends(server, client, error):
    server.looker.derived_tables[0].error = error
    root = "/derived_table"
    build = client.get(f"{root}/epicor_kinetic/ap_aging_rollup/start", force_rebuild="true")
    status = f"{root}/{build['materialization_id']}/status"

    assert json.loads(client.get(status)["resp_text"]) == {"status": "running"}
    server.looker.let_pass(4)
    ended = json.loads(client.get(status)["resp_text"])
    assert ended["status"] == ("error" if error else "complete")
    assert ended.get("message", "") == error
    assert client.ask("GET", f"{root}/epicor_kinetic/nope/start").status_code == 404


def test_a_build_can_be_stopped_and_forbidden(server, client):
    start = "/derived_table/epicor_kinetic/ap_aging_rollup/start"
    build = client.get(start)["materialization_id"]
    client.get(f"/derived_table/{build}/stop")

    ended = json.loads(client.get(f"/derived_table/{build}/status")["resp_text"])
    assert ended["status"] == "killed"
    server.looker.connections["epicor_kinetic"].pdt_api_control = False
    assert client.ask("GET", start).status_code == 400
    server.looker.connections["epicor_kinetic"].pdt_api_control = True
    server.looker.derived_tables[0].has_no_id = True
    assert client.get(start)["materialization_id"] == ""


def test_a_plan_of_ones_own_runs_once_as_a_copy(server, client):
    copy = client.ask("POST", "/scheduled_plans/7/run_once").json()

    assert (copy["run_once"], copy["name"]) == (True, "AP aging, each morning")
    assert copy["id"] != "7"
    assert len(server.looker.plans["7"].runs) == 1
    assert client.ask("POST", "/scheduled_plans/8/run_once").status_code == 404
    server.looker.users[0].permissions.add("administer")
    assert client.ask("POST", "/scheduled_plans/8/run_once").status_code == 200


def test_the_dev_workspace_belongs_to_a_token(server, client):
    validate = "/projects/epicor/validate"
    broken = Commit("b2", errors=(LookmlError("unknown field", "views/vendors.view.lkml", 12),))
    server.looker.projects["epicor"].push("feature", broken)
    assert client.ask("PUT", "/projects/epicor/git_branch", {"name": "feature"}).status_code == 400

    client.ask("PATCH", "/session", {"workspace_id": "dev"})
    client.ask("PUT", "/projects/epicor/git_branch", {"name": "feature"})
    (error,) = client.ask("POST", validate).json()["errors"]
    assert (error["file_path"], error["line_number"]) == ("views/vendors.view.lkml", 12)

    client.token = client.log_in().json()["access_token"]
    assert client.get("/session")["workspace_id"] == "production"
    assert client.ask("POST", validate).json()["errors"] == []


def test_a_workspace_is_behind_its_remote_until_it_is_reset(server, client):
    project = server.looker.projects["epicor"]
    client.ask("PATCH", "/session", {"workspace_id": "dev"})
    branch = "/projects/epicor/git_branch"
    assert client.get(branch)["behind_count"] == 0

    project.push("main", Commit("c3"))
    assert client.get(branch)["behind_count"] == 1
    assert client.ask("POST", "/projects/epicor/reset_to_remote").status_code == 204
    assert client.get(branch)["ref"] == "c3"


def test_a_deploy_changes_production_and_brings_its_datagroups(server, client):
    project = server.looker.projects["epicor"]
    project.push("feature", Commit("d4", datagroups=(("epicor_kinetic", "nightly"),)))
    deploy = "/projects/epicor/deploy_ref_to_production"

    assert client.ask("POST", deploy, branch="nope").status_code == 400
    assert client.ask("POST", deploy, branch="main", ref="d4").status_code == 400
    assert client.ask("POST", deploy, branch="feature").status_code == 204
    assert (project.production.ref, project.deploys) == ("d4", ["d4"])
    assert [each["name"] for each in client.get("/datagroups")][-1] == "nightly"
    project.has_advanced_deploy = False
    assert client.ask("POST", deploy, ref="d4").status_code == 400


def test_data_tests_tell_where_they_failed(server, client):
    failing = LookmlTest("total_is_positive", "epicor_kinetic", "vendors", "t.lkml", 7, "was -1")
    server.looker.projects["epicor"].production = Commit("e5", tests=(failing,))

    assert [each["name"] for each in client.get("/projects/epicor/lookml_tests")] == [failing.name]
    (result,) = client.get("/projects/epicor/lookml_tests/run")
    assert (result["success"], result["assertions_failed"]) == (False, 1)
    assert result["errors"][0]["line_number"] == 7


def test_calls_are_metered_by_kind_and_the_login_is_free(server, client):
    server.looker.quota = {"administrative": 1}
    server.looker.quota_returns_after = 7

    assert client.ask("GET", "/datagroups").status_code == 200
    refused = client.ask("GET", "/datagroups")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "7")
    assert client.ask("POST", "/scheduled_plans/7/run_once").status_code == 200
    assert client.log_in().status_code == 200
    assert server.looker.calls == {"administrative": 1, "query": 1}


def test_faults_befall_the_calls_that_they_name(server, client):
    server.faults.add(Fault("status", where="PATCH", status=429, retry_after=2, times=2))
    server.faults.add(Fault("html", where="GET /api/4.0/user", status=502, after=1))

    assert client.ask("GET", "/user").status_code == 200
    gateway = client.ask("GET", "/user")
    assert (gateway.status_code, gateway.headers["Content-Type"]) == (502, "text/html")
    for _ in range(2):
        refused = client.ask("PATCH", "/datagroups/1", {"triggered_at": 1})
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "2")
    assert client.ask("PATCH", "/datagroups/1", {"triggered_at": 1}).status_code == 200
    assert server.faults.active() == []
    with pytest.raises(ValueError, match="known are status"):
        Fault("nonsense")


def test_a_cut_call_is_not_done_and_a_lost_one_is(server, client):
    plan = server.looker.plans["7"]
    for kind, runs in (("cut", 0), ("lost", 1), ("half", 2)):
        server.faults.add(Fault(kind, where="run_once"))
        with pytest.raises(requests.RequestException):
            client.ask("POST", "/scheduled_plans/7/run_once")
        assert len(plan.runs) == runs
    assert [call.status for call in server.calls[-3:]] == [0, 0, 200]


def test_a_slow_answer_a_redirect_and_ended_tokens(server, client):
    server.faults.add(Fault("redirect", location="https://elsewhere.example/x"))
    moved = client.ask("GET", "/user")
    assert (moved.status_code, moved.headers["Location"]) == (302, "https://elsewhere.example/x")

    server.faults.add(Fault("slow", seconds=0.3))
    began = time.monotonic()
    assert client.ask("GET", "/user").status_code == 200
    assert time.monotonic() - began >= 0.3
    server.faults.add(Fault("expire"))
    assert client.ask("GET", "/user").status_code == 401


def test_the_record_keeps_no_secrets(server, client):
    client.get("/user")

    record = json.dumps([call.as_dict() for call in server.calls])
    assert server.asked == ["POST /login", "GET /user"]
    assert client.keys["client_secret"] not in record
    assert client.token not in record


def control(server: LookerServer, method: str, path: str, body: object = None):
    return requests.request(method, server.control_url + path, json=body, timeout=5)


def test_the_control_plane_sets_faults_time_and_tables(server, client):
    fault = {"kind": "status", "status": 503}
    assert control(server, "POST", "/faults", fault).json()["set"][0]["status"] == 503
    assert client.ask("GET", "/user").status_code == 503
    control(server, "POST", "/faults", fault)
    assert control(server, "DELETE", "/faults").json() == {"set": []}
    assert "cut" in control(server, "GET", "/faults").json()["known"]
    assert control(server, "POST", "/faults", {"kind": "x"}).status_code == 400
    assert control(server, "POST", "/faults", {"nope": 1}).status_code == 400
    assert control(server, "GET", "/nope").status_code == 404

    tables = {"connection": "epicor_kinetic", "schema": STAGE, "tables": ["vendors"]}
    control(server, "POST", "/tables", tables)
    (seen,) = client.get("/connections/epicor_kinetic/tables", schema_name=STAGE)
    assert [each["name"] for each in seen["tables"]] == ["vendors"]

    control(server, "POST", "/time", {"seconds": 3601})
    assert client.ask("GET", "/user").status_code == 401
    state = control(server, "GET", "/state").json()
    assert state["open_sessions"] == 0
    assert [each["id"] for each in state["datagroups"]] == ["1", "2"]
    listed = control(server, "GET", "/requests").json()
    assert [each["path"] for each in listed][:2] == ["/api/4.0/login", "/api/4.0/user"]
    assert control(server, "GET", "/violations").json() == []
    control(server, "DELETE", "/requests")
    assert server.calls == []


def test_what_is_not_in_the_vendors_description_is_listed():
    with LookerServer(sample_looker(), description=needed_description()) as server:
        client = Client(server)
        client.ask("PATCH", "/datagroups/1", {"stale_bfore": 1})
        client.ask("PATCH", "/datagroups/1", {"stale_before": "noon"})
        client.ask("GET", "/datagroups", fields="id")
        server.looker.plans["7"].name = 5  # an own answer gone wrong
        client.get("/scheduled_plans/7")

    assert [text.partition(":")[0] for text in server.violations] == [
        "PATCH /datagroups/1, the request",
        "PATCH /datagroups/1, the request",
        "GET /datagroups, the request",
        "GET /scheduled_plans/7, the answer",
    ]
    assert "stale_bfore" in server.violations[0]


def test_the_command_serves_a_looker_and_obeys():
    with subprocess.Popen([*COMMAND, "looker"], stdout=subprocess.PIPE, text=True) as process:
        announced = json.loads(process.stdout.readline())
        fault = [*COMMAND, "fault", "--control", announced["control"], "kind=status", "status=429"]
        done = subprocess.run(fault, capture_output=True, text=True, check=True)
        keys = {name: announced[name] for name in ("client_id", "client_secret")}
        answers = [
            requests.post(announced["url"] + "/api/4.0/login", data=keys, timeout=5).status_code
            for _ in range(2)
        ]
        process.terminate()
        assert process.wait(timeout=5) == 0

    assert json.loads(done.stdout)["set"][0]["status"] == 429
    assert answers == [429, 200]
    assert urlsplit(announced["url"]).hostname == "127.0.0.1"


def test_a_description_that_is_not_there_is_told(capsys):
    assert cli.main(["looker", "--description", "nope.json"]) == 2
    assert "nope.json" in capsys.readouterr().err


def test_the_readme_shows_every_fault_and_code_that_runs():
    page = (Path(__file__).parents[2] / "sandbox" / "README.md").read_text(encoding="utf-8")
    page = page.partition("# The sandbox Looker")[2].partition("# The sandbox Tableau")[0]
    table = re.findall(r"^\| (`.*?) \|", page, re.MULTILINE)

    assert {name for cell in table for name in re.findall(r"`(\w+)`", cell)} == KINDS.keys()
    for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(code, {})
    for line in re.findall(r"^kinetic-sandbox (.*)$", page, re.MULTILINE):
        arguments = ["http://127.0.0.1:9" if each == "URL" else each for each in line.split()]
        assert line == "looker" or cli.main(arguments) == 1, "understood, and nobody answers"
