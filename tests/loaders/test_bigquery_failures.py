"""Whatever fails on the way to BigQuery: no STATE before the rows, one sentence, and then exact."""

import json
import time

import pytest
from bigquery import AMOUNT, PROJECT, messages
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from unread import FULL, NOBODY, load_unread

pytestmark = pytest.mark.full

UPLOAD = "PUT /upload"
JOBS = f"POST /bigquery/v2/projects/{PROJECT}/jobs"
DATASETS = f"POST /bigquery/v2/projects/{PROJECT}/datasets?"
RIGHTS = "needs roles/bigquery.dataEditor on the dataset"
QUOTA = "A quota is used up"
NETWORK = "Google could not be reached, or the line was cut"

LASTING = {
    "no right to load": (UPLOAD, 403, {}, RIGHTS),
    "no right to merge": ("MERGE", 403, {}, RIGHTS),
    "no billing": (JOBS, 403, {"reason": "billingNotEnabled"}, "Enable billing"),
    "a full quota of loads": (UPLOAD, 403, {"reason": "quotaExceeded"}, QUOTA),
    "a full quota of statements": ("MERGE", 403, {"reason": "quotaExceeded"}, QUOTA),
    "too many requests": (UPLOAD, 429, {}, QUOTA),
    "too many statements": ("MERGE", 403, {"reason": "rateLimitExceeded"}, QUOTA),
    "expired credentials": ("/jobs", 401, {}, "have expired or were revoked"),
    "a statement that is refused": ("MERGE", 400, {}, "Compare the column"),
    "a server that cannot": (UPLOAD, 503, {}, "BigQuery could not; run again"),
    "a line that is cut under the upload": (UPLOAD, 0, {"moment": "during"}, NETWORK),
    "a line that is cut before the merge": ("MERGE", 0, {}, NETWORK),
}


@pytest.mark.parametrize("what", LASTING)
def test_what_lasts_is_exit_1_without_state_and_the_next_run_makes_it_good(bigquery, what):
    where, status, how, said = LASTING[what]
    stream = "lasting_" + what.replace(" ", "_")
    bigquery.configure(timeout=3, credentials_json=service_account(bigquery))
    bigquery.front.fail(where, status, **how)

    assert_refused(bigquery.load(messages(stream, [{"K": "a", "Amount": "1"}])), said)

    bigquery.front.fail("", 0)
    done = bigquery.load(messages(stream, [{"K": "a", "Amount": "2"}], state=2))
    assert (done.returncode, json.loads(done.stdout)) == (0, {"seen": 2}), done.stderr[-2000:]
    assert bigquery.amounts(stream) == {"a": 2}


def assert_refused(done, *said) -> None:
    """Exit code 1, no STATE, one sentence with the remedy, no traceback."""
    assert (done.returncode, done.stdout) == (1, b"")
    told = done.stderr.decode().strip().splitlines()[-1]
    for words in ("STATE stays where it was", *said):
        assert words in told, told
    assert b"Traceback" not in done.stderr


LOST = {
    "under the upload": (UPLOAD, "during"),
    "before the upload is taken": (UPLOAD, "before"),
    "between the upload and its answer": (UPLOAD, "after"),
    "before the statement": ("__stage_", "before"),
    "between the statement and its answer": ("SELECT", "after"),
    "between the first table and its answer": ("/tables?", "after"),
    "while the stage is dropped": ("DELETE", "after"),
}


@pytest.mark.parametrize("keys", [("K",), ()], ids=["with a key", "without a key"])
@pytest.mark.parametrize("when", LOST)
def test_a_line_that_is_cut_for_a_moment_neither_loses_nor_doubles_a_row(bigquery, when, keys):
    where, moment = LOST[when]
    stream = f"cut_{when.replace(' ', '_')}_{len(keys)}"
    bigquery.front.fail(where, 0, times=1, moment=moment)

    rows = [{"K": str(n), "Amount": "1"} for n in range(3)]
    done = bigquery.load(messages(stream, rows, keys=keys))

    assert (done.returncode, json.loads(done.stdout)) == (0, {"seen": 1}), done.stderr[-2000:]
    assert bigquery.amounts(stream) == {"0": 1, "1": 1, "2": 1}


@pytest.mark.parametrize(("where", "status"), [(UPLOAD, 503), ("POST /upload", 500), (JOBS, 503)])
def test_a_moment_of_weakness_is_survived(bigquery, where, status):
    stream = f"weak_{where.count('PUT')}{where.count('upload')}_{status}"
    bigquery.front.fail(where, status, times=2)

    done = bigquery.load(messages(stream, [{"K": "a", "Amount": "1"}]))

    assert done.returncode == 0, done.stderr[-2000:]
    assert bigquery.amounts(stream) == {"a": 1}


def load_job(reason: str) -> dict:
    """A load job that BigQuery has taken, and that has failed."""
    error = {"reason": reason, "message": f"told to fail: {reason}"}
    return {
        "jobReference": {"projectId": PROJECT, "jobId": "x", "location": "US"},
        "configuration": {"load": {}},
        "status": {"state": "DONE", "errorResult": error, "errors": [error]},
    }


def test_a_load_job_that_was_taken_and_then_refused_is_told(bigquery):
    bigquery.front.fail(UPLOAD, 200, body=load_job("quotaExceeded"))
    assert_refused(bigquery.load(messages("taken", [{"K": "a", "Amount": "1"}])), QUOTA)

    bigquery.front.fail(UPLOAD, 200, body=load_job("invalid"))
    assert_refused(
        bigquery.load(messages("taken", [{"K": "a", "Amount": "1"}])),
        "BigQuery refused a batch of taken: told to fail: invalid",
    )


def test_a_load_job_that_bigquery_gave_up_is_sent_again_under_another_id(bigquery):
    bigquery.front.fail(UPLOAD, 200, times=1, body=load_job("backendError"))

    done = bigquery.load(messages("given_up", [{"K": "a", "Amount": "1"}]))

    assert done.returncode == 0, done.stderr[-2000:]
    assert bigquery.amounts("given_up") == {"a": 1}
    jobs = [job for job in bigquery.jobs() if "given_up__stage" in job and "load" in job]
    assert [job.rpartition("-load-")[2] for job in jobs] == ["1-2"]


@pytest.mark.parametrize("keys", [("K",), ()], ids=["with a key", "without a key"])
def test_a_job_that_could_not_be_asked_for_is_not_done_twice(bigquery, keys):
    """The statement has run; only the question how it went was answered with a server's error."""
    bigquery.front.fail(f"GET /bigquery/v2/projects/{PROJECT}/queries/", 504, times=1)
    stream = f"asked_{len(keys)}"

    done = bigquery.load(messages(stream, [{"K": "a", "Amount": "1"}], keys=keys))

    assert done.returncode == 0, done.stderr[-2000:]
    assert len(bigquery.front.statements) == 1
    assert bigquery.amounts(stream) == {"a": 1}


FOUND = f"GET /bigquery/v2/projects/{PROJECT}/jobs/"


def test_a_job_that_is_not_to_be_seen_for_a_moment_is_asked_for_again(bigquery):
    bigquery.front.fail("INSERT", 0, times=1, moment="after")
    bigquery.front.also_fail(FOUND, 404, times=3)

    done = bigquery.load(messages("unseen", [{"K": "a", "Amount": "1"}], keys=()))

    assert done.returncode == 0, done.stderr[-2000:]
    asked = [each for each in bigquery.front.passed if FOUND in each and "append" in each]
    assert len(asked) >= 4
    assert len({each.partition("?")[0] for each in asked}) == 1
    assert bigquery.amounts("unseen") == {"a": 1}


def test_a_job_that_is_never_to_be_seen_is_not_started_under_another_id(bigquery):
    bigquery.configure(timeout=3)
    bigquery.front.fail("INSERT", 0, times=1, moment="after")
    bigquery.front.also_fail(FOUND, 404)

    rows = messages("gone", [{"K": "a", "Amount": "1"}], keys=())
    assert_refused(bigquery.load(rows), "BigQuery has taken job", "could not find it; run again")

    bigquery.front.fail("", 0)
    assert bigquery.load(rows).returncode == 0
    assert bigquery.amounts("gone") == {"a": 1}


@pytest.mark.parametrize("output", [NOBODY, FULL])
def test_a_state_that_nobody_takes_is_one_sentence_and_exit_1(bigquery, output):
    done = load_unread(bigquery, messages("unread", [{"K": "a", "Amount": "1"}]), output)

    assert done.returncode == 1, done.stderr[-2000:]
    told = done.stderr.decode().strip().splitlines()[-1]
    assert "The rows are in BigQuery, and STATE could not be written to stdout" in told
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr
    assert bigquery.amounts("unread") == {"a": 1}


def test_a_value_that_the_column_cannot_hold_is_refused_with_its_place(bigquery):
    rows = [{"K": "a", "Amount": "1", "Day": "yesterday"}]
    day = {"Day": {"type": ["string", "null"], "format": "date"}}

    assert_refused(bigquery.load(messages("refused", rows, more=day)), "a batch of refused")


def test_a_job_that_does_not_end_is_given_up_after_the_timeout(bigquery):
    running = {**load_job(""), "status": {"state": "RUNNING"}}
    bigquery.configure(timeout=3)
    bigquery.load(messages("endless", [{"K": "a", "Amount": "1"}]))
    bigquery.front.fail(f"{UPLOAD}|GET /bigquery/v2/projects/{PROJECT}/jobs/", 200, body=running)

    assert_refused(
        bigquery.load(messages("endless", [{"K": "a", "Amount": "2"}])), "longer than `timeout`"
    )


# Who may load, and where to


def service_account(bigquery) -> str:
    """A key as Google makes it; the front gives the tokens."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return json.dumps({
        "type": "service_account", "project_id": PROJECT, "private_key": private.decode(),
        "private_key_id": "1", "client_id": "1",
        "client_email": f"loader@{PROJECT}.iam.gserviceaccount.com",
        "token_uri": f"http://127.0.0.1:{bigquery.front.port}/token",
    })  # fmt: skip


@pytest.mark.parametrize("line_break", ["\\n", "\\\\n", "\\r\\n", " "])
def test_a_key_with_any_line_breaks_loads(bigquery, line_break):
    key = service_account(bigquery).replace("\\n", line_break)
    bigquery.configure(credentials_json=key)
    stream = f"key_{len(line_break)}_{line_break.count('r')}"

    done = bigquery.load(messages(stream, [{"K": "a", "Amount": "1"}]))

    assert done.returncode == 0, done.stderr[-2000:]
    assert bigquery.amounts(stream) == {"a": 1}
    assert "given" in bigquery.front.tokens


def test_a_key_that_google_takes_no_more_is_told_and_stays_secret(bigquery):
    key = service_account(bigquery)
    bigquery.configure(credentials_json=key)
    refusal = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
    bigquery.front.fail("POST /token", 400, body=refusal)

    done = bigquery.load(messages("revoked", [{"K": "a", "Amount": "1"}]))

    assert_refused(done, "Invalid JWT Signature", "Google does not take this key")
    assert json.loads(key)["private_key"].splitlines()[1].encode() not in done.stderr


def test_a_token_that_ends_in_mid_run_is_renewed(bigquery):
    bigquery.configure(credentials_json=service_account(bigquery))
    bigquery.front.fail("MERGE", 401, times=1)

    done = bigquery.load(messages("renewed", [{"K": "a", "Amount": "1"}]))

    assert done.returncode == 0, done.stderr[-2000:]
    assert bigquery.front.passed.count("POST /token") == 2
    assert bigquery.amounts("renewed") == {"a": 1}


def test_a_dataset_that_is_not_there_and_may_not_be_made_is_one_sentence_with_the_statement(
    bigquery,
):
    bigquery.configure(dataset="not_there", location="EU")
    bigquery.front.fail(DATASETS, 403)

    assert_refused(
        bigquery.load(messages("s", [{"K": "a", "Amount": "1"}])),
        "dataset finance.not_there is not there, and this account may not make it",
        "create schema `finance.not_there` options (location = 'EU')",
    )


def test_a_dataset_that_is_there_needs_no_right_to_make_one(bigquery):
    bigquery.query(f"create schema if not exists `{PROJECT}.made_before`")
    bigquery.configure(dataset="made_before")
    bigquery.front.fail(DATASETS, 403)

    done = bigquery.load(messages("s", [{"K": "a", "Amount": "1"}]))

    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("has_table", [False, True])
def test_a_dataset_in_another_location_is_one_sentence(bigquery, has_table):
    bigquery.query(f"create schema if not exists `{PROJECT}.in_us`")
    stream = f"s_{has_table}"
    if has_table:
        bigquery.configure(dataset="in_us")
        assert bigquery.load(messages(stream, [{"K": "a", "Amount": "1"}])).returncode == 0
    bigquery.configure(dataset="in_us", location="europe-west3")

    assert_refused(
        bigquery.load(messages(stream, [{"K": "a", "Amount": "2"}])),
        "dataset finance.in_us is in US, and `location` says europe-west3",
    )


# A loader that is killed


KILLED = {
    "with rows in the stage only": ("SELECT", "before"),
    "with rows in the table and no answer": ("SELECT", "after"),
    "with rows in the table and no state": ("DELETE", "before"),
}


@pytest.mark.parametrize("keys", [("K",), ()], ids=["with a key", "without a key"])
@pytest.mark.parametrize("when", KILLED)
def test_a_loader_that_is_killed_leaves_no_state_and_the_same_rows_again_are_no_more(
    bigquery, when, keys
):
    where, moment = KILLED[when]
    stream = f"killed_{when.replace(' ', '_')}_{len(keys)}"
    rows = [{"K": str(n), "Amount": "1.001"} for n in range(5)]
    held = bigquery.front.hold(where, moment)
    loader = bigquery.start(messages(stream, rows, keys=keys))
    assert held.wait(60), loader.stderr.read()[-2000:]

    loader.kill()
    assert (loader.wait(10), loader.stdout.read()) == (-9, b"")
    loader.stdout.close()
    loader.stderr.close()
    bigquery.front.fail("", 0)

    stages = [name for name in bigquery.tables() if name.startswith(f"{stream}__stage")]
    lives = int(bigquery.resource(f"kinetic/tables/{stages[0]}")["expirationTime"]) / 1000
    assert 0 < lives - time.time() <= 24 * 3600
    assert bigquery.load(messages(stream, rows, keys=keys)).returncode == 0
    assert {key: str(amount) for key, amount in bigquery.amounts(stream).items()} == {
        str(n): "1.001" for n in range(5)
    }


# Rows without a key


def test_rows_without_a_key_are_appended_once_however_often_they_are_sent(bigquery):
    rows = [{"K": "a", "Amount": "1"}, {"K": "a", "Amount": "1"}]

    for _ in range(3):
        done = bigquery.load(messages("facts", rows, keys=()))
        assert done.returncode == 0, done.stderr[-2000:]

    assert len(bigquery.rows("facts")) == 2
    assert b"has appended these 2 rows at" in done.stderr


def test_the_same_rows_extracted_at_another_time_or_at_none_are_appended(bigquery):
    rows = [{"K": "a", "Amount": "1"}]
    for extracted in ("2026-11-21T12:00:00Z", "2026-11-21T13:00:00Z", None, None):
        sent = messages("observed", rows, keys=(), extracted=extracted)
        assert bigquery.load(sent).returncode == 0

    assert len(bigquery.rows("observed")) == 4


def test_rows_without_a_key_are_appended_anew_to_a_table_that_was_dropped(bigquery):
    rows = messages("dropped", [{"K": "a", "Amount": "1"}], keys=())
    assert bigquery.load(rows).returncode == 0
    bigquery.query(f"drop table `{PROJECT}.kinetic.dropped`")

    assert bigquery.load(rows).returncode == 0

    assert len(bigquery.rows("dropped")) == 1


def test_an_append_that_failed_once_is_done_when_it_is_sent_again(bigquery):
    rows = messages("mended", [{"K": "a", "Amount": "1"}], keys=())
    bigquery.query(f"create table `{PROJECT}.kinetic.mended_before` (K string)")
    wrong = bigquery.front.fail("INSERT", 0, statement="select 1 / 0")
    assert_refused(bigquery.load(rows))
    assert wrong.reached.is_set()
    bigquery.front.fail("", 0)

    assert bigquery.load(rows).returncode == 0

    assert len(bigquery.rows("mended")) == 1


def test_a_row_with_a_key_that_goes_back_to_what_it_was_is_not_taken_for_one_sent_again(bigquery):
    for amount in ("1", "2", "1"):
        sent = messages("back", [{"K": "a", "Amount": amount}], amount=AMOUNT)
        assert bigquery.load(sent).returncode == 0

    assert bigquery.amounts("back") == {"a": 1}
