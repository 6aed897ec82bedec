"""The vendor's own client uses the stand-in, so that it cannot become a dialect of ours."""

from __future__ import annotations

import json
import time

import looker_sdk.error
import looker_sdk.sdk.api40.methods as methods40
import pytest
import requests
from kinetic_sandbox.looker import Fault
from looker_instance import serving
from looker_sdk import models40
from looker_sdk.rtl import api_settings, auth_session, requests_transport, serialize
from looker_sdk.sdk.constants import sdk_version


@pytest.fixture
def server():
    with serving() as running:
        yield running


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch):
    """Each error makes it ask a server of the vendor's, which a test may not."""
    asked = []

    def refused(url: str, *_: object, **__: object):
        asked.append(url)
        raise requests.exceptions.ConnectionError("no way out")

    monkeypatch.setattr(looker_sdk.error.requests, "get", refused)
    return asked


@pytest.fixture
def sdk(server):
    """Without a file of settings, which it would look for in the working folder."""
    user = server.looker.users[0]

    class Settings(api_settings.ApiSettings):
        def read_config(self):
            return {"base_url": server.url, "client_id": user.client_id,
                    "client_secret": user.client_secret, "timeout": "10"}  # fmt: skip

    settings = Settings(sdk_version=sdk_version)
    transport = requests_transport.RequestsTransport.configure(settings)
    session = auth_session.AuthSession(settings, transport, serialize.deserialize40, "4.0")
    return methods40.Looker40SDK(
        session, serialize.deserialize40, serialize.serialize40, transport, "4.0"
    )


def test_it_logs_in_tells_who_it_is_and_logs_out(server, sdk):
    assert sdk.me().display_name == "Kinetic pipeline"
    assert sdk.versions().looker_release_version == "26.12.3"
    sdk.auth.logout()

    assert server.asked == ["POST /login", "GET /user", "GET /versions", "DELETE /logout"]
    assert server.looker.open_sessions == 0


def test_it_lists_datagroups_and_triggers_one(server, sdk):
    now = int(time.time())
    (ours,) = [each for each in sdk.all_datagroups() if each.model_name == "epicor_kinetic"]
    told = sdk.update_datagroup(ours.id, models40.WriteDatagroup(triggered_at=now - 2))

    assert (told.name, told.triggered_at) == ("epicor_kinetic", now - 2)
    assert server.looker.datagroups[0].triggered_at == now - 2


def test_it_reads_what_is_wrong_with_a_time_in_the_future(sdk):
    with pytest.raises(looker_sdk.error.SDKError) as raised:
        sdk.update_datagroup("1", models40.WriteDatagroup(stale_before=int(time.time()) + 600))

    (detail,) = raised.value.errors
    assert (detail.field, detail.message) == ("stale_before", "Cannot be in the future")


def test_it_starts_a_build_and_waits_for_it(server, sdk):
    started = sdk.start_pdt_build("epicor_kinetic", "ap_aging_rollup", force_rebuild="true")
    running = sdk.check_pdt_build(started.materialization_id)
    server.looker.let_pass(5)
    done = sdk.check_pdt_build(started.materialization_id)

    assert [json.loads(each.resp_text)["status"] for each in (started, running, done)] == [
        "added", "running", "complete"]  # fmt: skip
    assert sdk.stop_pdt_build(started.materialization_id).materialization_id


def test_it_runs_a_schedule_once(server, sdk):
    assert sdk.scheduled_plan("7").name == "AP aging, each morning"
    assert sdk.scheduled_plan_run_once_by_id("7").run_once
    assert len(server.looker.plans["7"].runs) == 1


def test_it_tests_a_connection_and_sees_tables(server, sdk):
    connection = server.looker.connections["epicor_kinetic"]
    connection.schemas["epicor_stage"] = {"vendors": ["vendorid"]}
    tests = sdk.test_connection("epicor_kinetic", models40.DelimSequence(["connect", "query"]))
    (schema,) = sdk.connection_tables("epicor_kinetic", schema_name="epicor_stage", cache=False)
    (table,) = sdk.connection_columns("epicor_kinetic", schema_name="epicor_stage")

    assert [(each.name, each.status) for each in tests] == [
        ("connect", "success"), ("query", "success")]  # fmt: skip
    assert [each.name for each in schema.tables] == ["vendors"]
    assert [each.name for each in table.columns] == ["vendorid"]
    assert [each.name for each in sdk.connection_schemas("epicor_kinetic")][-1] == "epicor_stage"
    assert sdk.connection("epicor_kinetic", fields="name,pdt_api_control_enabled").name


def test_it_validates_tests_and_deploys_a_branch(server, sdk):
    sdk.update_session(models40.WriteApiSession(workspace_id="dev"))
    sdk.update_git_branch("epicor", models40.WriteGitBranch(name="main"))
    sdk.reset_project_to_remote("epicor")

    assert sdk.git_branch("epicor").behind_count == 0
    assert sdk.find_git_branch("epicor", "main").is_production
    assert sdk.validate_project("epicor").errors == []
    assert [each.name for each in sdk.all_lookml_tests("epicor")] == ["vendor_is_unique"]
    assert [each.success for each in sdk.run_lookml_test("epicor")] == [True]
    assert sdk.lookml_model("epicor_kinetic").project_name == "epicor"
    assert sdk.project("epicor").git_production_branch_name == "main"
    assert not sdk.deploy_ref_to_production("epicor", branch="main")
    assert server.looker.projects["epicor"].deploys == ["a1f0c6e"]


def test_its_error_has_neither_status_nor_patience_and_asks_elsewhere(server, sdk, elsewhere):
    """Why the pipeline has a client of its own."""
    sdk.me()
    server.faults.add(Fault("status", status=429, retry_after=1))
    with pytest.raises(looker_sdk.error.SDKError) as raised:
        sdk.me()

    assert not {"status", "status_code"} & vars(raised.value).keys()
    assert server.asked == ["POST /login", "GET /user", "GET /user"]
    assert elsewhere
