"""The run log: what is new in it, whatever befell the file."""

from __future__ import annotations

import json

import pytest
from harness import run_tap, settings
from kinetic_sandbox.kinetic import KineticServer, Tenant
from target_tableau_refresh.changes import take_in
from target_tableau_refresh.marks import Marks

AT = "2026-11-21T10:00:00.000Z"


def line(run: str, stream: str, rows: int = 0, **more) -> str:
    told = {"run_id": run, "company": "EPIC06", "stream": stream, "rows_sent": rows,
            "rows_retracted": 0, "status": "complete", **more}  # fmt: skip
    return json.dumps(told) + "\n"


def end(run: str, status: str = "complete") -> str:
    return json.dumps({"run_id": run, "status": status, "completed_at": AT}) + "\n"


@pytest.fixture
def log(tmp_path):
    return tmp_path / "runs.jsonl"


@pytest.fixture
def marks():
    return Marks()


def changed(marks: Marks, log) -> dict[str, tuple[str, int, bool]]:
    """What is new: run, rows, and whether it was cut, by stream."""
    before = marks.number
    take_in(log, marks, AT)
    return {
        stream: (change.run_id, change.rows, change.is_cut)
        for stream, change in marks.changed.items()
        if change.number > before
    }


def test_rows_of_all_companies_are_counted_and_only_what_is_new(log, marks):
    log.write_text(line("a", "vendors", 2) + line("a", "vendors", 3, company="EPIC07")
                   + line("a", "parts") + end("a"))  # fmt: skip
    assert changed(marks, log) == {"vendors": ("a", 5, False)}
    assert marks.complete.run_id == "a"
    assert changed(marks, log) == {}

    log.write_text(log.read_text() + line("b", "parts", 1) + end("b"))
    assert changed(marks, log) == {"parts": ("b", 1, False)}


def test_a_run_without_its_last_line_is_cut_until_a_complete_one(log, marks):
    log.write_text(line("a", "vendors", 2) + end("a", "failed"))
    assert changed(marks, log) == {"vendors": ("a", 2, True)}
    assert marks.complete is None

    log.write_text(log.read_text() + line("b", "parts", 1) + end("b"))
    assert changed(marks, log) == {"parts": ("b", 1, False)}
    assert not marks.changed["vendors"].is_cut


def test_a_cut_run_of_another_run_log_stays_cut(log, marks):
    other = log.with_name("other.jsonl")
    log.write_text(line("a", "vendors", 2))
    other.write_text(line("b", "ap_invoices", 2) + end("b"))
    changed(marks, log)
    changed(marks, other)

    assert marks.changed["vendors"].is_cut
    assert not marks.changed["ap_invoices"].is_cut


def test_half_a_last_line_is_read_when_it_is_whole(log, marks):
    whole = line("a", "vendors", 2) + end("a")
    log.write_text(whole[:-9])
    assert changed(marks, log) == {"vendors": ("a", 2, True)}

    log.write_text(whole)
    assert changed(marks, log) == {}
    assert not marks.changed["vendors"].is_cut


def test_a_broken_line_is_told_and_left_out(log, marks, caplog):
    log.write_text(line("a", "vendors", 2) + '{"run_id": "a", "stre\n' + end("a"))

    assert changed(marks, log) == {"vendors": ("a", 2, False)}
    assert "new line 2 is no JSON" in caplog.text


@pytest.mark.parametrize("how", ["renamed", "copied and emptied"])
def test_a_rotated_file_is_read_to_its_end_and_the_new_one_from_its_beginning(log, marks, how):
    log.write_text(line("a", "vendors", 2) + end("a"))
    changed(marks, log)
    with log.open("a") as file:
        file.write(line("b", "parts", 1) + end("b"))
    aside = log.with_name("runs.jsonl.1")
    if how == "renamed":
        log.rename(aside)
    else:
        aside.write_text(log.read_text())
    log.write_text(line("c", "ap_invoices", 4) + end("c"))

    assert changed(marks, log) == {"parts": ("b", 1, False), "ap_invoices": ("c", 4, False)}


def test_a_rotated_file_that_is_gone_is_told_and_made_good_by_the_bookmarks(log, marks, caplog):
    log.write_text(line("a", "vendors", 2, bookmark_before=None, bookmark_after="7") + end("a"))
    changed(marks, log)
    log.write_text(line("c", "vendors", bookmark_before="9", bookmark_after="9") + end("c"))

    assert changed(marks, log) == {"vendors": ("c", 0, False)}
    assert "which is not beside it" in caplog.text


def test_a_bookmark_that_moved_unseen_is_a_change(log, marks):
    log.write_text(line("a", "vendors", 2, bookmark_before=None, bookmark_after="7") + end("a")
                   + line("b", "vendors", bookmark_before="7", bookmark_after="7")
                   + end("b"))  # fmt: skip
    assert changed(marks, log) == {"vendors": ("a", 2, False)}

    log.write_text(log.read_text()
                   + line("c", "vendors", bookmark_before="8", bookmark_after="8")
                   + end("c"))  # fmt: skip
    assert changed(marks, log) == {"vendors": ("c", 0, False)}


def test_streams_that_were_not_reached_change_nothing(log, marks):
    log.write_text(line("a", "vendors", status="skipped", bookmark_before=None) + end("a"))

    assert changed(marks, log) == {}


BOOKMARK = "2026-11-21T09:00:00.000Z"
BEFORE = "UpdatedOn ge 2026-11-21T08:55:00Z"


def quiet(run: str, sent: int, retracted: int = 0, *, question: str = BEFORE,
          bookmark: str = BOOKMARK) -> str:  # fmt: skip
    """A line whose bookmark did not move."""
    return line(run, "vendors", sent, rows_retracted=retracted, filter=question,
                replication_key=question.partition(" ")[0], bookmark_before=bookmark,
                bookmark_after=bookmark) + end(run)  # fmt: skip


ROW_VERSION = {"question": "SysRevID ge 60", "bookmark": "77"}
MOVED = line("b", "vendors", 3, filter="SysRevID ge 60", replication_key="SysRevID",
             bookmark_before="60", bookmark_after="77") + end("b")  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "is_new"),
    [
        ([quiet("b", 1)], False),
        ([quiet("b", 2)], True),
        ([quiet("b", 1, 1)], True),
        ([quiet("b", 2), quiet("c", 2)], False),
        ([quiet("b", 1), quiet("c", 2)], True),
        ([quiet("b", 2), quiet("c", 2, 1)], True),
        ([quiet("b", 2), quiet("c", 2, question=BEFORE.replace(":55", ":50"))], True),
        ([quiet("b", 1, **ROW_VERSION)], False),
        ([quiet("b", 2, **ROW_VERSION), quiet("c", 2, **ROW_VERSION)], True),
        ([MOVED, quiet("c", 3, **ROW_VERSION)], False),
        ([MOVED, quiet("c", 3, **ROW_VERSION), quiet("d", 3, **ROW_VERSION)], False),
        ([MOVED, quiet("c", 4, **ROW_VERSION)], True),
        ([MOVED, quiet("c", 3, question="SysRevID ge 50", bookmark="77")], True),
        ([quiet("b", 9, question="UpdatedOn ge 2026-11-01T00:00:00Z")] * 2, True),
        ([quiet("b", 1, question=f"{BEFORE} and UpdatedOn lt 2026-11-21T09:00:00Z")], True),
        ([quiet("b", 1, question=f"UpdatedOn lt 2026-11-21T09:00:00Z and {BEFORE}")], True),
        ([quiet("b", 1, question="")] * 2, True),
    ],
    ids=["the row at the bookmark", "one beside it", "a retraction", "the same answer again",
         "one more than last time", "one of them closed", "another question",
         "the row at a version", "more than that", "the rows of the run before",
         "the rows of the run before that", "a late one among them", "a replay of versions",
         "a replay", "a replay of a window", "the window the other way round",
         "a replay of everything"],
)  # fmt: skip
def test_rows_that_every_run_repeats_are_no_change_and_all_others_are(log, marks, lines, is_new):
    bookmark = json.loads(lines[0].splitlines()[0])["bookmark_before"]
    first = line("a", "vendors", 9, bookmark_before=None, bookmark_after=bookmark, filter="")
    log.write_text(first + end("a") + "".join(lines[:-1]))
    changed(marks, log)
    log.write_text(log.read_text() + lines[-1])

    assert bool(changed(marks, log)) == is_new


def test_rows_without_a_bookmark_are_a_change_each_time(log, marks):
    same = line("a", "vendors", 9, bookmark_before=None, bookmark_after=None, filter="")
    log.write_text(same + end("a") + same + end("b"))
    changed(marks, log)
    log.write_text(log.read_text() + same + end("c"))

    assert changed(marks, log) == {"vendors": ("a", 9, False)}


@pytest.mark.parametrize("naming", ["source", "snake_case"])
@pytest.mark.parametrize("profile", ["documented", "real"])
def test_the_taps_own_runs_change_what_the_tenant_changed(profile, naming, log, marks, tmp_path):
    with KineticServer(Tenant(profile=profile, seed=7, scale=0.1)) as server:
        config = settings(server, run_log_path=str(log), column_naming=naming)

        def run(state=None, **more):
            return run_tap(tmp_path, {**config, **more}, state=state).state

        state = run()
        assert len(changed(marks, log)) == len(server.tenant.streams)
        state = run(state)
        repeated = changed(marks, log)
        assert (profile == "documented") == bool(repeated)  # has rows shortly before the bookmark
        state = run(state)
        assert changed(marks, log) == {}

        server.tenant.touch("vendors", "EPIC07", 2)
        state = run(state)
        assert changed(marks, log).keys() == {"vendors"}
        state = run(state)
        assert changed(marks, log).keys() == (set() if profile == "real" else {"vendors"})
        for _ in range(2):
            run(state, replay_since="2026-01-01T00:00:00Z")
            assert "ap_invoices" in changed(marks, log)
