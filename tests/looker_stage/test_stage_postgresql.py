"""PostgreSQL alone: databases of other encodings, and loads that make the same thing at once."""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from kinetic_batches.errors import LoadError
from stages import TEXT, PostgreSQL, Stage, end, lines, record, schema

NAMES = {1: "Müller", 2: "Ærø ©"}
PROGRAM = Path(sys.executable).with_name("target-looker-stage")
FAR = "日本"
RUN = {"_epicor_run_id": "r1"}


@pytest.fixture
def encoded(databases):
    """A database of another encoding."""

    def made(encoding):
        here = databases()
        name = f"as_{encoding.lower()}"
        with psycopg.connect(here.url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name}")
            connection.execute(
                f"CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' "
                "TEMPLATE template0"
            )
        return Stage(PostgreSQL(f"{here.url.rpartition('/')[0]}/{name}"))

    return made


def load(stage, names):
    given = (record("vendors", key, Name=name, **RUN) for key, name in names.items())
    stage.load(schema("vendors", Name=TEXT), *given, end("r1"))


def read(stage):
    with psycopg.connect(stage.place.url, client_encoding="utf8") as connection:
        return dict(connection.execute("SELECT k, name FROM epicor_stage.vendors").fetchall())


@pytest.mark.parametrize(
    ("encoding", "client", "names"),
    [
        ("LATIN1", None, NAMES),
        ("SQL_ASCII", None, {**NAMES, 3: FAR}),
        ("UTF8", "LATIN1", {**NAMES, 3: FAR}),
    ],
)
def test_text_is_what_it_was_whatever_encoding_database_and_environment_have(
    encoded, monkeypatch, encoding, client, names
):
    if client:
        monkeypatch.setenv("PGCLIENTENCODING", client)
    stage = encoded(encoding)

    load(stage, names)

    assert read(stage) == names


def test_a_character_that_the_database_cannot_hold_is_refused_with_what_to_do(encoded):
    stage = encoded("LATIN1")

    with pytest.raises(LoadError, match="have a database made with encoding UTF8"):
        load(stage, {1: FAR})

    assert stage.states == []


@pytest.mark.parametrize(
    ("there", "made"),
    [
        ("SELECT", "CREATE SCHEMA epicor_stage"),
        ("CREATE SCHEMA epicor_stage", "CREATE TABLE epicor_stage.vendors (k bigint PRIMARY KEY)"),
        ("CREATE SCHEMA epicor_stage; CREATE TABLE epicor_stage.vendors (k bigint PRIMARY KEY)",
         "ALTER TABLE epicor_stage.vendors ADD COLUMN name text"),
    ],
    ids=["schema", "table", "column"],
)  # fmt: skip
def test_what_another_load_makes_at_the_same_moment_is_used(databases, there, made):
    stage = Stage(databases())
    stage.place.query(there)
    with (
        ThreadPoolExecutor(1) as other,
        psycopg.connect(stage.place.url) as first,
        psycopg.connect(stage.place.url, autocommit=True) as watcher,
    ):
        first.execute(made)
        second = other.submit(load, stage, NAMES)
        try:
            wait_for_somebody_who_waits(watcher)
        finally:
            first.commit()
        second.result(60)

    assert read(stage) == NAMES


def wait_for_somebody_who_waits(connection):
    for _ in range(400):
        query = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        if connection.execute(query).fetchone():
            return
        time.sleep(0.05)
    pytest.fail("the load did not wait for the other one")


def test_two_first_loads_at_once_both_end_well(databases, tmp_path):
    """Two programs; of each table, of the schema and of the audit one is the first to make it."""
    place = databases()
    streams = [f"s{n}" for n in range(3)]

    def messages(run):
        for stream in streams:
            yield schema(stream)
            yield record(stream, run, _epicor_run_id=f"r{run}")
        yield end(f"r{run}")

    (tmp_path / "config.json").write_text(json.dumps({"sqlalchemy_url": place.url}))
    loads = [
        subprocess.Popen(
            [PROGRAM, "--config", tmp_path / "config.json"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for _ in range(2)
    ]  # fmt: skip
    with ThreadPoolExecutor(2) as both:
        given = [lines(*messages(run)) for run in (1, 2)]
        said = list(both.map(lambda load, sent: load.communicate(sent, 120), loads, given))

    assert [load.returncode for load in loads] == [0, 0], said
    for stream in streams:
        assert {row["k"] for row in place.query(f"SELECT k FROM epicor_stage.{stream}")} == {1, 2}
