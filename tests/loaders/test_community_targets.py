"""The tap, installed alone, into targets that know nothing of it: every row, twice, to the cent."""

import json
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest
from community import installed, pipe, postgres
from harness import environment, expected_rows, plain, settings
from kinetic_sandbox.kinetic import KineticServer, Tenant
from tap_epicor_kinetic.business_objects import BUSINESS_OBJECTS
from tap_epicor_kinetic.odata.timestamps import parse_timestamp
from tap_epicor_kinetic.sensitive import SENSITIVE_COLUMNS, is_sensitive

ROOT = Path(__file__).parents[2]
JSONL, POSTGRES = "target-jsonl==0.1.4", "meltanolabs-target-postgres==0.8.1"
IN_TEXT = {"decimal_format": "singer_decimal"}


@pytest.fixture(scope="module")
def tap(tmp_path_factory) -> str:
    """The tap's program in an environment that holds nothing else."""
    folder = tmp_path_factory.mktemp("tap")
    return str(installed(folder, str(ROOT / "tap-epicor-kinetic")) / "tap-epicor-kinetic")


@pytest.fixture
def tenant() -> Tenant:
    return Tenant(profile="real", seed=7, scale=0.3)


@pytest.fixture
def server(tenant):
    with KineticServer(tenant) as running:
        yield running


@pytest.fixture
def config(server, tmp_path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(settings(server)))
    return tmp_path / "config.json"


def answer(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout or done.stderr


@pytest.mark.full
def test_in_an_empty_environment_it_answers_before_it_reads(tap, config):
    about = json.loads(answer(tap, "--about", "--format=json"))
    found = json.loads(answer(tap, "--config", str(config), "--discover"))
    told = answer(tap, "--config", str(config), "--test")

    assert f"v{about['version']}" in answer(tap, "--version")
    assert "api_url" in about["settings"]["properties"]
    assert len(found["streams"]) == len(BUSINESS_OBJECTS) + 1
    assert "nothing stands in the way" in told


@pytest.mark.full
def test_into_target_jsonl(tap, config, tenant, tmp_path):
    """It keeps numbers as floats; with `singer_decimal` money keeps its digits all the same."""
    target = installed(tmp_path / "target", JSONL) / "target-jsonl"
    files = tmp_path / "files"
    files.mkdir()
    own = {"destination_path": str(files), "do_timestamp_file": False}
    config.write_text(json.dumps({**json.loads(config.read_text()), **IN_TEXT}))

    def read(stream):
        return map(json.loads, (files / f"{stream}.jsonl").read_text().splitlines())

    load_twice(tap, config, target, own, tenant, read)


@pytest.mark.full
def test_into_target_postgres(tap, config, tenant, tmp_path):
    target = installed(tmp_path / "target", POSTGRES) / "target-postgres"
    with postgres() as database:
        own = {
            "host": "127.0.0.1", "port": database.port, "database": database.name,
            "user": database.user, "password": "trusted", "default_target_schema": "kinetic",
        }  # fmt: skip
        load_twice(tap, config, target, own, tenant, lambda s: database.rows("kinetic", s))

        rows = database.rows("kinetic", "ap_payments")

    keys = [(row["Company"], row["HeadNum"]) for row in rows]
    assert len(keys) == len(set(keys)) > 0


def load_twice(tap, config, target, target_config, tenant, read) -> None:
    """A first run, and one from its STATE after changes at the tenant."""
    folder = config.parent
    (folder / "target.json").write_text(json.dumps(target_config))
    into = [str(target), "--config", str(folder / "target.json")]
    source = [tap, "--config", str(config)]

    first = pipe(source, into, folder)
    assert_same(read, tenant)
    (folder / "state.json").write_text(json.dumps(first))
    tenant.touch("vendors", "EPIC06", 3)
    tenant.close_some("ap_payments", "EPIC06", 2)
    second = pipe([*source, "--state", str(folder / "state.json")], into, folder)

    assert_same(read, tenant)
    runs = {state["last_complete_run"]["run_id"] for state in (first, second)}
    assert len(runs) == 2


def assert_same(read, tenant) -> None:
    """Every open row of every stream and company, no more and no less, value by value."""
    for stream in tenant.streams:
        types = {name: column.type for name, column in tenant.entity(stream).columns.items()}
        sent = [name for name in types if not is_sensitive(name, SENSITIVE_COLUMNS)]
        key = tenant.entity(stream).key
        expected = {}
        for company in tenant.companies:
            expected |= by_key(expected_rows(tenant, stream, company).values(), key, types, sent)
        last = {tuple(row[name] for name in key): row for row in read(stream)}
        is_open = [row for row in last.values() if row["_sdc_deleted_at"] is None]
        assert by_key(is_open, key, types, sent) == expected, stream


def by_key(rows, key, types, names) -> dict:
    cells = [{name: by_value(row[name], types[name]) for name in names} for row in rows]
    return {tuple(row[name] for name in key): row for row in cells}


def by_value(value, edm_type):
    """Targets keep decimals as texts, and instants without saying that they are in UTC."""
    if value is not None and edm_type == "Edm.Decimal":
        return Decimal(value)
    if value is not None and edm_type == "Edm.DateTimeOffset":
        moment = parse_timestamp(value)
        return moment.second, moment.fraction.rstrip("0")
    return plain(value)
