"""The vendor's own client uses the stand-in, so that it cannot become a dialect of ours."""

from __future__ import annotations

import os
import time
import uuid
from datetime import datetime, timedelta, timezone

import jwt
import pytest
import tableauserverclient as tsc
from kinetic_sandbox.tableau import CANCELLED, FAILED, Fault, Plan
from tableau_site import serving

SOON = Plan(0, 0)


@pytest.fixture
def server():
    with serving() as running:
        yield running


def signed_in(server, auth=None, site: str = "finance") -> tsc.Server:
    client = tsc.Server(server.url, use_server_version=True, http_options={"timeout": 10})
    client.auth.sign_in(auth or by_token(server, site))
    return client


def by_token(server, site: str = "finance", **other: str) -> tsc.PersonalAccessTokenAuth:
    ((name, secret),) = server.tableau.users[0].tokens.items()
    return tsc.PersonalAccessTokenAuth(name, other.get("secret", secret), site)


def web_token(server, *scopes: str, **other) -> str:
    (app,) = server.tableau.apps
    ((secret_id, secret),) = app.secrets.items()
    claims = {"iss": app.client_id, "sub": server.tableau.users[0].name, "aud": "tableau",
              "jti": str(uuid.uuid4()), "exp": int(time.time()) + 300,
              "scp": list(scopes)}  # fmt: skip
    header = {"kid": other.pop("kid", secret_id), "iss": app.client_id}
    return jwt.encode({**claims, **other}, other.pop("key", secret), "HS256", header)


@pytest.fixture
def client(server) -> tsc.Server:
    return signed_in(server)


def the(client: tsc.Server, name: str, project: str = "Finance") -> tsc.DatasourceItem:
    (found,) = client.datasources.filter(name=name, project_name=project)
    return found


def test_it_learns_the_version_and_signs_in_and_out(server):
    client = signed_in(server)
    assert (client.version, client.site_url) == ("3.29", "finance")
    client.auth.sign_out()

    assert server.asked == ["POST auth/signin", "GET serverInfo", "POST auth/signout"]
    assert server.tableau.open_sessions == 0


def test_a_second_sign_in_with_a_token_ends_the_first(server, client):
    signed_in(server, site="plant")
    with pytest.raises(tsc.NotSignedInError) as raised:
        client.projects.get()

    assert raised.value.code == "401002"
    assert server.tableau.open_sessions == 1


def test_it_finds_one_of_two_of_a_name_by_the_project(client):
    found = list(client.datasources.filter(name="AP Invoices"))
    projects = {each.id: each for each in client.projects.get()[0]}
    (below,) = [each for each in found if projects[each.project_id].parent_id]

    assert len(found) == 2
    assert below.project_name == "Payables"
    assert projects[projects[below.project_id].parent_id].name == "Finance"
    assert the(client, "AP Invoices").id != below.id


def test_a_refresh_runs_its_time_and_ends_well(server, client):
    server.tableau.plan = Plan(10, 20)
    job = client.datasources.refresh(the(client, "AP Invoices"))
    queued = client.jobs.get_by_id(job.id)
    server.let_pass(11)
    running = client.jobs.get_by_id(job.id)
    server.let_pass(20)
    done = client.jobs.wait_for_job(job, timeout=5)

    assert (queued.started_at, queued.completed_at, queued.finish_code) == (None, None, -1)
    assert running.started_at
    assert not running.completed_at
    assert (done.finish_code, done.datasource_name) == (0, "AP Invoices")
    assert server.tableau.site("finance").refreshes == ["Finance/AP Invoices"]


def test_a_second_refresh_is_none_and_the_first_is_found_in_the_list(server, client):
    server.tableau.plan = Plan(10, 20)
    source = the(client, "AP Invoices")
    first = client.datasources.refresh(source)
    queued = list(client.jobs.filter(job_type="refresh_extracts", status="Pending"))
    server.let_pass(15)
    running = list(client.jobs.filter(title="AP Invoices", status__in=["Pending", "InProgress"]))

    assert client.datasources.refresh(source) is None
    assert [each.id for each in queued] == [each.id for each in running] == [first.id]
    server.let_pass(15)
    assert client.datasources.refresh(source).id != first.id


def test_a_failure_and_a_cancelled_job_are_told_with_their_notes(server, client):
    source = the(client, "AP Invoices")
    held = server.tableau.site("finance").find(source.id)
    held.plans = [Plan(0, 0, FAILED, "Invalid password"), Plan(0, 0, CANCELLED)]
    with pytest.raises(tsc.JobFailedException) as failed:
        client.jobs.wait_for_job(client.datasources.refresh(source), timeout=5)
    with pytest.raises(tsc.JobCancelledException):
        client.jobs.wait_for_job(client.datasources.refresh(source), timeout=5)

    assert failed.value.notes == ["Invalid password"]


def test_waiting_has_a_limit_and_a_job_can_be_cancelled(server, client):
    server.tableau.plan = Plan(0, 3600)
    job = client.datasources.refresh(the(client, "AP Invoices"))
    with pytest.raises(TimeoutError):
        client.jobs.wait_for_job(job, timeout=0.2)
    client.jobs.cancel(job.id)

    assert client.jobs.get_by_id(job.id).finish_code == CANCELLED
    assert [each.status for each in client.jobs.get()[0]] == ["Cancelled"]


def test_a_session_that_is_over_is_401002_and_a_new_one_works(server, client):
    server.tableau.expire_sessions()
    with pytest.raises(tsc.NotSignedInError) as raised:
        the(client, "AP Invoices")
    client.auth.sign_in(by_token(server))

    assert raised.value.code == "401002"
    assert the(client, "AP Invoices")


def test_a_gateway_in_between_answers_in_html(server, client):
    server.faults.add(Fault("html", "refresh", status=503))
    server.faults.add(Fault("html", "refresh", status=429, retry_after=7))
    source = the(client, "AP Invoices")
    with pytest.raises(tsc.server.endpoint.exceptions.InternalServerError) as away:
        client.datasources.refresh(source)
    with pytest.raises(tsc.ServerResponseError) as busy:
        client.datasources.refresh(source)

    assert (away.value.code, busy.value.code) == (503, "")
    assert server.tableau.site("finance").refreshes == []


def test_a_small_file_is_published_in_one_request_and_can_be_read_back(server, client, tmp_path):
    file = tmp_path / "ap.hyper"
    file.write_bytes(os.urandom(1 << 20))
    project = the(client, "AP Invoices").project_id
    item = tsc.DatasourceItem(project, "AP extract")
    made = client.datasources.publish(item, file, "CreateNew")
    with pytest.raises(tsc.ServerResponseError) as there:
        client.datasources.publish(item, file, "CreateNew")
    again = client.datasources.publish(item, file, "Overwrite")
    held = server.tableau.site("finance").find("Finance/AP extract")

    assert (made.id, again.id) == (held.id, held.id)
    assert there.value.code == "409006"
    assert held.files == [("ap.hyper", file.read_bytes())]
    client.datasources.publish(item, file, "Append")
    assert len(held.files) == 2


def test_a_large_file_comes_in_parts_and_stands_there_when_its_job_is_done(
    server, client, tmp_path, monkeypatch
):
    monkeypatch.setenv("TSC_CHUNK_SIZE_MB", "1")
    monkeypatch.setenv("TSC_FILESIZE_LIMIT_MB", "2")
    server.tableau.plan = Plan(1, 1)
    file = tmp_path / "ap.hyper"
    file.write_bytes(os.urandom((2 << 20) + 17))
    item = tsc.DatasourceItem(the(client, "AP Invoices").project_id, "AP extract")
    job = client.datasources.publish(item, file, "Overwrite", as_job=True)
    before = list(client.datasources.filter(name="AP extract"))
    server.let_pass(3)

    assert (job.finish_code, job.completed_at, before) == (1, None, [])
    assert client.jobs.get_by_id(job.id).finish_code == 0
    assert the(client, "AP extract")
    ((_, content),) = server.tableau.site("finance").find("Finance/AP extract").files
    assert content == file.read_bytes()
    assert [call.method for call in server.calls if "fileUploads" in call.path] == [
        "POST", "PUT", "PUT", "PUT"]  # fmt: skip


def test_a_publish_that_fails_or_is_cancelled_leaves_nothing(server, client, tmp_path):
    server.tableau.plan = Plan(0, 0, FAILED, "No space left")
    file = tmp_path / "ap.hyper"
    file.write_bytes(b"12")
    item = tsc.DatasourceItem(the(client, "AP Invoices").project_id, "AP extract")
    with pytest.raises(tsc.JobFailedException):
        client.jobs.wait_for_job(client.datasources.publish(item, file, "Overwrite", as_job=True))
    server.tableau.plan = Plan(0, 60)
    client.jobs.cancel(client.datasources.publish(item, file, "Overwrite", as_job=True).id)
    server.let_pass(61)

    assert list(client.datasources.filter(name="AP extract")) == []


@pytest.mark.full
def test_more_than_64_megabytes_are_published_as_they_are(server, client, tmp_path):
    file = tmp_path / "ap.hyper"
    piece = os.urandom(1 << 20)
    with file.open("wb") as opened:
        for _ in range(70):
            opened.write(piece)
    item = tsc.DatasourceItem(the(client, "AP Invoices").project_id, "AP extract")
    client.datasources.publish(item, file, "Overwrite")
    ((_, content),) = server.tableau.site("finance").find("Finance/AP extract").files

    assert content == file.read_bytes()
    parts = [call.size >> 20 for call in server.calls if call.method == "PUT"]
    assert parts == [50, 20]


def test_it_signs_in_with_a_web_token_and_with_a_password(server):
    scopes = ("tableau:content:read", "tableau:tasks:run", "tableau:jobs:read")
    by_app = signed_in(server, tsc.JWTAuth(web_token(server, *scopes), site_id="finance"))
    user = server.tableau.users[0]
    by_name = signed_in(server, tsc.TableauAuth(user.name, user.password, "finance"))

    by_app.jobs.wait_for_job(by_app.datasources.refresh(the(by_app, "AP Invoices")), timeout=10)
    assert the(by_name, "AP Invoices")
    assert server.tableau.open_sessions == 2


@pytest.mark.parametrize("wrong", ["token", "password", "web token"])
def test_it_is_told_that_a_sign_in_failed(server, wrong):
    auth = {
        "token": by_token(server, secret="wrong"),
        "password": tsc.TableauAuth(server.tableau.users[0].name, "wrong", "finance"),
        "web token": tsc.JWTAuth(web_token(server, key="x" * 40), site_id="finance"),
    }[wrong]
    with pytest.raises(tsc.FailedSignInError) as raised:
        signed_in(server, auth)

    assert raised.value.code == "401001"


def test_it_runs_a_task_and_gets_bytes_that_tell_the_job(server, client):
    server.tableau.plan = SOON
    (task,) = client.tasks.get()[0]
    (job,) = tsc.JobItem.from_response(client.tasks.run(task), client.namespace)

    assert task.target.id == the(client, "GL Balances").id
    assert client.jobs.wait_for_job(job.id, timeout=5).datasource_name == "GL Balances"


def test_it_refreshes_a_workbook_and_asks_for_an_incremental_refresh(server, client):
    server.tableau.plan = SOON
    (book,) = client.workbooks.filter(name="Month End", project_name="Finance")
    source = the(client, "AP Invoices")
    done = client.jobs.wait_for_job(client.workbooks.refresh(book), timeout=5)
    client.jobs.wait_for_job(client.datasources.refresh(source, incremental=True), timeout=5)

    assert done.workbook_name == "Month End"
    assert server.tableau.site("finance").refreshes == [
        "Finance/Month End", "Finance/AP Invoices (incremental)"]  # fmt: skip
    assert [each.type for each in client.jobs.filter(status="Success")] == [
        "increment_extracts", "refresh_extracts"]  # fmt: skip


def test_jobs_are_found_by_their_time(server, client):
    began = datetime.now(timezone.utc)
    server.tableau.plan = SOON
    client.datasources.refresh(the(client, "AP Invoices"))
    server.let_pass(60)
    client.datasources.refresh(the(client, "GL Balances"))
    late = client.jobs.filter(created_at__gt=began + timedelta(seconds=30))
    early = client.jobs.filter(created_at__lte=began + timedelta(seconds=30), job_type__in=[
        "refresh_extracts", "increment_extracts"])  # fmt: skip

    assert [each.title for each in late] == ["GL Balances"]
    assert [each.title for each in early] == ["AP Invoices"]


def test_it_sees_the_rate_limit_as_429000_with_minutes(server, client):
    server.tableau.site("finance").refreshes_per_hour = 1
    client.datasources.refresh(the(client, "AP Invoices"))
    with pytest.raises(tsc.ServerResponseError) as raised:
        client.datasources.refresh(the(client, "GL Balances"))

    assert raised.value.code == "429000"
    assert "retry after 60 minutes" in raised.value.detail


def test_it_takes_a_german_conflict_for_what_it_is(server, client):
    server.tableau.language = "de"
    source = the(client, "AP Invoices")

    assert client.datasources.refresh(source)
    assert client.datasources.refresh(source) is None


def test_it_falls_back_to_2_4_when_it_cannot_learn_the_version(server):
    """Why the pipeline looks at the version itself."""
    server.faults.add(Fault("html", "serverInfo", status=503))
    client = signed_in(server)

    assert client.version == "2.4"
    with pytest.raises(tsc.server.exceptions.EndpointUnavailableError):
        client.datasources.refresh("any")


def test_rights_are_403004_and_unknown_ids_404004(server, client):
    source = the(client, "AP Invoices")
    with pytest.raises(tsc.ServerResponseError) as missing:
        client.datasources.refresh(str(uuid.uuid4()))
    server.tableau.users[0].may_do.discard("refresh")
    with pytest.raises(tsc.ServerResponseError) as denied:
        client.datasources.refresh(source)

    assert (missing.value.code, denied.value.code) == ("404004", "403004")
