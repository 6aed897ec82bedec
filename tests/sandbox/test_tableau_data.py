"""Data that the vendor's own client updates in place, done by the vendor's own engine."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
import tableauserverclient as tsc
from kinetic_sandbox.tableau import DataSource, Plan
from tableau_site import serving

hyper = pytest.importorskip(
    "tableauhyperapi", reason="NOT TESTED: updates of data; Tableau's engine is not installed"
)
TABLE = hyper.TableName("Extract", "Extract")
SILENT = hyper.Telemetry.DO_NOT_SEND_USAGE_DATA_TO_TABLEAU
SAME_KEY = {"op": "eq", "target-col": "key", "source-col": "key"}


@pytest.fixture(scope="module")
def engine():
    with hyper.HyperProcess(SILENT, parameters={"log_config": ""}) as running:
        yield running.endpoint


def write(engine, file: Path, rows: dict[int, str]) -> Path:
    columns = [hyper.TableDefinition.Column("key", hyper.SqlType.big_int()),
               hyper.TableDefinition.Column("name", hyper.SqlType.text())]  # fmt: skip
    with hyper.Connection(engine, file, hyper.CreateMode.CREATE_AND_REPLACE) as connection:
        connection.catalog.create_schema("Extract")
        connection.catalog.create_table(hyper.TableDefinition(TABLE, columns))
        with hyper.Inserter(connection, TABLE) as inserter:
            inserter.add_rows(list(rows.items()))
            inserter.execute()
    return file


def read(engine, source: DataSource, folder: Path) -> dict[int, str]:
    ((_, content),) = source.files
    file = folder / f"{uuid.uuid4()}.hyper"
    file.write_bytes(content)
    with hyper.Connection(engine, file) as connection:
        rows = connection.execute_list_query(f"SELECT * FROM {TABLE}")
    found = dict(map(tuple, rows))
    assert len(found) == len(rows), "each key is there once"
    return found


class Published:
    """A data source of two rows, and a client that changes it."""

    def __init__(self, server, engine, folder: Path) -> None:
        self._engine, self._folder = engine, folder
        ((name, secret),) = server.tableau.users[0].tokens.items()
        self.client = tsc.Server(server.url, use_server_version=True)
        self.client.auth.sign_in(tsc.PersonalAccessTokenAuth(name, secret, "finance"))
        project = next(each for each in self.client.projects.get()[0] if each.name == "Finance")
        file = write(engine, folder / "first.hyper", {1: "one", 2: "two"})
        item = tsc.DatasourceItem(project.id, "AP extract")
        self.id = self.client.datasources.publish(item, file, "Overwrite").id
        self.held = server.tableau.site("finance").find("Finance/AP extract")

    def change(self, action: str, rows: dict[int, str], request: str = "", **more) -> tsc.JobItem:
        payload = write(self._engine, self._folder / "payload.hyper", rows)
        asked = {"action": action, "source-schema": "Extract", "source-table": "Extract",
                 "target-schema": "Extract", "target-table": "Extract", **more}  # fmt: skip
        return self.client.datasources.update_hyper_data(
            self.id, request_id=request or str(uuid.uuid4()), actions=[asked], payload=payload
        )

    def done(self, *args, **more) -> dict[int, str]:
        self.client.jobs.wait_for_job(self.change(*args, **more), timeout=30)
        return read(self._engine, self.held, self._folder)


@pytest.fixture
def server():
    with serving() as running:
        running.tableau.plan = Plan(0, 0)
        yield running


@pytest.fixture
def published(server, engine, tmp_path) -> Published:
    return Published(server, engine, tmp_path)


def test_rows_are_inserted_updated_upserted_deleted_and_replaced(published):
    by_key = {"condition": SAME_KEY}

    assert published.done("insert", {3: "three"}) == {1: "one", 2: "two", 3: "three"}
    assert published.done("update", {2: "II", 9: "nine"}, **by_key) == {
        1: "one", 2: "II", 3: "three"}  # fmt: skip
    assert published.done("upsert", {3: "III", 4: "four"}, **by_key) == {
        1: "one", 2: "II", 3: "III", 4: "four"}  # fmt: skip
    assert published.done("delete", {1: "", 2: ""}, **by_key) == {3: "III", 4: "four"}
    assert published.done("replace", {5: "five"}) == {5: "five"}


def test_a_request_that_comes_twice_is_done_once(published):
    first = published.change("insert", {3: "three"}, request="load-7")
    again = published.change("insert", {3: "three"}, request="load-7")

    assert first.id == again.id
    assert published.done("delete", {9: ""}, condition=SAME_KEY) == {1: "one", 2: "two", 3: "three"}
    assert [each.request_id for each in published.held.updates][:1] == ["load-7"]


def test_a_connection_is_as_good_as_its_source(published):
    item = published.client.datasources.get_by_id(published.id)
    published.client.datasources.populate_connections(item)
    (connection,) = item.connections
    published.id = connection

    assert published.done("insert", {3: "three"}) == {1: "one", 2: "two", 3: "three"}
    connection._id = str(uuid.uuid4())
    with pytest.raises(tsc.ServerResponseError) as raised:
        published.change("insert", {4: "four"})
    assert raised.value.code == "404003"


def test_a_table_that_is_not_there_fails_the_job_and_changes_nothing(published):
    with pytest.raises(tsc.JobFailedException) as raised:
        published.done("insert", {3: "three"}, **{"target-table": "Nowhere"})

    assert "Nowhere" in str(raised.value.notes)
    assert published.held.updates == []


def test_an_action_without_its_condition_is_refused(published):
    with pytest.raises(tsc.ServerResponseError) as raised:
        published.change("upsert", {3: "three"})

    assert raised.value.code == "400000"


def test_data_of_a_database_cannot_be_updated_in_place(published):
    (source,) = published.client.datasources.filter(name="GL Balances")
    published.id = source.id
    with pytest.raises(tsc.ServerResponseError) as raised:
        published.change("insert", {3: "three"})

    assert raised.value.code == "400003"


def test_what_came_as_a_file_has_nothing_to_refresh_from(published):
    with pytest.raises(tsc.ServerResponseError) as raised:
        published.client.datasources.refresh(published.id)

    assert raised.value.code == "409090"


def test_an_older_server_knows_nothing_of_it(server, published):
    server.tableau.api_version = "3.12"
    published.client.version = "3.12"
    with pytest.raises(tsc.server.exceptions.EndpointUnavailableError):
        published.change("insert", {3: "three"})
