"""`looker-refresh test`: each thing that can be missing is a line that says who mends it."""

from __future__ import annotations

import pytest
from kinetic_sandbox.looker import Fault
from looker_refresh import MODEL, stage
from target_looker_stage.looker.checkup import check

SCHEMA = "epicor_stage"
EVERYTHING = {
    "looker_pdts": [{"model": MODEL, "view": "ap_aging_rollup"}],
    "looker_schedules": ["7"],
    "looker_project": "epicor",
    "looker_branch": "main",
}


@pytest.fixture
def connection(server):
    return server.looker.connections[MODEL]


@pytest.fixture
def lines(server, tmp_path, connection):
    """The lines by name, of settings with everything in them."""
    here = stage(server, tmp_path, **EVERYTHING)
    here.load("vendors")
    here.rows("CREATE TABLE epicor_stage.vendors (vendorid varchar)")
    connection.schemas[SCHEMA] = {"vendors": [], "_sync_audit": []}

    def checked(**settings):
        here.settings |= settings
        return {line.name: line for line in check(here.config, here.clock)}

    checked.here = here
    return checked


def test_all_is_well_and_nothing_was_changed(server, lines):
    found = lines()

    assert {line.status for line in found.values()} == {"ok"}
    assert list(found) == [
        "login", "datagroup", "model", "PDT", "connection", "tables", "schedule", "project",
    ]  # fmt: skip
    assert "as Kinetic pipeline" in found["login"].text
    assert found["tables"].text == "Looker's database user sees all 2"
    assert {call.method for call in server.calls} == {"GET", "POST", "PUT", "DELETE"}
    assert [c for c in server.asked if c.startswith(("POST", "PUT"))] == [
        "POST /login", f"PUT /connections/{MODEL}/test"]  # fmt: skip
    assert server.looker.plans["7"].runs == []
    assert server.looker.open_sessions == 0


def failed(lines, name: str) -> str:
    assert lines[name].status == "FAILED"
    return lines[name].text


def test_wrong_keys_end_the_check(server, lines):
    found = lines(looker_client_secret="wrong")

    assert list(found) == ["login"]
    assert "`looker_client_secret`" in failed(found, "login")
    assert server.asked == ["POST /login"]


def test_a_looker_that_is_down_ends_the_check_soon(server, lines):
    server.faults.add(Fault("cut", times=None))
    found = lines()

    assert "cannot be reached" in failed(found, "Looker")
    assert sum(lines.here.pauses) <= 30


@pytest.mark.parametrize("permission", ["see_datagroups", "update_datagroups"])
def test_a_missing_right_to_datagroups_is_named(server, lines, permission):
    server.looker.users[0].permissions.discard(permission)
    found = lines()

    name = "datagroups" if permission == "see_datagroups" else "datagroup"
    assert f"`{permission}`" in failed(found, name)
    assert "administrator" in found[name].text
    assert found["tables"].status == "ok", "the other checks go on"


def test_a_datagroup_that_is_not_deployed_is_told(server, lines):
    server.looker.datagroups.pop(0)

    assert "looker-refresh deploy" in failed(lines(), "datagroup")


def test_a_datagroup_whose_own_trigger_fails_is_told(server, lines):
    server.looker.datagroups[0].trigger_error = "permission denied for table _sync_audit"

    assert "may read _sync_audit" in failed(lines(), "datagroup")


def test_a_model_that_was_not_configured_is_told(server, lines):
    server.looker.models.clear()

    assert "configure the model (Develop > Projects)" in failed(lines(), "model")


def test_a_model_that_may_not_use_the_connection_is_told(server, lines):
    server.looker.models[MODEL].connections[:] = ["other"]

    assert "may not use connection epicor_kinetic" in failed(lines(), "model")


def test_a_connection_that_fails_is_told_in_the_databases_words(connection, lines):
    connection.failing["connect"] = "password authentication failed for user looker"
    found = lines()

    assert "password authentication failed for user looker" in failed(found, "connection")
    assert found["tables"].status == "skipped"


def test_a_connection_that_the_user_may_not_see_is_unknown_and_no_failure(server, lines):
    server.looker.users[0].permissions.discard("manage_project_connections")
    found = lines()

    assert found["connection"].status == "unknown"
    assert "`manage_project_connections`" in found["connection"].text
    assert found["tables"].status == "skipped"


def test_a_schema_that_lookers_database_user_does_not_see_is_told(connection, lines):
    del connection.schemas[SCHEMA]

    told = failed(lines(), "tables")
    assert f"does not see schema {SCHEMA}" in told
    assert "a database administrator has to give Looker's database user USAGE" in told


def test_tables_that_lookers_database_user_does_not_see_are_named(connection, lines):
    del connection.schemas[SCHEMA]["_sync_audit"]

    told = failed(lines(), "tables")
    assert f"does not see _sync_audit of schema {SCHEMA}" in told
    assert "trigger" in told


def test_a_warehouse_that_spells_in_upper_case_is_understood(connection, lines):
    connection.schemas = {SCHEMA.upper(): {"VENDORS": [], "_SYNC_AUDIT": []}}

    assert lines()["tables"].status == "ok"


def test_nothing_staged_yet_is_unknown(server, tmp_path):
    here = stage(server, tmp_path, schema="empty")
    found = {line.name: line for line in check(here.config, here.clock)}

    assert found["tables"].status == "unknown"
    assert "nothing is staged" in found["tables"].text


def test_builds_that_are_switched_off_are_told(connection, lines):
    connection.pdt_api_control = False

    assert "Enable PDT API Control" in failed(lines(), "PDT")


def test_a_schedule_of_somebody_else_is_told(lines):
    assert "`looker_schedules`" in failed(lines(looker_schedules=["8"]), "schedule")


@pytest.mark.parametrize("setting", ["looker_project", "looker_branch"])
def test_a_project_or_branch_that_is_not_there_is_told(lines, setting):
    assert "`looker_project` and `looker_branch`" in failed(lines(**{setting: "nope"}), "project")
