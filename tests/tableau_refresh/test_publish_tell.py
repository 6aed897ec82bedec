"""What Tableau gets of extracts, and when: after a complete run, and before STATE."""

import json
import uuid
from pathlib import Path

import pytest
from extracts import Extracts, needed_engine, rows_of
from kinetic_sandbox.tableau import FAILED, Fault, Plan
from kinetic_sandbox.tableau.sample import SITE, TOKEN_NAME, TOKEN_SECRET
from stages import GONE, TEXT, amount, end, record, schema, state
from tableau_site import serving
from target_tableau_refresh.errors import ConfigError, TableauError

needed_engine()
PROJECT = "Finance/Payables"


class Site:
    """A project of the sandbox Tableau, and the loader that publishes to it."""

    def __init__(self, server, folder: Path) -> None:
        self.server = server
        self.audit = folder / "audit.jsonl"
        self.extracts = Extracts(folder / "extracts", {
            "server_url": server.url, "site": SITE, "token_name": TOKEN_NAME,
            "token_secret": TOKEN_SECRET, "publish_project": PROJECT, "poll_seconds": 1,
            "audit_path": str(self.audit), "deadline_minutes": 1,
        })  # fmt: skip
        (self.site,) = (each for each in server.tableau.sites if each.content_url == SITE)
        (folder / "read").mkdir()
        self._copy = folder / "read" / "copy.hyper"

    def load(self, *messages):
        return self.extracts.load(*messages)

    def published(self, stream: str) -> list:
        """What Tableau has of a stream."""
        self._copy.write_bytes(self.source(stream).files[-1][1])
        return sorted(rows_of(self._copy), key=lambda row: row["K"])

    def source(self, stream: str):
        return self.site.find(f"{PROJECT}/{stream}")

    @property
    def jobs(self) -> list:
        """What was done so far, such as "UpdateUploadedFile ap"."""
        return [f"{job.type} {job.target.name}" for job in self.site.jobs]

    def audited(self) -> list:
        return [json.loads(line) for line in self.audit.read_text().splitlines()]


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with serving() as server:
        yield Site(server, tmp_path)


def local(site, stream: str) -> list:
    return sorted(site.extracts.rows(stream), key=lambda row: row["K"])


def test_a_complete_run_publishes_what_changed_and_nothing_else(site):
    site.load(schema("ap"), schema("po"), record("ap", 1), record("po", 1), end("r1"))
    assert site.jobs == ["PublishDatasource ap", "PublishDatasource po"]
    site.load(schema("ap"), schema("po"), record("ap", 2, Amount="1.5"), end("r2"))

    assert site.jobs[2:] == ["PublishDatasource ap"]
    assert site.published("ap") == local(site, "ap")
    assert [row["K"] for row in site.published("ap")] == [1, 2]
    assert site.source("ap").is_live_to_hyper
    assert [name for name, _ in site.source("po").files] == ["po.hyper"]
    site.load(schema("ap"), schema("po"), end("r3"))
    assert len(site.jobs) == 3


def test_each_publication_stands_in_the_audit(site):
    site.load(schema("ap"), record("ap", 1), end("r1"))

    (entry,) = site.audited()
    assert (entry["run_id"], entry["mode"], entry["outcome"]) == ("r1", "publish", "published")
    assert entry["target"] == "datasource Finance/Payables/ap"
    assert entry["job"] == site.site.jobs[0].id
    assert entry["queued_at"] <= entry["started_at"] <= entry["finished_at"]


def test_a_cut_run_publishes_nothing_and_the_next_complete_one_brings_its_rows(site):
    site.load(schema("ap"), record("ap", 1), end("r1"))

    assert site.load(schema("ap"), record("ap", 2), state("r2")) == [{"seen": "r2"}]
    assert len(site.jobs) == 1
    site.load(schema("ap"), end("r3"))

    assert [row["K"] for row in site.published("ap")] == [1, 2]


def test_a_failed_publication_keeps_file_and_state_back_and_the_next_run_makes_it_good(site):
    site.load(schema("ap"), schema("log", keys=()), record("ap", 1), record("log", 1), end("r1"))
    messages = [schema("ap"), schema("log", keys=()), record("ap", 1, Amount="2"),
                record("log", 2)]  # fmt: skip
    site.source("log").plans.append(Plan(finish_code=FAILED))

    with pytest.raises(TableauError, match=r"datasource Finance/Payables/log: Tableau's job \S+ "
                       r"failed: mend that in Tableau"):  # fmt: skip
        site.load(*messages, end("r2"))

    assert site.extracts.states == []
    assert [row["K"] for row in local(site, "log")] == [1]
    assert local(site, "ap")[0]["Amount"] is None
    assert [each["outcome"] for each in site.audited()[-2:]] == ["published", "failed"]

    assert site.load(*messages, end("r3")) != []
    assert [row["K"] for row in site.published("log")] == [1, 2]
    assert site.published("ap")[0]["Amount"] == 2


@pytest.mark.parametrize("fault", ["login", "publish"])
def test_a_tableau_that_is_down_leaves_everything_as_it_was(site, fault):
    site.load(schema("ap"), record("ap", 1), end("r1"))
    site.extracts.settings["token_secret"] = TOKEN_SECRET if fault == "publish" else "wrong" * 4
    if fault == "publish":
        site.server.faults.add(Fault("status", status=403, times=None))

    with pytest.raises(ConfigError):
        site.load(schema("ap"), record("ap", 2), end("r2"))

    assert site.extracts.states == []
    assert [row["K"] for row in local(site, "ap")] == [1]


def test_a_project_that_is_not_there_is_named(site):
    site.extracts.settings["publish_project"] = "Finance/Nowhere"

    with pytest.raises(ConfigError, match=r"`publish_project`: there is no project Finance/Nowhere "
                       r"that is shown to token kinetic-pipeline"):  # fmt: skip
        site.load(schema("ap"), record("ap", 1), end("r1"))

    assert site.extracts.states == []


def test_what_was_built_before_there_was_a_server_is_published_even_if_nothing_changes(site):
    alone = Extracts(site.extracts.folder)
    alone.load(schema("ap"), record("ap", 1), end("r1"))

    site.load(schema("ap"), end("r2"))
    site.extracts.settings["publish_project"] = "Operations"
    site.load(schema("ap"), end("r3"))

    assert site.site.find("Operations/ap").files
    assert site.jobs == ["PublishDatasource ap"] * 2


def changed(*more) -> list:
    return [
        record("ap", 1, Amount="9.999"), record("ap", 2, _sdc_deleted_at=GONE),
        record("ap", 3, _sdc_deleted_at=GONE), record("ap", 3, Amount="3"), record("ap", 7),
        record("ap", 8, _sdc_deleted_at=GONE), *more,
    ]  # fmt: skip


def test_an_update_sends_the_change_alone_and_leaves_tableau_as_the_extract(site):
    site.extracts.settings["publish_as"] = "hyper_update"
    site.load(schema("ap"), *(record("ap", n, Amount=str(n)) for n in range(1, 6)), end("r1"))

    site.load(schema("ap"), *changed(), end("r2"))

    assert site.jobs == ["PublishDatasource ap", "UpdateUploadedFile ap"]
    (update,) = site.source("ap").updates
    same = {"op": "eq", "source-col": "K", "target-col": "K"}
    places = {"source-schema": "Extract", "target-schema": "Extract", "target-table": "Extract"}
    assert update.actions == [
        {"action": "delete", "source-table": "Removed", "condition": same, **places},
        {"action": "upsert", "source-table": "Changed", "condition": same, **places},
    ]
    payload = site.audit.parent / "read" / "payload.hyper"
    payload.write_bytes(update.payload)
    assert {row["K"] for row in rows_of(payload, "Changed")} == {1, 3, 7}
    assert {tuple(row.items()) for row in rows_of(payload, "Removed")} == {
        (("K", 2),), (("K", 8),)}  # fmt: skip
    assert site.published("ap") == local(site, "ap")
    assert [row["K"] for row in site.published("ap")] == [1, 3, 4, 5, 7]


def test_an_update_has_every_column_of_the_data_source_also_one_that_is_no_longer_sent(site):
    site.extracts.settings["publish_as"] = "hyper_update"
    given = schema("ap", Old=TEXT, Amount=amount(38, 9))
    site.load(given, record("ap", 1, Old="x"), record("ap", 2, Old="y"), end("r1"))

    site.load(schema("ap"), record("ap", 2, Amount="2"), end("r2"))  # narrower, and without Old

    (update,) = site.source("ap").updates
    payload = site.audit.parent / "read" / "payload.hyper"
    payload.write_bytes(update.payload)
    (row,) = rows_of(payload, "Changed")
    assert list(row) == list(site.published("ap")[0])
    assert [row["Old"] for row in site.published("ap")] == ["x", None]


def test_tableau_that_wants_to_be_left_alone_is_asked_again_after_that(site):
    site.server.faults.add(Fault("status", "/datasources", status=429, retry_after=1))

    site.load(schema("ap"), record("ap", 1), end("r1"))

    assert [row["K"] for row in site.published("ap")] == [1]


def test_an_update_with_a_key_of_two_columns_names_both(site):
    site.extracts.settings["publish_as"] = "hyper_update"
    given = schema("ap", keys=("K", "Word"), Word=TEXT)
    site.load(given, record("ap", 1, Word="a"), record("ap", 1, Word="b"), end("r1"))

    site.load(given, record("ap", 1, Word="b", Amount="2"), end("r2"))

    (action,) = site.source("ap").updates[0].actions
    both = [{"op": "eq", "source-col": name, "target-col": name} for name in ("K", "Word")]
    assert action["condition"] == {"op": "and", "args": both}
    assert [row["Amount"] for row in site.published("ap")] == [None, 2]


def test_the_request_id_follows_from_the_run_so_that_a_repeat_changes_nothing(site):
    site.extracts.settings["publish_as"] = "hyper_update"
    site.load(schema("ap"), record("ap", 1), end("r1"))
    site.load(schema("ap"), record("ap", 2), end("r2"))
    site.load(schema("ap"), record("ap", 3), end("r3"))

    ids = [each.request_id for each in site.source("ap").updates]
    assert len(set(ids)) == 2
    assert all(uuid.UUID(each).version == 5 for each in ids)


@pytest.mark.parametrize(
    "change", ["a new column", "a wider decimal", "no key", "gone from Tableau"]
)
def test_where_an_update_will_not_do_the_whole_file_is_published(site, change):
    site.extracts.settings["publish_as"] = "hyper_update"
    keys = () if change == "no key" else ("K",)
    site.load(schema("ap", keys=keys), record("ap", 1, Amount="1"), end("r1"))
    more = {"a new column": {"New": TEXT}, "a wider decimal": {"Amount": amount(38, 9)}}
    if change == "gone from Tableau":
        site.site.datasources.remove(site.source("ap"))

    site.load(schema("ap", keys=keys, **more.get(change, {})), record("ap", 2, Amount="2"),
              end("r2"))  # fmt: skip

    assert site.jobs == ["PublishDatasource ap"] * 2
    assert site.published("ap") == local(site, "ap")
    assert len(local(site, "ap")) == 2


def test_an_update_after_cut_runs_and_runs_without_tableau_misses_nothing(site):
    site.extracts.settings["publish_as"] = "hyper_update"
    site.load(schema("ap"), record("ap", 1), end("r1"))
    site.load(schema("ap"), record("ap", 2), state(1))
    site.load(schema("ap"), record("ap", 3), end("r2"))
    assert [row["K"] for row in site.published("ap")] == [1, 2, 3]

    alone = Extracts(site.extracts.folder)
    alone.load(schema("ap"), record("ap", 4), end("r3"))
    site.load(schema("ap"), record("ap", 5), end("r4"))

    assert [row["K"] for row in site.published("ap")] == [1, 2, 3, 4, 5]
    assert site.jobs == ["PublishDatasource ap", "UpdateUploadedFile ap", "PublishDatasource ap"]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"publish_project": ""}, "`publish_project` is missing"),
        ({"publish_folder": ""}, "`publish_folder` is missing"),
        ({"server_url": "", "publish_as": "hyper_update"}, "`server_url` is missing"),
        ({"publish_deleted": "drop"}, "`publish_deleted`"),
    ],
)
def test_settings_that_do_not_go_together_are_named(site, settings, named):
    site.extracts.settings |= settings

    with pytest.raises(ConfigError, match=named):
        site.load(schema("ap"), end("r1"))
