"""The jobs of meltano.yml: what each reads and keeps, when it runs, and that its proof can fail."""

import json
import re
import shlex
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path

import duckdb
import jsonschema
import meltano.core
import pytest
import yaml
from bigquery import BigQuery, Front, emulator, guard
from harness import expected_rows
from kinetic_sandbox.kinetic import KineticServer, Tenant
from meltano.core.schedule import is_valid_cron
from page import Page
from project import ROOT, Project, assert_equal, copy_project, install
from tap_epicor_kinetic.audit import AUDIT_STREAM
from tap_epicor_kinetic.business_objects import BUSINESS_OBJECTS

TEXT = (ROOT / "meltano.yml").read_text(encoding="utf-8")
MELTANO_YML = yaml.safe_load(TEXT)
PAGE = Page("docs/jobs.md")
JOBS = {job["name"]: job["tasks"] for job in MELTANO_YML["jobs"]}
PLUGINS = {p["name"]: p for kind in MELTANO_YML["plugins"].values() for p in kind}
STREAMS = [each.name for each in BUSINESS_OBJECTS]
MASTERS = STREAMS[: STREAMS.index("part_transactions")]
EVERYTHING = "sandbox:tap-epicor-kinetic-everything-to-target-duckdb"
DOCUMENTS = "sandbox:tap-epicor-kinetic-documents-to-target-duckdb"
MASTERS_STATE = "sandbox:tap-epicor-kinetic-masters-to-target-duckdb"


def selected(extractor):
    """The streams that its rules choose."""
    rules = [rule for rule in PLUGINS[extractor]["select"] if not rule.startswith("!")]
    return [s for s in (*STREAMS, AUDIT_STREAM) if any(fnmatchcase(f"{s}.x", r) for r in rules)]


# What the file says.


def test_a_run_tells_meltanos_makers_nothing_and_asks_them_nothing():
    assert MELTANO_YML["send_anonymous_usage_stats"] is False
    assert MELTANO_YML["cli"]["disable_version_check"] is True


def test_the_file_is_what_meltano_says_that_it_should_be():
    schema = Path(meltano.core.__file__).parents[1] / "schemas" / "meltano.schema.json"

    jsonschema.validate(MELTANO_YML, json.loads(schema.read_text(encoding="utf-8")))


def test_documents_and_masters_share_the_streams_out_and_each_brings_the_audit():
    documents = selected("tap-epicor-kinetic-documents")
    masters = selected("tap-epicor-kinetic-masters")

    assert masters == [*MASTERS, AUDIT_STREAM]
    assert [*masters[:-1], *documents] == [*STREAMS, AUDIT_STREAM]
    assert selected("tap-epicor-kinetic-everything") == [*STREAMS, AUDIT_STREAM]


def test_every_select_rule_names_a_stream_that_exists():
    for plugin in PLUGINS.values():
        for rule in plugin.get("select", []):
            stream = rule.removeprefix("!").partition(".")[0]
            assert any(fnmatchcase(each, stream) for each in (*STREAMS, AUDIT_STREAM)), rule


def test_every_job_is_a_load_and_the_proof_of_that_loader_over_the_same_file():
    for name, (load, proof) in JOBS.items():
        extractor, loader = load.split()
        utility, command = proof.split(":")
        assert utility == loader.replace("target-", "proof-"), name
        assert PLUGINS[utility]["namespace"] == PLUGINS[loader]["namespace"]
        assert (
            PLUGINS[extractor]["config"]["sent_keys_path"] in PLUGINS[utility]["commands"][command]
        )


@pytest.mark.parametrize("proof", [name for name in PLUGINS if name.startswith("proof-")])
def test_every_proof_can_take_the_place_of_another(proof):
    assert PLUGINS[proof.replace("proof-", "target-")]
    assert PLUGINS[proof]["commands"].keys() >= PLUGINS["proof-duckdb"]["commands"].keys()
    for environment in MELTANO_YML["environments"]:
        plugins = environment["config"]["plugins"]
        given = {p["name"]: p["config"] for kind in plugins.values() for p in kind}
        assert given.get(proof) == given.get(proof.replace("proof-", "target-"))


def test_every_schedule_runs_a_job_at_a_time_that_cron_understands():
    schedules = {s["name"]: s for s in MELTANO_YML["schedules"]}

    assert schedules.keys() == {"documents-hourly", "masters-daily"}
    for name, schedule in schedules.items():
        assert schedule["job"] == name in JOBS
        assert is_valid_cron(schedule["interval"])
    crontab = (ROOT / "deploy" / "crontab").read_text(encoding="utf-8")
    for schedule in schedules.values():
        assert re.search(
            f"^{re.escape(schedule['interval'])} .* {schedule['job']} ", crontab, re.MULTILINE
        )


def test_each_environment_has_a_place_of_its_own():
    datasets = {
        environment["name"]: plugin["config"]["dataset"]
        for environment in MELTANO_YML["environments"]
        for plugin in environment["config"]["plugins"]["loaders"]
        if plugin["name"] == "target-bigquery"
    }

    assert datasets == {"dev": "${BIGQUERY_DATASET}_dev", "prod": "$BIGQUERY_DATASET"}


def test_no_plugin_needs_a_hub():
    for plugin in PLUGINS.values():
        owner = PLUGINS[plugin.get("inherit_from", plugin["name"])]
        assert "namespace" in owner
        assert owner["pip_url"].startswith("./")


def test_the_page_of_the_jobs_names_each_of_them_and_quotes_the_file():
    assert re.findall(r"^\| `([a-z-]+)` \|", PAGE.text, re.MULTILINE)[: len(JOBS)] == list(JOBS)
    for block in PAGE.blocks("yaml"):
        changed = block.replace("bigquery", "duckdb").replace("kinetic-snake-case", "kinetic")
        lines = [line for line in changed.splitlines() if line.strip() != "..."]
        assert all(line in TEXT for line in lines), block


# What Meltano makes of it.


def test_meltano_lists_the_schedules_and_would_run_the_jobs(small_project: Project):
    code, output = small_project.run("schedule", "list", "--format=json")
    assert code == 0, output
    listed = json.loads(output[output.index("{\n") :])["schedules"]["job"]
    assert {s["name"]: s["cron_interval"] for s in listed} == {
        "documents-hourly": "5 * * * *", "masters-daily": "35 4 * * *",
    }  # fmt: skip

    code, output = small_project.run("run", "--dry-run", "--no-install", *JOBS)
    assert code == 0, output
    assert len(re.findall("would have run", output)) == 2 * len(JOBS)


@pytest.mark.full
def test_documents_and_masters_have_separate_states_and_the_next_run_starts_from_its_own(
    small_project: Project,
):
    server = small_project.server
    run(small_project, "run", "documents-hourly")
    assert streams_read(server) == set(STREAMS) - set(MASTERS)
    assert states(small_project) == {DOCUMENTS}

    server.requests.clear()
    run(small_project, "--environment=sandbox", "schedule", "run", "masters-daily")
    assert streams_read(server) == set(MASTERS)
    assert states(small_project) == {DOCUMENTS, MASTERS_STATE}
    assert_equal(small_project, server.tenant)

    server.tenant.touch("ap_invoices", "EPIC06", 3)
    server.tenant.touch("vendors", "EPIC06", 3)
    before = state(small_project, MASTERS_STATE)
    server.requests.clear()
    output = run(small_project, "run", "documents-hourly")

    assert streams_read(server) == set(STREAMS) - set(MASTERS)
    asked = [r.query for r in server.requests if r.kind == "rows" and r.query["$top"] != "1"]
    assert all("SysRevID ge " in query["$filter"] for query in asked), asked
    assert state(small_project, MASTERS_STATE) == before
    assert re.search(r"ap_invoices +EPIC06 +4 +0 +4 +0 +0 +0 +equal", output)


@pytest.mark.full
def test_a_full_refresh_reads_everything_again_and_leaves_the_other_states_alone(
    small_project: Project,
):
    tenant = small_project.server.tenant
    for job in ("documents-hourly", "masters-daily"):
        run(small_project, "run", job)
    before = [state(small_project, each) for each in (DOCUMENTS, MASTERS_STATE)]
    change(small_project, "delete from kinetic.ap_invoices where invoicenum < '5'")
    change(small_project, "update kinetic.vendors set name = 'stale'")
    tenant.close_some("vendors", "EPIC06", 2)

    for _ in range(2):
        output = run(small_project, "run", "full-refresh")

        assert_equal(small_project, tenant)
        assert "differs" not in output
    assert [state(small_project, each) for each in (DOCUMENTS, MASTERS_STATE)] == before
    assert states(small_project) == {DOCUMENTS, MASTERS_STATE, EVERYTHING}


DAMAGES = {
    "lost": ("delete from kinetic.vendors where vendornum = {0}", "1 +0 +0"),
    "doubled": ("insert into kinetic.vendors select * from kinetic.copied where vendornum = {0}",
                "0 +0 +1"),
    "left as it was": ("update kinetic.vendors set _epicor_run_id = 'older' where vendornum = {0}",
                       "1 +0 +0"),
}  # fmt: skip


@pytest.mark.full
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_row_that_was_lost_doubled_or_left_as_it_was_fails_the_proof_with_table_and_numbers(
    small_project: Project, damage
):
    run(small_project, "run", "masters-daily")
    number = small_project.rows("vendors", "EPIC06")[0]["vendornum"]
    # Without the key that keeps a second row out.
    change(small_project, "create table kinetic.copied as select * from kinetic.vendors")
    change(small_project, "drop table kinetic.vendors")
    change(small_project, "create table kinetic.vendors as select * from kinetic.copied")
    run(small_project, "run", "proof-duckdb:masters")
    statement, told = DAMAGES[damage]
    change(small_project, statement.format(number))

    code, output = small_project.run("run", "proof-duckdb:masters")

    assert code == 1, output[-3000:]
    assert re.search(rf"vendors +EPIC06 +\d+ +\d+ +\d+ +{told} +differs", output)
    assert f'["EPIC06",{number}]' in output
    if damage != "doubled":
        (command,) = re.findall(r"^ *TAP_.*", (ROOT / "docs/verify.md").read_text(), re.MULTILINE)
        since = re.fullmatch(r" *TAP_EPICOR_KINETIC_REPLAY_SINCE=(\S+) meltano run .*", command)[1]
        run(small_project, "run", "masters-daily", TAP_EPICOR_KINETIC_REPLAY_SINCE=since)
        assert len(small_project.rows("vendors", "EPIC06")) == len(
            expected_rows(small_project.server.tenant, "vendors", "EPIC06")
        )


@pytest.mark.full
def test_names_in_snake_case_arrive_and_columns_with_secrets_do_not(small_project: Project):
    server = small_project.server
    server.tenant.add_column("vendors", "PortalSecret_c", "Edm.String")
    given = {"TARGET_DUCKDB_DEFAULT_TARGET_SCHEMA": "snake"}
    run(small_project, "run", "tap-epicor-kinetic-snake-case", "target-duckdb", **given)
    assert {"vendor_id", "portal_secret_c"} <= columns(small_project, "snake", "vendors")

    run(small_project, "run", "masters-daily")
    arrived = columns(small_project, "kinetic", "vendors")
    assert "vendorid" in arrived
    assert not {column for column in arrived if "secret" in column}


@pytest.mark.full
def test_what_the_page_of_the_jobs_says_works(tmp_path):
    """Its commands, one after the other, and its changes of the file."""
    (tmp_path / "project").mkdir()
    folder = copy_project(tmp_path / "project")
    with KineticServer(Tenant(profile="real", seed=7, scale=0.1)) as server:
        project = Project(folder, tmp_path, server)
        lines = [line for block in PAGE.blocks("bash") for line in block.splitlines()]
        for line in sorted(lines, key=lambda line: line.startswith("sed ")):
            run_line(project, line.replace("--environment=prod", "--environment=sandbox"))
        changed = [line for block in PAGE.blocks("yaml") for line in block.splitlines()]
        assert "    inherit_from: tap-epicor-kinetic-snake-case" in changed
        file = folder / "meltano.yml"
        assert "proof-bigquery:documents" in file.read_text().partition("\njobs:")[2]
        for name in ("documents", "masters"):
            before = f"  - name: tap-epicor-kinetic-{name}\n    inherit_from: tap-epicor-kinetic\n"
            text = file.read_text()
            assert before in text
            file.write_text(text.replace(before, f"{before[:-1]}-snake-case\n"))
        for name in ("documents", "masters"):
            code, output = project.run("config", "print", f"tap-epicor-kinetic-{name}")
            assert code == 0, output
            assert '"column_naming": "snake_case"' in output
            assert f'"username": "{server.username}"' in output


@pytest.mark.full
def test_a_proof_of_bigquery_finds_the_row_that_is_gone(small_project: Project, tmp_path_factory):
    folder = copy_project(tmp_path_factory.mktemp("bigquery"))
    file = folder / "meltano.yml"
    head, jobs, rest = file.read_text().partition("\njobs:")
    file.write_text(head + jobs + rest.replace("duckdb", "bigquery"))
    project = Project(folder, small_project.home, small_project.server, patience=900)
    for plugin in ("tap-epicor-kinetic", "target-bigquery", "proof-bigquery"):
        install(plugin, folder)
    with emulator(tmp_path_factory.mktemp("emulator")) as port, Front(port) as front:
        warehouse = BigQuery(front, guard(), small_project.home)
        login = {k: v for k, v in warehouse.variables.items() if k.startswith(("BIGQ", "GOOGLE"))}
        given = {**login, "BIGQUERY_PROJECT": "finance", "BIGQUERY_DATASET": "kinetic"}
        run(project, "--environment=prod", "run", "masters-daily", **given)

        warehouse.query("delete from `finance.kinetic.vendors` where VendorNum = "
                        "(select min(VendorNum) from `finance.kinetic.vendors`)")  # fmt: skip
        code, output = project.run("--environment=prod", "run", "proof-bigquery:masters", **given)

    assert code == 1, output[-3000:]
    assert re.search(r"vendors +EPIC06 +\d+ +0 +\d+ +1 +0 +0 +differs", output)


def run(project: Project, *arguments: str, **more: str) -> str:
    code, output = project.run(*arguments, **more)
    assert code == 0, output[-5000:]
    return output


def run_line(project: Project, line: str) -> None:
    program, *arguments = shlex.split(line)
    if program == ".venv/bin/meltano":
        run(project, *arguments)
    else:
        subprocess.run(line, shell=True, cwd=project.folder, check=True)


def streams_read(server: KineticServer) -> set[str]:
    sets = {each.entity_set: each.name for each in BUSINESS_OBJECTS}
    asked = {r.entity_set for r in server.requests if r.kind == "rows"}
    return {sets[name] for name in asked}


def states(project: Project) -> set[str]:
    return set(re.findall(r"^\w+:[a-z-]+$", run(project, "state", "list"), re.MULTILINE))


def state(project: Project, state_id: str) -> str:
    output = run(project, "state", "get", state_id)
    return output[output.index('{"') :]


def change(project: Project, statement: str) -> None:
    with duckdb.connect(str(project.database)) as connection:
        connection.execute(statement)


def columns(project: Project, schema: str, table: str) -> set[str]:
    with duckdb.connect(str(project.database), read_only=True) as connection:
        found = connection.execute(
            "select lower(column_name) from information_schema.columns "
            "where table_schema = ? and table_name = ?", [schema, table],
        ).fetchall()  # fmt: skip
    return {name for (name,) in found}
