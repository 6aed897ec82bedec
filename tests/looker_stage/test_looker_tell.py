"""What Looker is told after a load: which calls, how often, and what stays when it fails."""

from __future__ import annotations

import pytest
from kinetic_sandbox.looker import Datagroup, Fault
from looker_refresh import MODEL, ONE_NOTICE
from target_looker_stage.errors import LookerError
from target_looker_stage.looker.api import LookerApi


def add_datagroup(server, name: str, model: str = MODEL) -> Datagroup:
    number = str(len(server.looker.datagroups) + 1)
    server.looker.datagroups.append(Datagroup(number, model, name, 1))
    return server.looker.datagroups[-1]


def test_a_complete_load_is_one_notice_by_four_calls(server, make, ours):
    here = make()
    here.load("ap_invoices", "vendors")
    here.tell()

    assert server.asked == ONE_NOTICE
    assert len(ours.notices) == 1
    assert here.states == {("run-1", "ap_invoices"): "told", ("run-1", "vendors"): "told"}
    assert server.looker.open_sessions == 0


@pytest.mark.parametrize(
    ("notice", "field"), [("trigger", "triggered_at"), ("reset", "stale_before")]
)
def test_the_notice_covers_what_was_cached_before_the_load_and_is_never_in_the_future(
    server, make, ours, notice, field
):
    here = make(looker_notice=notice)
    here.load("vendors")
    loaded = server.looker.now()
    here.tell()

    ((name, at),) = ours.notices[0].items()
    assert name == field
    assert loaded < at <= server.looker.now() - 2
    (patch,) = [call for call in server.calls if call.method == "PATCH"]
    assert patch.body == {field: at}


@pytest.mark.parametrize("ahead", [-3600, 3600])
def test_the_time_is_lookers_and_not_this_machines(server, make, ours, ahead):
    server.looker.let_pass(ahead)
    here = make()
    here.load("vendors")
    here.tell()

    assert abs(ours.triggered_at - server.looker.now()) < 10


def test_nothing_pending_is_no_call_at_all(server, make):
    here = make()
    here.tell()
    here.load("vendors")
    here.tell()
    server.calls.clear()
    here.tell()

    assert server.asked == []


def test_a_run_without_changes_is_no_call_at_all(server, make):
    here = make()
    here.load()
    here.tell()

    assert server.asked == []
    assert here.rows("SELECT count(*) FROM epicor_stage._sync_audit WHERE looker_status='pending'"
                     ) == [(0,)]  # fmt: skip


def test_without_an_address_nothing_is_told(server, make):
    here = make(looker_url="")
    here.load("vendors")
    here.tell()

    assert server.asked == []
    assert here.waiting == ["vendors"]


def test_a_cut_run_is_told_with_the_next_complete_one_and_not_alone(server, make, ours):
    here = make()
    here.load("vendors", complete=False)
    here.tell()
    assert (server.asked, here.waiting) == ([], ["vendors"])

    here.load("parts")
    here.tell()
    assert server.asked == ONE_NOTICE
    assert (len(ours.notices), here.waiting) == (1, [])


def test_a_complete_run_without_changes_tells_of_a_cut_one(server, make, ours):
    here = make()
    here.load("vendors", complete=False)
    here.load()
    here.tell()

    assert (len(ours.notices), here.waiting) == (1, [])


def test_rows_that_a_run_loads_after_it_was_told_of_are_told_with_the_next_complete_one(
    server, make, ours
):
    here = make()
    here.load("parts")
    running = here.running()
    running.load("ap_invoices")
    assert here.command("run").returncode == 0
    running.load("ap_invoices")
    # It is killed here.
    here.load()
    here.tell()

    assert (len(ours.notices), here.waiting) == (2, [])


def test_a_step_is_not_remembered_of_a_run_that_goes_on(server, make, ours):
    here = make(looker_datagroups={f"{MODEL}::epicor_kinetic": ["*"], f"{MODEL}::nightly": ["*"]})
    running = here.running()
    running.load("ap_invoices")
    here.load("parts")
    with pytest.raises(LookerError):
        here.tell()
    running.load("ap_invoices")
    running.end()
    nightly = add_datagroup(server, "nightly")
    here.tell()

    assert (len(ours.notices), len(nightly.notices), here.waiting) == (2, 1, [])


def test_only_datagroups_with_a_changed_stream_are_told(server, make):
    payables, stock = add_datagroup(server, "payables"), add_datagroup(server, "stock")
    here = make(looker_datagroups={
        f"{MODEL}::payables": ["ap_*", "vendors"], "stock": ["part*"], "epicor_kinetic": ["gl_*"],
    })  # fmt: skip
    here.load("ap_invoices", "part_transactions", "parts")
    here.tell()

    assert server.asked == [
        "POST /login", "GET /datagroups", "PATCH /datagroups/3", "PATCH /datagroups/4",
        "DELETE /logout",
    ]  # fmt: skip
    assert (len(payables.notices), len(stock.notices)) == (1, 1)


def test_streams_that_no_datagroup_names_are_no_call(server, make):
    here = make(looker_datagroups={"epicor_kinetic": ["gl_*"]}, looker_schedules=["7"])
    here.load("vendors")
    here.tell()

    assert (server.asked, here.waiting) == ([], [])


def test_a_name_that_two_models_have_is_refused_with_both(server, make):
    add_datagroup(server, "epicor_kinetic", model="other")
    here = make(looker_datagroups={"epicor_kinetic": ["*"]})
    here.load("vendors")

    with pytest.raises(LookerError, match="write one of epicor_kinetic::epicor_kinetic, other::"):
        here.tell()


def test_an_unknown_datagroup_is_told_with_those_that_there_are(server, make, ours):
    here = make(looker_datagroups={f"{MODEL}::nightly": ["*"], f"{MODEL}::epicor_kinetic": ["*"]})
    here.load("vendors")

    with pytest.raises(LookerError) as raised:
        here.tell()
    told = str(raised.value)
    assert "`looker_datagroups` names epicor_kinetic::nightly" in told
    assert "it shows: epicor_kinetic::epicor_kinetic, thelook::orders_etl" in told
    assert "looker-refresh deploy" in told
    assert here.waiting == ["vendors"]
    assert len(ours.notices) == 1, "the other datagroup was told"


def test_what_was_told_before_a_failure_is_not_told_again(server, make, ours):
    here = make(looker_datagroups={f"{MODEL}::epicor_kinetic": ["*"], f"{MODEL}::nightly": ["*"]})
    here.load("vendors")
    with pytest.raises(LookerError):
        here.tell()
    nightly = add_datagroup(server, "nightly")
    here.tell()

    assert (len(ours.notices), len(nightly.notices), here.waiting) == (1, 1, [])
    assert here.rows("SELECT * FROM epicor_stage._looker_done") == []


def test_a_later_run_is_told_of_in_full(server, make, ours):
    here = make(looker_datagroups={f"{MODEL}::epicor_kinetic": ["*"], f"{MODEL}::nightly": ["*"]})
    here.load("vendors")
    with pytest.raises(LookerError):
        here.tell()
    nightly = add_datagroup(server, "nightly")
    here.load("vendors")
    here.tell()

    assert (len(ours.notices), len(nightly.notices), here.waiting) == (2, 1, [])


@pytest.mark.parametrize("denial", [404, 403])
@pytest.mark.parametrize("permission", ["see_datagroups", "update_datagroups"])
def test_a_missing_permission_is_named_with_who_gives_it(server, make, permission, denial):
    server.looker.denial = denial
    server.looker.users[0].permissions.discard(permission)
    here = make()
    here.load("vendors")

    with pytest.raises(LookerError) as raised:
        here.tell()
    assert f"`{permission}`" in str(raised.value)
    assert "administrator" in str(raised.value)
    assert here.waiting == ["vendors"]
    server.looker.users[0].permissions.add(permission)
    here.tell()
    assert here.waiting == []


def test_wrong_keys_are_told_by_their_settings_and_tried_once(server, make):
    here = make(looker_client_secret="not-the-secret")
    here.load("vendors")

    with pytest.raises(LookerError, match="`looker_client_id` and `looker_client_secret`") as told:
        here.tell()
    assert "(404)" in str(told.value)
    assert "not-the-secret" not in str(told.value)
    assert server.asked == ["POST /login"]
    assert here.waiting == ["vendors"]


@pytest.mark.parametrize("before", range(240, 300, 6))
def test_a_secret_that_looker_repeats_is_hidden_before_its_words_are_cut(server, make, before):
    here = make()
    secret = here.settings["looker_client_secret"]
    server.faults.add(
        Fault("status", where="datagroups", status=400, message="x" * before + secret)
    )
    here.load("vendors")

    with pytest.raises(LookerError) as raised:
        here.tell()
    assert not any(secret[:length] in str(raised.value) for length in range(4, len(secret)))


def test_a_token_that_ends_in_the_middle_is_renewed_once(server, make, ours):
    server.faults.add(Fault("expire", where="PATCH"))
    here = make()
    here.load("vendors")
    here.tell()

    assert server.asked == [
        "POST /login", "GET /datagroups", "PATCH /datagroups/1", "POST /login",
        "PATCH /datagroups/1", "DELETE /logout",
    ]  # fmt: skip
    assert len(ours.notices) == 1


def test_a_token_that_is_never_good_is_not_asked_for_for_ever(server, make):
    server.faults.add(Fault("expire", where="GET", times=None))
    here = make()
    here.load("vendors")

    with pytest.raises(LookerError, match="took its token for nothing"):
        here.tell()
    assert server.asked.count("POST /login") == 2


@pytest.mark.parametrize(("seconds", "logins"), [(3500, 1), (3550, 2), (3700, 2)])
def test_a_token_is_renewed_before_its_hour_is_over(server, make, seconds, logins):
    here = make(looker_deadline_seconds=10_000)
    with LookerApi(here.config, here.clock) as api:
        api.ask("GET", "/user")
        here.pause(seconds)
        api.ask("GET", "/user")

    assert server.asked.count("POST /login") == logins
    assert 401 not in {call.status for call in server.calls}


def test_a_metered_429_waits_as_long_as_it_says(server, make, ours):
    server.faults.add(Fault("status", where="PATCH", status=429, retry_after=37))
    here = make()
    here.load("vendors")
    here.tell()

    assert 37 in here.pauses
    assert len(ours.notices) == 1


def test_a_date_in_retry_after_is_understood(server, make, ours):
    server.faults.add(
        Fault("status", where="PATCH", status=429, retry_after="Fri, 01 Jan 2100 00:00:00 GMT")
    )
    here = make()
    here.load("vendors")

    with pytest.raises(LookerError, match="wants 2"):
        here.tell()


def test_a_used_up_quota_is_told_and_the_notice_stays(server, make, ours):
    server.looker.quota = {"administrative": 0}
    server.looker.quota_returns_after = 86_400
    add_datagroup(server, "stock")
    here = make(looker_datagroups={"epicor_kinetic": ["*"], "stock": ["*"]})
    here.load("vendors")

    with pytest.raises(LookerError) as raised:
        here.tell()
    assert "takes no more calls for now (429 and wants 86400 s of rest)" in str(raised.value)
    assert "`looker_deadline_seconds`" in str(raised.value)
    assert server.asked == ["POST /login", "GET /datagroups", "DELETE /logout"]
    server.looker.quota = {}
    here.tell()
    assert (len(ours.notices), here.waiting) == (1, [])


def test_a_gateways_page_is_tried_again_and_told_as_what_it_is(server, make, ours):
    server.faults.add(Fault("html", where="GET", status=502, times=2))
    here = make()
    here.load("vendors")
    here.tell()
    assert len(ours.notices) == 1

    server.faults.add(Fault("html", where="GET", status=502, times=None))
    here.load("vendors")
    with pytest.raises(LookerError, match=r"a gateway before .* answered 502 .with a web page"):
        here.tell()


def test_a_page_with_a_200_is_no_looker(server, make):
    server.faults.add(Fault("html", where="login", status=200))
    here = make()
    here.load("vendors")

    with pytest.raises(LookerError, match="with a web page: see that `looker_url` is the address"):
        here.tell()
    assert server.asked == ["POST /login"]


def test_json_that_no_looker_answers_is_told_as_such(server, make):
    server.faults.add(Fault("status", where="datagroups", status=200))
    here = make()
    here.load("vendors")

    with pytest.raises(LookerError, match="with what no Looker answers"):
        here.tell()


def test_a_redirect_is_not_followed(server, make):
    server.faults.add(Fault("redirect", where="PATCH", location="https://elsewhere.example/x"))
    here = make()
    here.load("vendors")

    with pytest.raises(LookerError, match=r"sends to elsewhere\.example .* `looker_url`"):
        here.tell()


def test_looker_down_is_waited_for_told_and_made_good_once(server, make, ours):
    server.faults.add(Fault("cut", times=None))
    here = make(looker_deadline_seconds=300)
    here.load("vendors")

    with pytest.raises(LookerError) as raised:
        here.tell()
    told = str(raised.value)
    assert "cannot be reached" in told
    assert "`looker_url`" in told
    assert "looker-refresh run" in told
    assert 100 < sum(here.pauses) <= 300
    assert max(here.pauses) <= 60
    assert here.waiting == ["vendors"]

    server.faults.clear()
    here.tell()
    here.tell()
    assert (len(ours.notices), here.waiting) == (1, [])


def test_half_an_answer_is_asked_for_again(server, make, ours):
    server.faults.add(Fault("half", where="GET"))
    server.faults.add(Fault("lost", where="PATCH"))
    here = make()
    here.load("vendors")
    here.tell()

    assert server.asked.count("GET /datagroups") == 2
    assert server.asked.count("PATCH /datagroups/1") == 2
    assert {tuple(each.items()) for each in ours.notices} == {tuple(ours.notices[0].items())}


def test_a_late_answer_is_given_up_and_asked_for_again(server, make, ours):
    server.faults.add(Fault("slow", where="GET", seconds=2))
    here = make(looker_timeout_seconds=1)
    here.load("vendors")
    here.tell()

    assert server.asked.count("GET /datagroups") == 2
    assert len(ours.notices) == 1


def test_a_pasted_address_of_the_api_is_understood(server, make, ours):
    here = make(looker_url=f"{server.url}/api/4.0/")
    here.load("vendors")
    here.tell()

    assert len(ours.notices) == 1


def test_a_netrc_of_the_machine_does_not_replace_the_token(server, make, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    here = make()
    here.load("vendors")
    here.tell()

    assert server.asked == ONE_NOTICE


def test_an_audit_that_cannot_be_read_is_told_as_such(server, make, tmp_path):
    here = make()
    (tmp_path / "stage.duckdb").write_bytes(b"no database")

    with pytest.raises(LookerError, match="the audit of the warehouse cannot be kept"):
        here.tell()
    assert server.asked == []
