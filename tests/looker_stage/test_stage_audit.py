"""The table `_sync_audit`: what a run loaded, how it ended, and what Looker does not know yet."""

import re
from datetime import datetime, timezone

import pyarrow as pa
import pytest
from kinetic_batches.errors import LoadError
from stages import (
    GONE,
    TEXT,
    WHOLE,
    end,
    record,
    schema,
    state,
)
from target_looker_stage.audit import Loaded, Pending, SyncAudit
from target_looker_stage.config import Config
from target_looker_stage.run import Run
from target_looker_stage.warehouse import open_warehouse

RUN = {"_epicor_run_id": "r1"}
ASKED = {"looker_url": "https://looker.example.com", "looker_client_id": "i",
         "looker_client_secret": "s3cret"}  # fmt: skip


def test_a_complete_run_is_accounted_for_by_stream_and_as_a_whole(stage):
    stage.settings["batch_size_rows"] = 2
    part = {"context": {"_epicor_company": "EPIC06"}, "replication_key_value": 7}

    stage.load(
        schema("vendors"), schema("orders"), schema("empty"), schema("epicor_sync_runs"),
        *(record("vendors", n, **RUN) for n in range(5)),
        record("orders", 1, _sdc_deleted_at=GONE, **RUN),
        record("epicor_sync_runs", 1, _epicor_run_id="r1"),
        end("r1", vendors={"partitions": [part]}, orders={"replication_key_value": "2026"}),
    )  # fmt: skip

    found = stage.audit("r1")
    counts = {s: (row["rows_upserted"], row["rows_deleted"]) for s, row in found.items()}
    assert counts == {"vendors": (5, 0), "orders": (0, 1), "*": (5, 1)}
    assert found["vendors"]["bookmark"] == '{"EPIC06":7}'
    assert found["orders"]["bookmark"] == '"2026"'
    assert {row["status"] for row in found.values()} == {"complete"}
    assert {row["looker_status"] for row in found.values()} == {"not asked"}
    assert all(row["completed_at"] >= row["started_at"] for row in found.values())
    (trigger,) = stage.place.query(
        "SELECT max(completed_at) AS at FROM epicor_stage._sync_audit "
        "WHERE rows_upserted + rows_deleted > 0"
    )
    assert trigger["at"] == found["*"]["completed_at"]


def test_a_run_without_changes_moves_no_trigger(stage):
    stage.load(schema("vendors"), end("r2"))

    (row,) = stage.rows("_sync_audit")
    assert (row["stream"], row["status"], row["rows_upserted"], row["rows_deleted"]) == (
        "*", "complete", 0, 0,
    )  # fmt: skip


def test_a_run_that_the_tap_did_not_complete_is_cut_and_its_state_is_kept(stage):
    states = stage.load(schema("vendors"), record("vendors", 1, **RUN), state(1))

    (row,) = stage.rows("_sync_audit")
    assert (row["run_id"], row["stream"], row["status"]) == ("r1", "vendors", "cut")
    assert row["completed_at"] is None
    assert states == [{"seen": 1}]


def test_a_run_that_goes_on_after_its_mark_is_not_complete(stage):
    stage.settings["batch_size_rows"] = 1

    stage.load(
        schema("vendors"), record("vendors", 1, **RUN), end("r1"), record("vendors", 2, **RUN),
        state(2), record("vendors", 3, **RUN),
    )  # fmt: skip

    assert {row["status"] for row in stage.audit("r1").values() if row["stream"] != "*"} == {"cut"}


def test_a_run_that_failed_has_left_word_of_what_it_loaded(stage):
    stage.settings["batch_size_rows"] = 1

    with pytest.raises(LoadError):
        stage.load(
            schema("vendors"), schema("orders", V=WHOLE), record("vendors", 1, **RUN), state(1),
            record("orders", 1, V="x"), end("r1"),
        )  # fmt: skip

    (row,) = stage.rows("_sync_audit")
    assert (row["run_id"], row["stream"], row["status"], row["rows_upserted"]) == (
        "r1", "vendors", "cut", 1,
    )  # fmt: skip


def test_the_last_state_is_not_emitted_before_the_run_is_accounted_for(stage):
    stage.load(schema("vendors"), record("vendors", 1, **RUN), end("r1"))
    stage.place.query("DROP TABLE epicor_stage._sync_audit")
    stage.place.query("CREATE VIEW epicor_stage._sync_audit AS SELECT 1 AS run_id")

    with pytest.raises(LoadError):
        stage.load(schema("vendors"), end("r2"))

    assert stage.states == []


def test_rows_of_a_cut_run_move_the_trigger_with_the_next_complete_one_and_once(stage):
    query = (
        "SELECT max(completed_at) AS at FROM epicor_stage._sync_audit "
        "WHERE rows_upserted + rows_deleted > 0"
    )
    stage.load(schema("vendors"), record("vendors", 1, **RUN), state(1))
    assert stage.place.query(query) == [{"at": None}]

    stage.load(schema("vendors"), end("r2"))
    stage.load(schema("vendors"), end("r3"))

    assert stage.place.query(query) == [{"at": stage.audit("r2")["*"]["completed_at"]}]
    assert stage.audit("r1")["vendors"]["status"] == "cut"


def test_a_batch_that_comes_after_looker_was_told_waits_again(stage):
    """A telling by another program while the run goes on, which is killed later."""
    warehouse = open_warehouse(Config.of({**stage.config, **ASKED}))
    audit = SyncAudit(warehouse)
    run = Run(audit, wants_looker=True)
    rows = pa.table({"_epicor_run_id": ["r1", "r1"]})

    def load_a_batch():
        warehouse.attempt(lambda connection: run.announce(connection, "vendors", rows))
        run.count("vendors", rows)

    try:
        warehouse.make_schema()
        load_a_batch()
        seen = audit.pending()
        audit.told(seen)
        assert audit.pending() == []

        load_a_batch()
        assert audit.pending() == [Pending("r1", "vendors", "cut", 4)]

        audit.told(seen)
        assert audit.pending(), "the second batch came while Looker was told of the first"
        audit.told(audit.pending())
        assert audit.pending() == []
    finally:
        warehouse.close()


def test_many_that_wait_are_told_at_once(stage):
    warehouse = open_warehouse(Config.of({**stage.config, **ASKED}))
    audit, at = SyncAudit(warehouse), datetime.now(timezone.utc)
    try:
        loads = {f"s{n}": Loaded(at, n + 1) for n in range(101)}
        audit.write("r1", loads, complete=True, wants_looker=True)

        audit.told(audit.pending())

        assert audit.pending() == []
    finally:
        warehouse.close()


def test_what_looker_does_not_know_is_pending_until_it_is_told(stage):
    warehouse = open_warehouse(Config.of({**stage.config, **ASKED}))
    audit, at = SyncAudit(warehouse), datetime.now(timezone.utc)
    assert audit.pending() == []
    assert audit.last() == []
    try:
        audit.write("cut", {"orders": Loaded(at, 3)}, complete=False, wants_looker=True)
        audit.write("r1", {"vendors": Loaded(at, 5, 1, "7")}, complete=True, wants_looker=True)
        audit.write("quiet", {"parts": Loaded(at, 5)}, complete=True, wants_looker=False)
        pending = audit.pending()
        assert set(pending) == {
            Pending("cut", "orders", "cut", 3), Pending("r1", "vendors", "complete", 6),
            Pending("r1", "*", "complete", 6),
        }  # fmt: skip

        audit.told(each for each in pending if each.stream != "orders")

        assert audit.pending() == [Pending("cut", "orders", "cut", 3)]
        whole, parts = audit.last()
        assert (whole.run_id, whole.stream, parts.rows_upserted) == ("quiet", "*", 5)
        assert whole.completed_at.tzinfo is not None
    finally:
        warehouse.close()
    row = stage.audit("r1")["vendors"]
    assert (row["looker_status"], row["rows_upserted"], row["bookmark"]) == ("told", 5, "7")
    assert row["looker_told_at"] >= at


def test_a_warehouse_tells_its_tables_and_columns_and_answers_questions(stage):
    stage.load(schema("vendors", Word=TEXT), record("vendors", 1, Word="a'b:c"), end("r1"))
    warehouse = open_warehouse(Config.of(stage.config))
    try:
        assert warehouse.tables() == ["_sync_audit", "vendors"]
        found = {column.name: column.type for column in warehouse.columns("vendors")}
        assert found["k"] == "BIGINT"
        assert re.fullmatch(r"(NUMERIC|DECIMAL)\(18,3\)", found["amount"])
        assert warehouse.columns("not_there") == []
        query = "SELECT k, word FROM epicor_stage.vendors WHERE word = :word"
        assert warehouse.execute(query, {"word": "a'b:c"}) == [(1, "a'b:c")]
        assert warehouse.execute(query, {"word": "other"}) == []
        (at,) = warehouse.execute("SELECT completed_at FROM epicor_stage._sync_audit LIMIT 1")[0]
        assert at.utcoffset().total_seconds() == 0
        with pytest.raises(LoadError, match="not"):
            warehouse.execute("SELECT * FROM epicor_stage.not_there")
    finally:
        warehouse.close()
