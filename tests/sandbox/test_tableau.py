"""The stand-in for Tableau, asked over plain HTTP."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import uuid
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import jwt
import pytest
import requests
from kinetic_sandbox import cli
from kinetic_sandbox.tableau import (
    KINDS,
    ConnectedApp,
    Fault,
    Plan,
    TableauServer,
    sample_tableau,
)
from tableau_site import needed_schema, serving

COMMAND = [sys.executable, "-m", "kinetic_sandbox"]
SPACE = {"t": "http://tableau.com/api"}
APP_SCOPES = ["tableau:content:read", "tableau:tasks:run", "tableau:jobs:read"]


@pytest.fixture
def server():
    with serving() as running:
        yield running


class Answer:
    """Status, code and elements of an answer."""

    def __init__(self, response: requests.Response) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self.text = response.text
        self.xml = fromstring(response.content) if response.content else Element("nothing")
        error = self.xml.find("t:error", SPACE)
        self.code = None if error is None else error.get("code")

    def all(self, name: str) -> list[Element]:
        return self.xml.findall(f".//t:{name}", SPACE)

    def names(self, name: str) -> list[str]:
        return [each.get("name") for each in self.all(name)]

    def one(self, name: str) -> Element:
        (found,) = self.all(name)
        return found


class Client:
    """Signed in, and without any comfort."""

    def __init__(self, server: TableauServer, version: str = "3.29", **credentials: str) -> None:
        self.server, self.version = server, version
        self.user = server.tableau.users[0]
        self._session = requests.Session()
        self._session.trust_env = False
        self.token = self.site = ""
        self.answer = self.sign_in(**credentials)

    def sign_in(self, site: str = "finance", **credentials: str) -> Answer:
        ((name, secret),) = self.user.tokens.items()
        given = credentials or {"personalAccessTokenName": name,
                                "personalAccessTokenSecret": secret}  # fmt: skip
        attributes = " ".join(f'{key}="{value}"' for key, value in given.items())
        body = f'<credentials {attributes}><site contentUrl="{site}"/></credentials>'
        self.token = ""
        answer = self.ask("POST", "/auth/signin", body, of_site=False)
        if answer.status == 200:
            self.token = answer.one("credentials").get("token")
            self.site = answer.one("site").get("id")
        return answer

    def send(self, method: str, path: str, body: object = None, *, of_site=True, **query):
        within = f"/sites/{self.site}" if of_site else ""
        is_xml = isinstance(body, str)
        sent = f"<tsRequest>{body}</tsRequest>" if is_xml else body
        headers = {"Content-Type": "text/xml"} if is_xml else {}
        headers.update({"X-Tableau-Auth": self.token} if self.token else {})
        return self._session.request(
            method, f"{self.server.url}/api/{self.version}{within}{path}", params=query,
            data=sent, headers=headers, timeout=5, allow_redirects=False,
        )  # fmt: skip

    def ask(self, method: str, path: str, body: object = None, **more) -> Answer:
        return Answer(self.send(method, path, body, **more))

    def refresh(self, path: str = "Finance/AP Invoices", body: str = "") -> Answer:
        kept = next(each for each in self.server.tableau.sites if each.id == self.site)
        return self.ask("POST", f"/datasources/{kept.find(path).id}/refresh", body)


@pytest.fixture
def client(server) -> Client:
    return Client(server)


@pytest.fixture
def site(server):
    return server.tableau.site("finance")


def web_token(server: TableauServer, without: str = "", **changed) -> str:
    app: ConnectedApp = server.tableau.apps[0]
    ((secret_id, secret),) = app.secrets.items()
    claims = {"iss": app.client_id, "sub": server.tableau.users[0].name, "aud": "tableau",
              "jti": str(uuid.uuid4()), "exp": time.time() + 300, "scp": APP_SCOPES}  # fmt: skip
    kid, key = changed.pop("kid", secret_id), changed.pop("key", secret)
    algorithm = changed.pop("alg", "HS256")
    claims = {name: value for name, value in {**claims, **changed}.items() if name != without}
    used = key if algorithm != "none" else None
    return jwt.encode(claims, used, algorithm, {"kid": kid, "iss": app.client_id})


def test_anybody_may_ask_for_the_version(server, client):
    server.tableau.api_version = "3.12"
    client.version, client.token = "2.4", ""
    told = client.ask("GET", "/serverInfo", of_site=False)
    client.version = "3.29"

    assert told.one("restApiVersion").text == "3.12"
    assert client.ask("GET", "/serverInfo", of_site=False).code == "404001"


def test_a_token_a_web_token_and_a_password_each_open_a_session(server):
    user = server.tableau.users[0]
    ways = ({}, {"jwt": web_token(server)}, {"name": user.name, "password": user.password})
    clients = [Client(server, **credentials) for credentials in ways]

    assert [each.ask("GET", "/datasources").status for each in clients] == [200, 200, 200]
    assert server.tableau.open_sessions == 3
    assert clients[0].answer.one("credentials").get("estimatedTimeToExpiration") == "04:00:00"
    assert clients[0].ask("POST", "/auth/signout", of_site=False).status == 204
    assert clients[0].ask("GET", "/datasources").code == "401002"


def test_wrong_credentials_are_401001_and_never_recorded(server, client):
    name = server.tableau.users[0].name
    wrong = [
        {"personalAccessTokenName": "kinetic-pipeline", "personalAccessTokenSecret": "wrong"},
        {"personalAccessTokenName": "nobody", "personalAccessTokenSecret": "wrong"},
        {"name": name, "password": "wrong"},
    ]
    assert [client.sign_in(**each).code for each in wrong] == ["401001"] * 3
    assert client.sign_in(site="nowhere").code == "404000"
    assert client.ask("GET", "/datasources").code == "401000"
    server.tableau.takes_passwords = False
    assert client.sign_in(name=name, password=server.tableau.users[0].password).code == "401001"
    server.tableau.users[0].sites = {"plant"}
    assert client.sign_in().code == "401001"
    assert client.sign_in(site="plant").status == 200
    assert client.ask("GET", "/datasources").status == 200
    record = json.dumps([call.as_dict() for call in server.calls])
    assert "wrong" not in record
    assert client.token not in record


@pytest.mark.parametrize(
    ("wrong", "value"),
    [
        ("key", "x" * 40), ("kid", "unknown"), ("iss", "unknown"), ("sub", "nobody@example.com"),
        ("aud", "elsewhere"), ("exp", 1), ("exp", 4_000_000_000), ("alg", "none"),
        ("without", "jti"), ("without", "exp"),
    ],
)  # fmt: skip
def test_a_web_token_with_a_fault_is_401001(server, client, wrong, value):
    assert client.sign_in(jwt=web_token(server, **{wrong: value})).code == "401001"


def test_a_web_token_is_taken_once_and_only_from_an_app_that_is_enabled(server, client):
    token = web_token(server)
    assert client.sign_in(jwt=token).status == 200
    assert client.sign_in(jwt=token).code == "401001"
    assert client.sign_in(jwt="e30.e30").code == "401001"
    server.tableau.users[0].sites = {"plant"}
    assert client.sign_in(jwt=web_token(server)).code == "401001"
    assert client.sign_in(site="plant", jwt=web_token(server)).status == 200
    server.tableau.apps[0].is_enabled = False
    assert client.sign_in(site="plant", jwt=web_token(server)).code == "401001"


def test_a_web_token_is_judged_by_the_clock_of_the_server(server, client):
    server.let_pass(3600)
    assert client.sign_in(jwt=web_token(server)).code == "401001"
    assert client.sign_in(jwt=web_token(server, exp=time.time() + 3900)).status == 200


def test_a_web_token_opens_what_its_scopes_say(server, client):
    client.sign_in(jwt=web_token(server, scp=["tableau:content:read"]))
    assert client.ask("GET", "/datasources").status == 200
    assert client.refresh().code == "401002"
    client.sign_in(jwt=web_token(server, scp=["tableau:tasks:*"]))
    assert client.refresh().status == 202
    assert client.ask("GET", "/jobs").code == "401002"


def test_a_session_ends_when_it_is_idle_and_after_its_calls(server, client):
    server.let_pass(200 * 60)
    assert client.ask("GET", "/datasources").status == 200
    server.let_pass(200 * 60)
    assert client.ask("GET", "/datasources").status == 200
    server.let_pass(240 * 60)
    assert client.ask("GET", "/datasources").code == "401002"

    server.tableau.calls_per_session = 2
    client.sign_in()
    codes = [client.ask("GET", "/datasources").code for _ in range(3)]
    assert codes == [None, None, "401002"]


def test_a_session_is_good_for_its_own_site(server, client):
    client.site = server.tableau.site("plant").id
    assert client.ask("GET", "/datasources").code == "403004"
    client.site = str(uuid.uuid4())
    assert client.ask("GET", "/datasources").code == "404000"


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("name:eq:AP Invoices", ["AP Invoices", "AP Invoices"]),
        ("name:eq:AP Invoices,projectName:eq:Payables", ["AP Invoices"]),
        ("name:eq:Open*", ["Open Orders"]),
        ("name:in:[Vendors,Live Orders]", ["Vendors", "Live Orders"]),
        ("hasExtracts:eq:false", ["Live Orders"]),
        ("name:eq:ap invoices", []),
        ("createdAt:gt:2020-01-01T00:00:00Z,name:has:live", ["Live Orders"]),
        ("createdAt:lte:2020-01-01T00:00:00Z", []),
    ],
)
def test_lists_are_filtered(client, expression, found):
    assert client.ask("GET", "/datasources", filter=expression).names("datasource") == found


def test_lists_come_sorted_and_in_pages(client):
    first = client.ask("GET", "/datasources", sort="name:desc", pageSize="4")
    second = client.ask("GET", "/datasources", sort="name:desc", pageSize="4", pageNumber="2")

    assert first.one("pagination").get("totalAvailable") == "6"
    assert [*first.names("datasource"), *second.names("datasource")] == [
        "Vendors", "Open Orders", "Live Orders", "GL Balances", "AP Invoices", "AP Invoices",
    ]  # fmt: skip
    assert client.ask("GET", "/datasources", pageSize="4", pageNumber="3").code == "400006"
    assert client.ask("GET", "/datasources", pageSize="1001").code == "400007"
    assert client.ask("GET", "/datasources", pageSize="many").code == "400000"
    for wrong in ("colour:eq:red", "name:like:AP", "name"):
        assert client.ask("GET", "/datasources", filter=wrong).code == "400008"
    assert client.ask("GET", "/datasources", sort="colour:asc").code == "400008"


def test_what_is_not_there_has_its_own_code(client):
    other = str(uuid.uuid4())
    paths = ("/datasources/{}", "/workbooks/{}", "/tasks/extractRefreshes/{}", "/jobs/{}", "/{}")
    assert [client.ask("GET", path.format(other)).code for path in paths] == [
        "404004", "404006", "404027", "404031", "404003"]  # fmt: skip
    assert client.ask("PUT", f"/fileUploads/{other}").code == "404014"


def test_what_the_user_may_not_do_is_403_and_what_he_may_not_see_is_404(client, site):
    client.user.may_do -= {"refresh", "list jobs", "publish"}
    assert client.refresh().code == "403004"
    assert client.ask("GET", "/jobs").code == "403004"
    assert client.ask("POST", "/fileUploads").code == "403004"
    client.user.may_do |= {"refresh"}
    client.user.projects = {"Operations"}
    assert client.refresh().code == "404004"
    assert client.ask("GET", "/datasources").names("datasource") == ["Open Orders", "Live Orders"]
    assert client.ask("GET", "/workbooks").names("workbook") == []
    assert client.ask("GET", "/tasks/extractRefreshes").all("task") == []
    assert client.ask("GET", "/projects").names("project") == ["Operations"]
    assert site.refreshes == []


def test_a_source_without_an_extract_and_one_that_is_refreshed_are_conflicts(server, client, site):
    server.tableau.plan = Plan(10, 10)
    assert client.refresh("Operations/Live Orders").code == "409090"
    assert client.refresh().status == 202
    assert client.refresh().code == "409093"
    assert client.refresh("Finance/Payables/AP Invoices").status == 202
    server.let_pass(15)
    assert client.refresh().code == "409093"
    server.let_pass(5)
    assert client.refresh().status == 202
    assert site.refreshes == [
        "Finance/AP Invoices", "Finance/Payables/AP Invoices", "Finance/AP Invoices"]  # fmt: skip


def test_a_workbook_and_a_task_are_refreshed_too(server, client, site):
    server.tableau.plan = Plan(10, 10)
    book = site.find("Finance/Month End").id
    (task,) = client.ask("GET", "/tasks/extractRefreshes").all("extractRefresh")
    begun = client.ask("POST", f"/workbooks/{book}/refresh", "")
    run = client.ask("POST", f"/tasks/extractRefreshes/{task.get('id')}/runNow", "")
    again = client.refresh("Finance/GL Balances")

    assert begun.one("workbook").get("name") == "Month End"
    assert (run.status, again.code) == (200, "409093")
    assert set(run.one("job").keys()) == {"id", "mode", "type"}, "it tells nothing else"
    listed = client.ask("GET", "/jobs").all("backgroundJob")
    assert [each.get("title") for each in listed] == ["GL Balances", "Month End"]
    assert [each.get("subtitle") for each in listed] == ["Data Source", "Workbook"]


def test_an_incremental_refresh_is_known_since_3_25(server, client, site):
    wanted = '<extractRefresh incremental="true"/>'
    client.version = "3.24"
    assert client.refresh(body=wanted).code == "400000"
    client.version = "3.25"
    assert client.refresh(body=wanted).status == 202
    assert site.refreshes == ["Finance/AP Invoices (incremental)"]
    server.let_pass(9)
    listed = client.ask("GET", "/jobs", filter="jobType:eq:increment_extracts,status:eq:Success")
    assert len(listed.all("backgroundJob")) == 1


def test_an_older_server_lacks_what_came_later(server):
    server.tableau.api_version = "2.7"
    client = Client(server, version="2.7")
    assert client.refresh().code == "404003"
    assert client.ask("GET", "/jobs").code == "404003"
    client.version = "2.8"
    assert client.refresh().code == "404001"


def test_a_site_allows_so_many_refreshes_an_hour(server, client, site):
    site.refreshes_per_hour = 2
    server.tableau.plan = Plan(0, 0)
    assert client.refresh().status == 202
    server.let_pass(1800)
    assert client.refresh("Finance/GL Balances").status == 202
    server.let_pass(60)
    late = client.refresh()
    site.tells_retry_after = False

    assert (late.status, late.code) == (429, "429000")
    assert "api.rest.refresh_extracts" in late.text
    assert "retry after 29 minutes" in late.text
    assert late.headers["Retry-After"] == "1740"
    assert "Retry-After" not in client.refresh().headers
    client.sign_in(site="plant")
    assert client.refresh("Plant/Stock").status == 202, "another site has its own budget"
    client.sign_in()
    server.let_pass(1741)
    assert client.refresh().status == 202


def test_errors_are_told_in_the_language_of_the_deployment(server, client):
    server.tableau.language = "de"
    client.refresh()
    again = client.refresh()

    assert again.code == "409093"
    assert "Ressourcenkonflikt" in again.text
    assert "already" not in again.text


def test_a_job_that_is_done_cannot_be_cancelled(server, client):
    server.tableau.plan = Plan(10, 10)
    job = client.refresh().one("job").get("id")
    assert client.ask("GET", "/jobs", filter="startedAt:lt:2040-01-01").all("backgroundJob") == []
    client.user.may_do.discard("cancel")
    assert client.ask("PUT", f"/jobs/{job}").code == "403004"
    client.user.may_do.add("cancel")
    assert client.ask("PUT", f"/jobs/{job}").status == 200
    assert client.ask("PUT", f"/jobs/{job}").code == "400031"
    cancelled = client.ask("GET", f"/jobs/{job}").one("job")
    assert (cancelled.get("finishCode"), cancelled.get("startedAt")) == ("2", None)
    assert client.refresh().status == 202, "nothing is in the queue any more"


def multipart(payload: str, *files: tuple[str, str, bytes]) -> tuple[bytes, dict[str, str]]:
    pieces = [("request_payload", "", payload.encode()), *files]
    body = b"".join(
        f'--cut\r\nContent-Disposition: name="{name}"; filename="{file}"\r\n\r\n'.encode()
        + content + b"\r\n"
        for name, file, content in pieces
    )  # fmt: skip
    return body + b"--cut--\r\n", {"Content-Type": "multipart/mixed; boundary=cut"}


def send_parts(client: Client, method: str, path: str, *parts, **query: str) -> Answer:
    body, headers = multipart(*parts)
    headers["X-Tableau-Auth"] = client.token
    url = f"{client.server.url}/api/3.29/sites/{client.site}{path}"
    sent = requests.request(method, url, params=query, data=body, headers=headers, timeout=20)
    return Answer(sent)


def publish(client: Client, project: str, *files: tuple[str, str, bytes], **query: str) -> Answer:
    payload = f'<datasource name="New"><project id="{project}"/></datasource>'
    payload = f"<tsRequest>{payload}</tsRequest>"
    return send_parts(client, "POST", "/datasources", payload, *files, **query)


def test_what_cannot_be_published_has_its_own_code(client, site):
    project = site.add_project("Finance").id
    file = ("tableau_datasource", "new.hyper", b"12")
    kind = {"datasourceType": "hyper"}
    too_large = ("tableau_datasource", "new.hyper", bytes((64 << 20) + 1))

    assert publish(client, str(uuid.uuid4()), file, **kind).code == "404005"
    assert publish(client, project, **kind).code == "400011"
    assert publish(client, project, ("tableau_datasource", "a.csv", b"12")).code == "400011"
    assert publish(client, project, file, **kind, append="true").code == "404004"
    assert publish(client, project, uploadSessionId="1:a-0:0", **kind).code == "404014"
    assert publish(client, project, too_large, **kind).code == "413000"
    client.user.may_do -= {"publish"}
    assert publish(client, project, file, **kind).code == "403004"
    assert "Finance/New" not in [each.path for each in site.datasources]


def test_a_part_of_an_upload_is_neither_empty_nor_above_64_megabytes(client):
    upload = client.ask("POST", "/fileUploads").one("fileUpload").get("uploadSessionId")
    path = f"/fileUploads/{upload}"
    file = ("tableau_file", "file", b"12")
    too_large = ("tableau_file", "file", bytes((64 << 20) + 1))

    assert send_parts(client, "PUT", path, "").code == "400000"
    assert send_parts(client, "PUT", path, "", too_large).code == "413000"
    assert send_parts(client, "PUT", path, "", file).one("fileUpload").get("fileSize") == "0"


@pytest.mark.parametrize("kind", ["cut", "lost", "half"])
def test_a_connection_that_is_cut_may_have_begun_a_refresh_or_not(server, client, site, kind):
    server.faults.add(Fault(kind, "refresh"))
    with pytest.raises(requests.exceptions.RequestException):
        client.refresh()

    assert site.refreshes == ([] if kind == "cut" else ["Finance/AP Invoices"])


def test_faults_befall_the_calls_they_are_set_for(server, client, site):
    server.faults.add(Fault("status", "GET finance/jobs", status=500, after=1))
    server.faults.add(Fault("status", "refresh", status=403, code="403132", retry_after=4))
    server.faults.add(Fault("html", "projects", status=502))
    server.faults.add(Fault("slow", "workbooks", seconds=0.3))
    server.faults.add(Fault("redirect", "tasks", location="https://elsewhere.example"))

    jobs = [client.ask("GET", "/jobs").code for _ in range(3)]
    refused = client.refresh()
    page = client.send("GET", "/projects")
    began = time.monotonic()
    client.ask("GET", "/workbooks")
    assert time.monotonic() - began >= 0.3
    moved = client.send("GET", "/tasks/extractRefreshes")

    assert jobs == [None, "500000", None]
    assert (refused.status, refused.code, refused.headers["Retry-After"]) == (403, "403132", "4")
    assert (page.status_code, page.headers["Content-Type"]) == (502, "text/html")
    assert (moved.status_code, moved.headers["Location"]) == (302, "https://elsewhere.example")
    server.faults.add(Fault("expire", "jobs"))
    assert client.ask("GET", "/jobs").code == "401002"
    assert server.faults.active() == []
    assert site.refreshes == []


def test_calls_are_recorded_with_names_instead_of_ids(server, client):
    client.refresh()
    job = client.ask("GET", "/jobs").one("backgroundJob").get("id")
    client.ask("GET", f"/jobs/{job}")

    assert server.asked == [
        "POST auth/signin", "POST finance/datasources/Finance/AP Invoices/refresh",
        "GET finance/jobs", "GET finance/jobs/1",
    ]  # fmt: skip
    assert [call.status for call in server.calls] == [200, 202, 200, 200]


def test_what_is_no_xml_is_refused(client):
    assert client.refresh(body="<open").code == "400000"
    client.server.violations.clear()


def test_requests_and_answers_are_held_against_the_vendors_schema():
    with TableauServer(sample_tableau(), schema=needed_schema()) as server:
        client = Client(server)
        client.refresh(body='<extractRefresh incrementel="true"/>')
        client.sign_in(personalAccessTokenNam="kinetic-pipeline")
        server.tableau.build = "26"
        client.ask("GET", "/serverInfo", of_site=False)

    assert [text.partition(":")[0] for text in server.violations] == [
        "POST finance/datasources/Finance/AP Invoices/refresh, the request",
        "POST auth/signin, the request",
        "GET serverInfo, the answer",
    ]
    assert "incrementel" in server.violations[0]


def test_without_a_schema_nothing_is_held_against_it():
    with TableauServer(sample_tableau()) as server:
        assert Client(server).refresh(body="<unheard/>").status == 202
    assert server.violations == []


def test_the_control_plane_sets_time_jobs_limits_and_tells_the_state(server, client):
    def control(method: str, path: str, body: object = None):
        return requests.request(method, server.control_url + path, json=body, timeout=5).json()

    control("POST", "/settings", {"site": "finance", "refreshes_per_hour": 1, "language": "de"})
    control("POST", "/jobs", {"queued": 5, "running": 5})
    failing = {"target": "Finance/AP Invoices", "queued": 0, "running": 60, "finish_code": 1}
    control("POST", "/jobs", failing)
    client.refresh()
    control("POST", "/time", {"seconds": 30})
    running = control("GET", "/state")["sites"]["finance"]
    control("POST", "/time", {"seconds": 31})
    failed = control("GET", "/state")["sites"]["finance"]
    control("POST", "/expire")

    assert [job["status"] for job in running["jobs"] + failed["jobs"]] == ["InProgress", "Failed"]
    assert failed["refreshes"] == ["Finance/AP Invoices"]
    assert (server.tableau.plan.queued, server.tableau.language) == (5, "de")
    assert [site.refreshes_per_hour for site in server.tableau.sites] == [1, None]
    assert client.ask("GET", "/jobs").code == "401002"
    assert "refreshes_per_hour" in control("POST", "/settings", {"speed": 1})["error"]
    assert "Nowhere" in control("POST", "/jobs", {"target": "Nowhere"})["error"]
    assert "nowhere" in control("POST", "/settings", {"site": "nowhere"})["error"]
    assert "de" in control("POST", "/settings", {"language": "la"})["error"]
    assert control("GET", "/violations") == []


def test_the_command_serves_a_tableau_and_obeys():
    command = [*COMMAND, "tableau", "--api-version", "3.20", "--refreshes-per-hour", "1",
               "--job-seconds", "60"]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        announced = json.loads(process.stdout.readline())
        fault = [*COMMAND, "fault", "--control", announced["control"], "kind=status", "status=503"]
        done = subprocess.run(fault, capture_output=True, text=True, check=True)
        url = announced["url"] + "/api/2.4/serverInfo"
        answers = [requests.get(url, timeout=5) for _ in range(2)]
        process.terminate()
        assert process.wait(timeout=5) == 0

    assert json.loads(done.stdout)["set"][0]["status"] == 503
    assert [each.status_code for each in answers] == [503, 200]
    assert "3.20" in answers[1].text
    assert {"url", "control", "site", "token_name", "token_secret", "client_id", "secret_id",
            "secret_value", "username", "password"} <= announced.keys()  # fmt: skip


def test_a_schema_that_is_not_there_or_none_is_told(capsys, tmp_path):
    pytest.importorskip("lxml")
    (tmp_path / "other.xsd").write_text("<other/>")
    for name in ("nope.xsd", str(tmp_path / "other.xsd")):
        assert cli.main(["tableau", "--schema", name]) == 2
        assert name in capsys.readouterr().err


def test_the_readme_shows_every_fault_and_code_that_runs():
    page = (Path(__file__).parents[2] / "sandbox" / "README.md").read_text(encoding="utf-8")
    _, _, page = page.partition("# The sandbox Tableau")
    table = re.findall(r"^\| (`.*?) \|", page, re.MULTILINE)

    assert {name for cell in table for name in re.findall(r"`(\w+)`", cell)} == KINDS.keys()
    for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(code, {})
    for line in re.findall(r"^kinetic-sandbox (.*)$", page, re.MULTILINE):
        arguments = ["http://127.0.0.1:9" if each == "URL" else each for each in line.split()]
        assert line == "tableau" or cli.main(arguments) == 1, "understood, and nobody answers"
