"""The Databricks loader on an emulator: every row or exit 1, nothing twice, STATE behind them."""

import json
import re
import signal
import subprocess
import time
from datetime import datetime, timezone
from decimal import Decimal

import pytest
from databricks_workspace import (
    ACCOUNT,
    CATALOG,
    HOST,
    HTTP_PATH,
    OAUTH,
    TOKEN,
    Databricks,
    workspace,
)
from environments import ROOT
from harness import environment
from kinetic_target_databricks.target import DatabricksTarget
from redirect import Redirect
from singer_sdk.testing import get_target_test_class

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    with workspace(tmp_path_factory.mktemp("workspace")) as port:
        yield port


@pytest.fixture
def warehouse(port, tmp_path):
    with Redirect({"*.cloud.databricks.com": port}, tmp_path) as redirect:
        yield Databricks(port, redirect, tmp_path)


AMOUNT = {"type": ["string", "null"], "format": "x-singer.decimal", "precision": 18, "scale": 3}
MOMENT = {"type": ["string", "null"], "format": "date-time"}
GONE = "2026-11-21T12:00:00Z"


def schema(stream, *, amount=AMOUNT, more=None, keys=("K",)) -> dict:
    properties = {
        "K": {"type": "string"},
        "Amount": amount,
        **(more or {}),
        "_sdc_deleted_at": MOMENT,
    }
    return {"type": "SCHEMA", "stream": stream, "schema": {"properties": properties},
            "key_properties": list(keys)}  # fmt: skip


def record(stream, key, amount, **more) -> dict:
    return {"type": "RECORD", "stream": stream, "record": {"K": key, "Amount": amount, **more}}


def state(value) -> dict:
    return {"type": "STATE", "value": {"seen": value}}


def lines(*messages) -> bytes:
    return "".join(json.dumps(message) + "\n" for message in messages).encode()


def amounts(warehouse, stream) -> dict:
    rows = warehouse.rows(stream)
    assert len({row["k"] for row in rows}) == len(rows)
    return {row["k"]: row["amount"] for row in rows}


def loads(warehouse, *messages) -> None:
    done = warehouse.load(lines(*messages))
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    states = [m["value"] for m in messages if m["type"] == "STATE"]
    assert json.loads(done.stdout.splitlines()[-1]) == states[-1]


def refused(warehouse, *messages) -> str:
    """The last line of a load that has to fail."""
    done = warehouse.load(lines(*messages))
    told = done.stderr.decode()
    assert (done.returncode, done.stdout) == (1, b""), told[-3000:]
    assert "Traceback" not in told, told[-3000:]
    assert OAUTH["client_secret"] not in told
    return told.strip().splitlines()[-1]


@pytest.mark.full
@pytest.mark.parametrize("login", [OAUTH, ACCOUNT, TOKEN], ids=["workspace", "account", "token"])
def test_the_last_record_of_a_key_counts_and_every_digit_is_kept_with_each_login(warehouse, login):
    warehouse.configure(login)
    moment = "2026-03-29T01:30:00.123456+05:30"

    loads(
        warehouse,
        schema("last", more={"N": {"type": "integer"}, "At": MOMENT}),
        record("last", "a", "1.5", N=1),
        record("last", "b", "123456789012345.678", N=2**53 + 1, At=moment),
        *(record("last", "a", f"{n}.001", N=n) for n in range(50)),
        state(1),
    )

    rows = {row["k"]: row for row in warehouse.rows("last")}
    assert rows.keys() == {"a", "b"}
    assert rows["a"]["amount"] == Decimal("49.001")
    assert (rows["b"]["amount"], rows["b"]["n"]) == (Decimal("123456789012345.678"), 2**53 + 1)
    assert rows["b"]["at"] == datetime(2026, 3, 28, 20, 0, 0, 123456, timezone.utc)
    told = warehouse.switch()
    assert ("POST /oidc/accounts/account-1/v1/token" in told) == (login is ACCOUNT)
    assert any(each.endswith("/v1/token") for each in told) == (login is not TOKEN)
    assert "telemetry" not in " ".join(told)


@pytest.mark.full
@pytest.mark.parametrize("opaque", [False, True], ids=["JWT", "opaque"])
def test_a_token_that_ends_in_mid_run_is_renewed(warehouse, opaque):
    warehouse.configure(batch_size_rows=1)
    warehouse.switch(token_seconds=6, opaque=opaque)
    with subprocess.Popen(
        warehouse.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**environment(), **warehouse.redirect.variables},
    ) as process:  # fmt: skip
        for number in range(3):
            message = [schema("long")] * (not number) + [
                record("long", str(number), "1"),
                state(number),
            ]
            process.stdin.write(lines(*message))
            process.stdin.flush()
            wait_for(lambda number=number: sum("MERGE" in s for s in warehouse.statements) > number)
            time.sleep(7)
        stdout, stderr = process.communicate(timeout=60)

    assert process.returncode == 0, stderr.decode()[-3000:]
    assert json.loads(stdout.splitlines()[-1]) == {"seen": 2}
    assert sum(each == "POST /oidc/v1/token" for each in warehouse.switch()) > 1
    assert amounts(warehouse, "long").keys() == {"0", "1", "2"}


def wait_for(condition) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.full
def test_rows_that_are_sent_again_are_not_there_twice(warehouse):
    messages = [schema("keyed"), schema("log", keys=()), schema("history")]
    messages += [record(s, str(n), "1") for s in ("keyed", "log", "history") for n in range(5)]
    messages += [record("history", "0", "2"), state(1)]
    warehouse.configure(append_streams=["hist*"])

    for _ in range(2):
        loads(warehouse, *messages)

    assert len(warehouse.rows("keyed")) == len(warehouse.rows("log")) == 5
    assert sorted(row["amount"] for row in warehouse.rows("history") if row["k"] == "0") == [1, 2]
    assert len(warehouse.rows("history")) == 6


def test_records_that_are_alike_are_rows_of_their_own_in_each_batch_of_a_run(warehouse):
    warehouse.configure(batch_size_rows=1)
    more = {"More": {"type": "boolean"}}

    loads(
        warehouse, schema("log", keys=()), *[record("log", "a", "1")] * 2,
        schema("log", keys=(), more=more), record("log", "a", "1"), state(1),
    )  # fmt: skip

    assert len(warehouse.rows("log")) == 3


@pytest.mark.full
@pytest.mark.parametrize("stream", ["keyed", "log"])
@pytest.mark.parametrize("kind", ["cut_before", "cut_after"])
def test_a_connection_that_is_cut_around_the_statement_loses_and_doubles_nothing(
    warehouse, stream, kind
):
    keys = ("K",) if stream == "keyed" else ()
    verb = "MERGE" if keys else "COPY"
    warehouse.fail(verb, kind, times=1)

    loads(
        warehouse,
        schema(stream, keys=keys),
        *(record(stream, str(n), "1") for n in range(5)),
        state(1),
    )

    assert sum(each.startswith(verb) for each in warehouse.statements) == 2
    assert amounts(warehouse, stream) == {str(n): 1 for n in range(5)}


@pytest.mark.parametrize(
    ("match", "kind", "more"),
    [
        ("PUT /upload", "status", {"status": 503}),
        (f"POST {HTTP_PATH}", "status", {"status": 503}),
        (
            "MERGE",
            "error",
            {"message": "[DELTA_CONCURRENT_APPEND] Files were added by another update"},
        ),
        ("MERGE", "error", {"message": "Invalid SessionHandle: SessionHandle [1-2-3]"}),
    ],
    ids=["upload 503", "503", "conflict", "session lost"],
)
def test_a_moment_of_weakness_is_survived(warehouse, match, kind, more):
    warehouse.fail(match, kind, times=2, **more)

    loads(warehouse, schema("weak"), record("weak", "a", "1"), state(1))

    assert amounts(warehouse, "weak") == {"a": 1}


@pytest.mark.full
@pytest.mark.parametrize(
    ("match", "kind", "more", "remedy"),
    [
        (
            "MERGE",
            "error",
            {
                "message": "[INSUFFICIENT_PERMISSIONS] Insufficient privileges: User does not "
                "have MODIFY on Table 'main.kinetic.way'. SQLSTATE: 42501"
            },
            "run GRANT MODIFY ON TABLE `main`.`kinetic`.`way` TO `app-1`",
        ),
        (
            "PUT '",
            "error",
            {
                "message": "[PERMISSION_DENIED] User does not have WRITE VOLUME on Volume "
                "'main.kinetic.stage'."
            },
            "run GRANT WRITE VOLUME ON VOLUME `main`.`kinetic`.`stage` TO `app-1`",
        ),
        ("MERGE", "error", {"message": "[QUOTA_EXCEEDED] the quota is used up"}, "a quota is full"),
        (
            "PUT '",
            "error",
            {"message": "[VOLUME_DOES_NOT_EXIST] Volume does not exist"},
            "`volume` is gone",
        ),
        ("PUT /upload", "status", {"status": 403}, "the storage behind `volume` refused a file"),
        (f"POST {HTTP_PATH}", "status", {"status": 401}, "expired, revoked"),
        (f"POST {HTTP_PATH}", "status", {"status": 403}, "CAN USE on the SQL warehouse"),
        (f"POST {HTTP_PATH}", "status", {"status": 404}, "`http_path`"),
        (
            "SHOW SCHEMAS",
            "error",
            {"message": "[CATALOG_NOT_FOUND] main"},
            "`catalog` does not exist",
        ),
        (
            "MERGE",
            "error",
            {"message": "Cannot start the warehouse w1: it was stopped"},
            "start it",
        ),
    ],
)
def test_whatever_is_refused_is_exit_1_without_state_and_one_sentence_with_the_remedy(
    warehouse, match, kind, more, remedy
):
    loads(warehouse, schema("way"), record("way", "a", "1"), state(1))
    warehouse.fail(match, kind, **more)

    told = refused(warehouse, schema("way"), record("way", "a", "2"), state(2))

    assert remedy in told
    assert "STATE stays" in told
    warehouse.mend()
    assert amounts(warehouse, "way") == {"a": 1}


@pytest.mark.parametrize(
    ("login", "remedy"),
    [
        ({**OAUTH, "client_secret": "s3cret-wrong"}, "make a new OAuth secret"),
        ({"token": "no"}, "`token`"),
    ],
    ids=["secret", "token"],
)
def test_a_login_that_is_refused_is_told_by_its_setting(warehouse, login, remedy):
    warehouse.configure(login)

    assert remedy in refused(warehouse, schema("s"), record("s", "a", "1"), state(1)).replace(
        "s3cret-wrong", OAUTH["client_secret"]
    )


def test_a_network_that_stays_cut_is_exit_1_once_the_deadline_has_passed(warehouse):
    warehouse.configure(retry_deadline_seconds=5)
    warehouse.redirect.refuse("*")

    told = refused(warehouse, schema("s"), record("s", "a", "1"), state(1))

    assert "`retry_deadline_seconds`" in told


@pytest.mark.full
def test_state_stands_behind_the_rows_before_it_and_no_others(warehouse):
    warehouse.configure(batch_size_rows=1)
    warehouse.fail("MERGE INTO `main`.`kinetic`.`bad`", "error", message="[INTERNAL_ERROR] no")

    done = warehouse.load(lines(
        schema("good"), schema("bad"), record("good", "a", "1"), state(1), record("good", "b", "1"),
        state(2), record("bad", "a", "1"), state(3), record("good", "c", "1"), state(4),
    ))  # fmt: skip

    assert done.returncode == 1
    assert [json.loads(line) for line in done.stdout.splitlines()] == [{"seen": 1}]
    assert amounts(warehouse, "good").keys() == {"a", "b"}


def test_a_signal_ends_the_load_at_once_without_state(warehouse):
    with subprocess.Popen(
        warehouse.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**environment(), **warehouse.redirect.variables},
    ) as process:  # fmt: skip
        process.stdin.write(lines(schema("cut"), record("cut", "a", "1"), state(1)))
        process.stdin.flush()
        time.sleep(8)
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        assert (process.returncode, process.stdout.read()) == (1, b"")
        assert b"stopped by signal 15" in process.stderr.read()


def test_new_columns_are_added_and_wider_decimals_widened(warehouse):
    loads(warehouse, schema("wide"), record("wide", "a", "1.234"), state(1))
    wider = {**AMOUNT, "precision": 28, "scale": 9}

    loads(
        warehouse, schema("wide", amount=wider, more={"Note": {"type": ["string", "null"]}}),
        record("wide", "b", "1234567890123456789.123456789", Note="new"), state(2),
    )  # fmt: skip

    rows = {row["k"]: row for row in warehouse.rows("wide")}
    assert {key: row["note"] for key, row in rows.items()} == {"a": None, "b": "new"}
    assert rows["a"]["amount"] == Decimal("1.234")
    assert rows["b"]["amount"] == Decimal("1234567890123456789.123456789")
    # What is narrower than the table fits into it, and a schema that changes in mid-run as well.
    loads(
        warehouse,
        schema("wide"),
        record("wide", "a", "5"),
        schema("wide", more={"Last": {"type": "boolean"}}),
        record("wide", "a", "6", Last=True),
        state(3),
    )
    assert amounts(warehouse, "wide")["a"] == 6


def test_a_change_of_type_that_would_lose_something_is_refused(warehouse):
    loads(warehouse, schema("typed"), record("typed", "a", "1"), state(1))

    told = refused(
        warehouse, schema("typed", amount={"type": "boolean"}), record("typed", "a", True), state(2)
    )

    assert "column Amount of `main`.`kinetic`.`typed` is DECIMAL(18,3) in Databricks" in told


@pytest.mark.full
@pytest.mark.parametrize("hard", [False, True])
def test_retracted_rows_are_marked_or_deleted_and_come_back_when_reopened(warehouse, hard):
    warehouse.configure(hard_delete=hard)
    loads(warehouse, schema("mark"), record("mark", "a", "1"), record("mark", "b", "1"), state(1))

    loads(
        warehouse, schema("mark"), record("mark", "a", "1", _sdc_deleted_at=GONE),
        record("mark", "never there", "1", _sdc_deleted_at=GONE), state(2),
    )  # fmt: skip

    marked = {row["k"]: row["_sdc_deleted_at"] is not None for row in warehouse.rows("mark")}
    assert marked == ({"b": False} if hard else {"a": True, "b": False, "never there": True})
    loads(warehouse, schema("mark"), record("mark", "a", "2"), state(3))
    back = {row["k"]: row["_sdc_deleted_at"] for row in warehouse.rows("mark")}
    assert back["a"] is None


@pytest.mark.parametrize("hard", [False, True])
def test_activate_version_retires_rows_of_older_versions(warehouse, hard):
    warehouse.configure(hard_delete=hard)

    for version, keys in ((1, "ab"), (2, "bc")):
        rows = [{**record("ver", key, "1"), "version": version} for key in keys]
        activate = {"type": "ACTIVATE_VERSION", "stream": "ver", "version": version}
        loads(warehouse, schema("ver"), *rows, activate, state(version))

    found = {row["k"]: row["_sdc_deleted_at"] is None for row in warehouse.rows("ver")}
    assert found == ({"b": True, "c": True} if hard else {"a": False, "b": True, "c": True})


def test_a_stream_without_rows_costs_no_request(warehouse):
    loads(warehouse, schema("empty"), state(1))

    assert warehouse.switch() == []


def test_schema_and_volume_are_made_once_and_tables_laid_out_as_configured(warehouse):
    warehouse.configure(
        schema="finance_raw",
        volume="in_between",
        table_names={"a": "invoices-2"},
        partition_by={"b": "K"},
    )
    messages = [schema(s) for s in "ab"] + [record(s, "k", "1") for s in "ab"] + [state(1)]

    for _ in range(2):
        loads(warehouse, *messages)

    made = [each for each in warehouse.statements if each.startswith("CREATE")]
    assert made[:2] == [
        "CREATE SCHEMA IF NOT EXISTS `main`.`finance_raw`",
        "CREATE VOLUME IF NOT EXISTS `main`.`finance_raw`.`in_between`",
    ]
    tables = {re.search(r"`([^`]+)` \(", each)[1]: each.partition("USING ")[2] for each in made[2:]}
    assert tables == {"invoices-2": "DELTA CLUSTER BY (`K`)", "b": "DELTA PARTITIONED BY (`K`)"}
    assert len(made) == 4
    removed = [each for each in warehouse.statements if each.startswith("REMOVE")]
    assert len(removed) == 4


@pytest.mark.full
def test_the_statements_of_the_page_leave_the_loader_nothing_to_make_but_tables(warehouse):
    """Run one by one through Databricks' client; then the view shows what is open."""
    page = (ROOT / "docs" / "warehouses" / "databricks.md").read_text()
    place, view = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    for statement in place.strip().split(";"):
        if statement:
            warehouse.query(statement.strip())

    rows = [record("vendors", "a", "1"), record("vendors", "b", "1", _sdc_deleted_at=GONE)]
    loads(warehouse, schema("vendors"), *rows, state(1))

    assert {s.split()[1] for s in warehouse.statements if s.startswith("CREATE")} == {
        "SCHEMA",
        "VOLUME",
        "TABLE",
    }
    assert sum(s.startswith(("CREATE SCHEMA", "CREATE VOLUME")) for s in warehouse.statements) == 2
    warehouse.query(view)
    open_rows = warehouse.query("SELECT `K` FROM `main`.`kinetic`.`open_vendors`")
    assert [row["k"] for row in open_rows] == ["a"]


class TestStandard(
    get_target_test_class(
        DatabricksTarget, config={"host": HOST, "http_path": HTTP_PATH, "catalog": CATALOG, **TOKEN}
    )
):
    """The SDK's own suite."""

    @pytest.fixture(autouse=True)
    def on_loopback(self, warehouse, monkeypatch):
        for name, value in warehouse.redirect.variables.items():
            monkeypatch.setenv(name, value)
