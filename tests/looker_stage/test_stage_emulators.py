"""The whole loader, with each warehouse's own driver, on a third party's emulator of it."""

from __future__ import annotations

import json
import re
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import bigquery
import databricks_workspace as databricks
import pytest
import snowflake
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from environments import ROOT, programs
from harness import environment
from redirect import Redirect
from stages import GONE, MOMENT, TEXT, WHOLE, amount, end, lines, record, schema, state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

pytestmark = pytest.mark.full
PACKAGE = ROOT / "target-looker-stage"
DRIVERS = {
    "snowflake": ["snowflake-sqlalchemy==1.11.1", "snowflake-connector-python==4.8.1"],
    "bigquery": ["sqlalchemy-bigquery==1.17.3"],
    "databricks": ["databricks-sqlalchemy==2.0.10", "databricks-sql-connector==4.9.0"],
}
UTC = timezone.utc


def program(kind: str) -> Path:
    """The loader with a warehouse's driver, and nothing of the development environment."""
    packages = ["-e", str(ROOT / "kinetic-batches"), "-e", f"{PACKAGE}[{kind}]", *DRIVERS[kind],
                "-c", str(ROOT / "constraints.txt")]  # fmt: skip
    folder = programs("looker", kind, "3.12", packages, PACKAGE / "pyproject.toml",
                      ROOT / "kinetic-batches" / "pyproject.toml")  # fmt: skip
    return folder / "target-looker-stage"


@dataclass
class Emulated:
    """The loader's settings, its environment, and a client."""

    kind: str
    settings: dict[str, Any]
    variables: Mapping[str, str]
    read: Callable[[str], Iterable[dict[str, Any]]]
    folder: Path

    def load(self, *messages: dict[str, Any], **settings: Any) -> None:
        """A load that has to end well."""
        done = self.run(*messages, **settings)
        assert done.returncode == 0, done.stderr.decode()[-3000:]

    def run(self, *messages: dict[str, Any], **settings: Any) -> subprocess.CompletedProcess[bytes]:
        """A load."""
        config = self.folder / "config.json"
        config.write_text(json.dumps({**self.settings, **settings}))
        return subprocess.run(
            [str(program(self.kind)), "--config", str(config)], input=lines(*messages),
            capture_output=True, check=False, timeout=300,
            env={**environment(), **self.variables},
        )  # fmt: skip

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table; names in lower case."""
        return [{name.lower(): value for name, value in row.items()} for row in self.read(table)]

    def by_key(self, table: str) -> dict[int, dict[str, Any]]:
        """Rows by `k`; each is there once."""
        rows = self.rows(table)
        found = {int(row["k"]): row for row in rows}
        assert len(found) == len(rows)
        return found


@contextmanager
def on_snowflake(folder: Path) -> Iterator[Emulated]:
    with (
        snowflake.emulator(folder) as port,
        snowflake.Front(port) as front,
        Redirect({snowflake.HOSTS: front.port}, folder) as redirect,
    ):
        login = f"{snowflake.USER}:secret@{snowflake.ACCOUNT}/{snowflake.DATABASE}"
        url = f"snowflake://{login}?warehouse={snowflake.WAREHOUSE}&role={snowflake.ROLE}"
        client = snowflake.Snowflake(front, redirect, folder, "EPICOR_STAGE")
        yield Emulated(
            "snowflake", {"sqlalchemy_url": url}, redirect.variables, client.rows, folder
        )


@contextmanager
def on_bigquery(folder: Path) -> Iterator[Emulated]:
    with bigquery.emulator(folder) as port, bigquery.Front(port) as front:
        client = bigquery.BigQuery(front, bigquery.guard(), folder)
        url = f"bigquery://{bigquery.PROJECT}"
        yield Emulated(
            "bigquery", {"sqlalchemy_url": url}, client.variables,
            lambda table: client.query(f"select * from `epicor_stage`.`{table}`")[0], folder,
        )  # fmt: skip


@contextmanager
def on_databricks(folder: Path) -> Iterator[Emulated]:
    with (
        databricks.workspace(folder) as port,
        Redirect({"*.cloud.databricks.com": port}, folder) as redirect,
    ):
        client = databricks.Databricks(port, redirect, folder)
        client.query("CREATE SCHEMA IF NOT EXISTS `main`.`kinetic`")
        client.query("CREATE VOLUME IF NOT EXISTS `main`.`kinetic`.`stage`")
        token = databricks.TOKEN["token"]
        where = f"http_path={databricks.HTTP_PATH}&catalog={databricks.CATALOG}"
        settings = {
            "sqlalchemy_url": f"databricks://token:{token}@{databricks.HOST}?{where}",
            "databricks_volume": "main.kinetic.stage",
        }
        yield Emulated(
            "databricks", settings, redirect.variables,
            lambda table: client.query(f"select * from `main`.`epicor_stage`.`{table}`"), folder,
        )  # fmt: skip


PLACES = {"snowflake": on_snowflake, "bigquery": on_bigquery, "databricks": on_databricks}


@pytest.fixture(scope="module", params=PLACES)
def stage(request, tmp_path_factory):
    program(request.param)  # skips before the emulator is started
    with PLACES[request.param](tmp_path_factory.mktemp(request.param)) as emulated:
        yield emulated


def at(value: Any) -> datetime:
    """A time that a client gave as such, or as text."""
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)


def test_values_arrive_as_they_are_and_the_last_of_a_key_counts(stage):
    given = schema("exact", Big=WHOLE, Exact=amount(38, 9), Words=TEXT, At=MOMENT, Group=TEXT)
    most = "9" * 29 + "." + "9" * 9
    rows = [
        {"Big": 2**63 - 1, "Exact": most, "Words": "back\\slash 'ünï' \"🚀\"\n", "Group": "g",
         "At": "1066-10-14T01:02:03.123456Z", "Amount": "123456789012345.678"},
        {"Big": -(2**63), "Exact": "0.000000001", "Words": "", "At": None},
    ]  # fmt: skip

    stage.load(
        given, record("exact", 1, Words="old"),
        *(record("exact", n + 1, **row) for n, row in enumerate(rows)), state(1),
    )  # fmt: skip

    first, second = (stage.by_key("exact")[n] for n in (1, 2))
    assert (int(first["big"]), int(second["big"])) == (2**63 - 1, -(2**63))
    assert (Decimal(first["exact"]), Decimal(second["exact"])) == (
        Decimal(most), Decimal("0.000000001"),
    )  # fmt: skip
    assert (first["words"], second["words"]) == (rows[0]["Words"], "")
    assert (at(first["at"]), second["at"]) == (datetime(1066, 10, 14, 1, 2, 3, 123456, UTC), None)
    assert (Decimal(first["amount"]), first["group"]) == (Decimal("123456789012345.678"), "g")


def test_rows_that_are_sent_again_change_nothing(stage):
    messages = [schema("again"), *(record("again", n, Amount=f"{n}") for n in range(9)), state(1)]
    stage.load(*messages)
    before = stage.by_key("again")

    stage.load(*messages)

    assert stage.by_key("again") == before


def test_columns_are_added_and_widened_and_nothing_is_lost(stage):
    stage.load(schema("wide", N=amount(9, 2), I=WHOLE), record("wide", 1, N="1.25", I=5), state(1))

    # Two rows: the emulator of Databricks reads a column of one value from statistics of doubles.
    given = {"N": "1234567890123456.123456789012", "I": "0.25"}
    stage.load(
        schema("wide", N=amount(28, 12), I=amount(9, 2), New=TEXT, Newer=TEXT),
        record("wide", 2, **given, New="x", Newer="y"), record("wide", 3, N="2", I="2"), state(2),
    )  # fmt: skip

    found = stage.by_key("wide")
    assert (Decimal(found[1]["n"]), Decimal(found[1]["i"]), found[1]["new"]) == (
        Decimal("1.25"), 5, None,
    )  # fmt: skip
    assert (Decimal(found[2]["n"]), Decimal(found[2]["i"]), found[2]["new"]) == (
        Decimal("1234567890123456.123456789012"), Decimal("0.25"), "x",
    )  # fmt: skip
    assert (found[1]["newer"], found[2]["newer"]) == (None, "y")


def test_a_type_that_cannot_hold_both_is_refused_in_one_sentence(stage):
    stage.load(schema("typed", V=TEXT), record("typed", 1, V="a"), state(1))

    done = stage.run(schema("typed", V=WHOLE), record("typed", 1, V=1), state(2))

    assert (done.returncode, done.stdout) == (1, b"")
    last = done.stderr.decode().strip().splitlines()[-1]
    assert "column v of typed is" in last
    assert stage.by_key("typed")[1]["v"] == "a"


@pytest.mark.parametrize("hard", [False, True])
def test_retracted_rows_are_marked_or_deleted(stage, hard):
    name = f"mark_{hard}".lower()
    stage.load(schema(name), *(record(name, n) for n in (1, 2)), state(1), hard_delete=hard)

    stage.load(
        schema(name), record(name, 1, _sdc_deleted_at=GONE), record(name, 3, _sdc_deleted_at=GONE),
        state(2), hard_delete=hard,
    )  # fmt: skip

    found = {k: row["_sdc_deleted_at"] is not None for k, row in stage.by_key(name).items()}
    assert found == ({2: False} if hard else {1: True, 2: False, 3: True})


def test_rows_without_a_key_are_appended(stage):
    stage.load(schema("log", keys=()), record("log", 1), record("log", 1), state(1))

    assert len(stage.rows("log")) == 2


def test_snowflake_takes_a_key_pair_in_place_of_a_password(tmp_path):
    readme = (PACKAGE / "README.md").read_text()
    (told,) = re.findall(r"`(snowflake://[^`]+private_key_file=[^`]+)`", readme)
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"phrase"),
    )
    (tmp_path / "key.p8").write_bytes(key)
    for what, value in {
        "user@": f"{snowflake.USER}@", "account/": f"{snowflake.ACCOUNT}/",
        "DATABASE": snowflake.DATABASE, "=W": f"={snowflake.WAREHOUSE}",
        "=R": f"={snowflake.ROLE}", "/folder/key.p8": str(tmp_path / "key.p8"),
    }.items():  # fmt: skip
        assert what in told
        told = told.replace(what, value)
    with (
        snowflake.emulator(tmp_path) as port,
        snowflake.Front(port) as front,
        Redirect({snowflake.HOSTS: front.port}, tmp_path) as redirect,
    ):
        client = snowflake.Snowflake(front, redirect, tmp_path, "EPICOR_STAGE")
        stage = Emulated(
            "snowflake", {"sqlalchemy_url": told}, redirect.variables, client.rows, tmp_path
        )
        stage.load(schema("pair"), record("pair", 1), state(1))

        assert {login["AUTHENTICATOR"] for login in front.logins[:1]} == {"SNOWFLAKE_JWT"}
        assert stage.by_key("pair").keys() == {1}


def test_a_complete_run_is_accounted_for(stage):
    run, cut = {"_epicor_run_id": "run-1"}, {"_epicor_run_id": "cut"}

    stage.load(schema("orders"), record("orders", 1, **cut), state(1))
    stage.load(schema("vendors"), *(record("vendors", n, **run) for n in range(3)), end("run-1"))

    audit = stage.rows("_sync_audit")
    (before,) = [row for row in audit if row["run_id"] == "cut"]
    found = {row["stream"]: row for row in audit if row["run_id"] == "run-1"}
    assert before["status"] == "cut"
    assert before["completed_at"] == found["*"]["completed_at"]
    assert {s: int(row["rows_upserted"]) for s, row in found.items()} == {"vendors": 3, "*": 3}
    assert {row["status"] for row in found.values()} == {"complete"}
