"""The guarded BigQuery loader on an emulator: every row or exit 1, and nothing twice."""

import json
import subprocess
from datetime import datetime
from decimal import Decimal

import pytest
from bigquery import BigQuery, Front, emulator, guard
from harness import TAP, expected_rows, plain, settings
from kinetic_sandbox.kinetic import KineticServer, Tenant
from tap_epicor_kinetic.odata.timestamps import parse_timestamp
from tap_epicor_kinetic.sensitive import SENSITIVE_COLUMNS, is_sensitive

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    programs = guard()  # skips before the emulator is started
    assert programs
    with emulator(tmp_path_factory.mktemp("emulator")) as port:
        yield port


@pytest.fixture
def warehouse(port, tmp_path):
    with Front(port) as front:
        yield BigQuery(front, guard(), tmp_path)


AMOUNT = {"type": ["string", "null"], "format": "x-singer.decimal", "precision": 18, "scale": 3}
MARK = {"type": ["string", "null"], "format": "date-time"}


def messages(stream, rows, *, amount=AMOUNT, more=None, state=1) -> bytes:
    properties = {
        "K": {"type": "string"},
        "Amount": amount,
        **(more or {}),
        "_sdc_deleted_at": MARK,
    }
    lines = [{"type": "SCHEMA", "stream": stream, "schema": {"properties": properties},
              "key_properties": ["K"]}]  # fmt: skip
    lines += [
        {"type": "RECORD", "stream": stream, "record": {"_sdc_deleted_at": None, **row},
         "time_extracted": "2026-11-21T12:00:00.000Z"}
        for row in rows
    ]  # fmt: skip
    lines += [{"type": "STATE", "value": {"seen": state}}]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def amounts(warehouse, stream) -> dict:
    rows = warehouse.rows(stream)
    assert len({row["K"] for row in rows}) == len(rows)
    return {row["K"]: Decimal(row["Amount"]) for row in rows}


def test_the_last_record_of_a_key_counts_and_every_digit_is_kept(warehouse):
    rows = [{"K": "a", "Amount": "1.5"}, {"K": "b", "Amount": "123456789012345.678"}]
    rows += [{"K": "a", "Amount": f"{n}.001"} for n in range(50)]

    done = warehouse.load(messages("last", rows))

    assert (done.returncode, json.loads(done.stdout)) == (0, {"seen": 1}), done.stderr[-2000:]
    assert amounts(warehouse, "last") == {
        "a": Decimal("49.001"), "b": Decimal("123456789012345.678")
    }  # fmt: skip


def test_a_batch_that_is_sent_again_changes_nothing_and_leaves_no_stage(warehouse):
    rows = [{"K": str(n), "Amount": "1"} for n in range(20)]
    for _ in range(2):
        assert warehouse.load(messages("again", rows)).returncode == 0

    assert len(amounts(warehouse, "again")) == 20
    assert not [name for name in warehouse.tables() if name.startswith("again__")]


def test_a_batch_that_is_refused_is_exit_1_without_state_and_a_sentence(warehouse):
    done = warehouse.load(messages("refused", [{"K": "a", "Amount": "many"}]))

    assert (done.returncode, done.stdout) == (1, b"")
    told = done.stderr.decode().strip().splitlines()[-1]
    assert "refused" in told
    assert "STATE stays" in told
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("status", [403, 400, 0])
@pytest.mark.parametrize("where", ["POST /upload", "POST /bigquery/v2/projects/finance/jobs"])
def test_whatever_fails_on_the_way_is_exit_1_without_state(warehouse, where, status):
    stream = f"way_{status}_{where.count('upload')}"
    rows = [{"K": "a", "Amount": "1"}]
    assert warehouse.load(messages(stream, rows)).returncode == 0
    # A connection that is cut is tried again for ten minutes; here it is cut three times.
    warehouse.front.fail(where, status, times=40 if status else 3)

    done = warehouse.load(messages(stream, [{"K": "a", "Amount": "2"}], state=2))

    if done.returncode == 0:  # a connection that was cut is tried again
        assert status == 0
        assert json.loads(done.stdout) == {"seen": 2}
        assert amounts(warehouse, stream) == {"a": 2}
    else:
        assert (done.returncode, done.stdout) == (1, b"")
        assert b"Traceback" not in done.stderr
        warehouse.front.fail("", 0)
        assert amounts(warehouse, stream) == {"a": 1}


def test_a_moment_of_weakness_is_survived(warehouse):
    warehouse.front.fail("POST /upload", 503, times=2)

    done = warehouse.load(messages("weak", [{"K": "a", "Amount": "1"}]))

    assert done.returncode == 0, done.stderr[-2000:]
    assert amounts(warehouse, "weak") == {"a": 1}


def test_a_new_column_is_added_and_old_rows_have_none(warehouse):
    warehouse.load(messages("wider", [{"K": "a", "Amount": "1"}]))

    rows = [{"K": "b", "Amount": "2", "Note": "new"}]
    done = warehouse.load(messages("wider", rows, more={"Note": {"type": ["string", "null"]}}))

    assert done.returncode == 0, done.stderr[-2000:]
    assert {row["K"]: row["Note"] for row in warehouse.rows("wider")} == {"a": None, "b": "new"}


def test_a_change_of_type_that_would_lose_something_is_refused(warehouse):
    warehouse.load(messages("typed", [{"K": "a", "Amount": "1"}]))

    rows = [{"K": "a", "Amount": True}]
    done = warehouse.load(messages("typed", rows, amount={"type": ["boolean", "null"]}))

    assert (done.returncode, done.stdout) == (1, b"")
    assert b"Amount is NUMERIC in BigQuery and would have to be BOOLEAN" in done.stderr


def test_a_row_without_its_key_is_refused(warehouse):
    done = warehouse.load(messages("keyless", [{"K": None, "Amount": "1"}]))

    assert (done.returncode, done.stdout) == (1, b"")
    assert b"keyless has no K" in done.stderr


def test_a_stream_without_rows_costs_no_request(warehouse):
    done = warehouse.load(messages("empty", []))

    assert done.returncode == 0, done.stderr[-2000:]
    assert warehouse.front.passed == []


def test_another_way_of_loading_is_refused(warehouse):
    warehouse.configure(method="streaming_insert")

    done = warehouse.load(messages("other", [{"K": "a", "Amount": "1"}]))

    assert (done.returncode, done.stdout) == (1, b"")
    assert b"`method` can only be" in done.stderr


@pytest.mark.parametrize("profile", ["documented", "real"])
def test_two_runs_and_a_day_between_leave_the_tenants_open_rows(warehouse, tmp_path, profile):
    tenant = Tenant(profile=profile, seed=7, scale=0.2)
    dataset = f"kinetic_{profile}"
    warehouse.configure(dataset=dataset)
    with KineticServer(tenant) as server:
        config = settings(server, decimal_format="singer_decimal")
        (tmp_path / "config.json").write_text(json.dumps(config))
        (tmp_path / "state.json").write_text("{}")
        for day in range(2):
            if day:
                tenant.touch("vendors", "EPIC06", 3)
                tenant.close_some("vendors", "EPIC06", 2)
            run_once(warehouse, tmp_path)
            assert_same(warehouse, dataset, tenant)


def run_once(warehouse, folder) -> None:
    files = ["--config", str(folder / "config.json"), "--state", str(folder / "state.json")]
    sent = subprocess.run([*TAP, *files], capture_output=True, check=True)
    done = warehouse.load(sent.stdout)
    assert done.returncode == 0, done.stderr[-3000:]
    (folder / "state.json").write_bytes(done.stdout.splitlines()[-1])


def assert_same(warehouse, dataset, tenant) -> None:
    """Every open row of every stream and company, no more and no less, value by value."""
    tables = [f"finance.{dataset}.{stream}" for stream in tenant.streams]
    shown = warehouse.query(
        *(f"select * from `{table}` where _sdc_deleted_at is null" for table in tables)
    )
    for stream, rows in zip(tenant.streams, shown, strict=True):
        types = {name: column.type for name, column in tenant.entity(stream).columns.items()}
        names = [name for name in types if not is_sensitive(name, SENSITIVE_COLUMNS)]
        key = tenant.entity(stream).key
        loaded = [{name: by_value(row[name], types[name]) for name in names} for row in rows]
        expected = [
            {name: by_value(row[name], types[name]) for name in names}
            for company in tenant.companies
            for row in expected_rows(tenant, stream, company).values()
        ]
        assert len(loaded) == len(expected), stream
        in_order = [
            sorted(each, key=lambda row: [str(row[name]) for name in key])
            for each in (loaded, expected)
        ]
        assert in_order[0] == in_order[1], stream


def by_value(value, edm_type):
    """Decimals by value, instants to the microsecond, which is what BigQuery keeps."""
    if value is None:
        return None
    if edm_type in {"Edm.Decimal", "Edm.Double"}:
        return Decimal(value)
    if edm_type == "Edm.DateTimeOffset":
        moment = parse_timestamp(value.replace(" ", "T"))
        return moment.second, moment.fraction.rstrip("0")
    return plain(value) if not isinstance(value, datetime) else value
