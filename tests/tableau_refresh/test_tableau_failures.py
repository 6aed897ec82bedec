"""What goes wrong at Tableau and on the way to it: one sentence, the exit code, and what stays."""

from __future__ import annotations

import ssl

import pytest
import trustme
from environments import free_port
from kinetic_sandbox.loopback import LoopbackServer, LoopbackService
from kinetic_sandbox.tableau import Fault, Plan, sample
from tableau_load import LEDGER, PAYABLES, PLANT_TOKEN, two_sites

AP = "POST finance/datasources/Finance/AP Invoices/refresh"
GL = "POST finance/datasources/Finance/GL Balances/refresh"
RULE = "rule payables (datasource Finance/AP Invoices)"


@pytest.fixture
def stage(make):
    made = make()
    made.load(ap_invoices=5)
    return made


LOGINS = [
    ({"token_name": sample.TOKEN_NAME, "token_secret": "{}"}, sample.TOKEN_SECRET,
     "`token_name` and `token_secret`"),
    ({"client_id": sample.CLIENT_ID, "secret_id": sample.SECRET_ID, "secret_value": "{}",
      "username": sample.USERNAME}, sample.SECRET_VALUE,
     "`client_id`, `secret_id`, `secret_value` and `username`"),
    ({"username": sample.USERNAME, "password": "{}"}, sample.PASSWORD,
     "`username` and `password`"),
]  # fmt: skip


def logged_in_with(stage, login: dict[str, str], secret: str) -> None:
    for name in ("token_name", "token_secret"):
        del stage.settings[name]
    stage.settings |= {name: text.replace("{}", secret) for name, text in login.items()}


@pytest.mark.parametrize(("login", "secret", "named"), LOGINS)
def test_each_login_refreshes_and_a_wrong_secret_is_exit_2(stage, login, secret, named):
    wrong = "wrongWrong4Wrong8Wrong-wrongWrong4Wrong8Wrong"
    logged_in_with(stage, login, wrong)
    done = stage.refresh(2)
    told = next(line for line in done.stderr.splitlines() if line.startswith("ERROR"))
    assert told.startswith(f"ERROR rules payables: {stage.server.url}, site finance does not take")
    assert named in told
    assert wrong not in done.stderr
    assert stage.started == []

    stage.settings |= {name: text.replace("{}", secret) for name, text in login.items()}
    stage.refresh()
    assert stage.started == [f"{AP}: 202"]


def test_a_web_token_is_signed_anew_when_the_session_is_over(server, stage):
    login, secret, _ = LOGINS[1]
    logged_in_with(stage, login, secret)
    server.faults.add(Fault("expire", where="/jobs/1"))
    stage.refresh()

    assert stage.sign_ins == 2
    assert len(server.tableau.used_tokens) == 2


def test_a_site_whose_login_fails_keeps_no_other_site_back(server, make):
    server.tableau.users[0].tokens["plant"] = PLANT_TOKEN
    stock = {"name": "stock", "streams": ["*"], "site": "plant", "project": "Plant"}
    stage = make(
        rules=[{**stock, "target": "Stock"}, {**stock, "name": "gl", "target": "GL Balances"},
               PAYABLES],
        sites=two_sites(server),
    )  # fmt: skip
    stage.load(ap_invoices=1)
    done = stage.command("run", SBX_PLANT="of yesterday, and revoked")

    assert done.returncode == 2
    assert stage.started == [f"{AP}: 202"]
    (told,) = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    assert told.startswith("ERROR rules stock, gl: ")
    assert "site plant does not take the login (401001)" in told
    assert done.last == (
        "CRITICAL not refreshed: stock, gl; the reasons stand above, what changed stays marked, "
        "and the next run makes it good"
    )


def test_a_session_that_is_ended_again_and_again_names_the_shared_token(server, stage):
    server.faults.add(Fault("expire", where="/refresh", times=None))
    done = stage.refresh(2)

    assert "refuses a session that has just begun (401002)" in done.stderr
    assert "another program signs in with token kinetic-pipeline" in done.stderr
    assert stage.sign_ins == 2


def test_a_missing_right_names_rule_target_and_who_can_give_it(server, stage):
    server.tableau.users[0].may_do.discard("refresh")
    done = stage.refresh(2)

    assert stage.started == [f"{AP}: 403"]
    assert f"ERROR {RULE}: Tableau says 403004" in done.stderr
    assert "(token kinetic-pipeline) needs the right to do that, as its owner" in done.stderr


@pytest.mark.parametrize(
    ("rule", "started"),
    [
        ({"project": "Operations", "target": "Live Orders"}, []),
        ({"project": "Finance", "target": "Live Month End", "kind": "workbook"}, []),
    ],
)
def test_a_missing_extract_is_told_before_anything_is_started(stage, rule, started):
    stage.settings["rules"] = [{"name": "live", "streams": ["*"], **rule}]
    done = stage.refresh(2)

    assert stage.started == started
    assert "it has no extract, so there is nothing to refresh: extract its data in Tableau" in (
        done.stderr
    )


def test_an_extract_that_was_taken_away_meanwhile_is_told(server, stage):
    server.faults.add(Fault("status", where="/refresh", status=409, code="409090"))
    done = stage.refresh(2)

    assert f"{RULE}: it has no extract that could be refreshed (409090)" in done.stderr


@pytest.mark.parametrize("project", ["Finance", "Finance/Payables"])
def test_of_two_data_sources_of_one_name_the_project_tells_which(stage, project):
    stage.settings["rules"] = [{**PAYABLES, "project": project}]
    stage.refresh()

    assert stage.site.refreshes == [f"{project}/AP Invoices"]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"project": "Payables"}, "there is Finance/AP Invoices, Finance/Payables/AP Invoices"),
        ({"target": "AP"}, "none of that name that is shown to token kinetic-pipeline: correct"),
        ({"target": "", "project": "", "id": "no-such-id"}, "there is no datasource of that id"),
        ({"target": "", "project": "", "id": "no-such-id", "kind": "task"},
         "there is no task of that id"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_told_with_what_is(stage, rule, words):
    stage.settings["rules"] = [{**PAYABLES, **rule}, {**LEDGER, "streams": ["*"]}]
    done = stage.refresh(2)

    assert words in done.stderr
    assert stage.started == [f"{GL}: 202"]


def test_names_with_the_signs_of_a_filter_are_found(stage):
    stage.site.add_datasource("Finance/A, B: C & D [E]*")
    stage.settings["rules"] = [{**PAYABLES, "target": "A, B: C & D [E]*"}]
    stage.refresh()

    assert stage.site.refreshes == ["Finance/A, B: C & D [E]*"]


def test_more_than_a_page_of_data_sources_is_read(stage):
    for number in range(250):
        stage.site.add_datasource(f"Many/{number}: a")
    stage.settings["rules"] = [{**PAYABLES, "project": "Many", "target": "249: a"}]
    stage.refresh()

    assert stage.site.refreshes == ["Many/249: a"]


@pytest.mark.parametrize("where", ["serverInfo", "auth/signin", "datasources", "/refresh", "/jobs"])
def test_a_gateways_page_is_waited_out(server, stage, where):
    server.faults.add(Fault("html", where=where, status=503, times=2))
    stage.refresh()

    assert stage.site.refreshes == ["Finance/AP Invoices"]


def test_a_gateways_page_that_stays_is_exit_1(server, stage):
    server.faults.add(Fault("html", where="", status=503, times=None))
    done = stage.refresh(1)

    assert f"{server.url} answers 503 and nothing else: Tableau, or a gateway" in done.stderr
    server.faults.clear()
    stage.refresh()
    assert stage.site.refreshes == ["Finance/AP Invoices"]


def test_a_tableau_that_is_away_while_a_job_runs_is_looked_at_later(server, stage):
    server.tableau.plan = Plan(running=300)
    server.faults.add(Fault("cut", where="/jobs/1", times=12))
    done = stage.refresh()

    assert stage.started == [f"{AP}: 202"]
    assert "looking again later" in done.stderr


@pytest.mark.parametrize("kind", ["lost", "half"])
def test_a_start_whose_answer_was_lost_is_not_started_twice(server, stage, kind):
    server.tableau.plan = Plan(running=60)
    server.faults.add(Fault(kind, where="/refresh"))
    stage.refresh()

    assert stage.site.refreshes == ["Finance/AP Invoices"]
    assert [line["outcome"] for line in stage.audit] == ["refreshed"]


def test_nobody_listening_is_told(stage):
    stage.settings["server_url"] = f"http://127.0.0.1:{free_port()}"
    done = stage.refresh(1)

    assert "cannot be reached ([Errno 111] Connection refused): see `server_url`" in done.stderr


def test_a_web_page_in_place_of_tableau_is_told(server, stage):
    server.faults.add(Fault("html", where="serverInfo", status=200))
    done = stage.refresh(1)

    assert "answers with a web page: correct `server_url`" in done.stderr


def test_a_redirect_is_not_followed_with_the_login(server, stage):
    server.faults.add(Fault("redirect", where="signin", location="https://pod.example/api"))
    done = stage.refresh(2)

    assert "sends to https://pod.example: give that as `server_url`" in done.stderr
    assert server.asked == ["GET serverInfo", "POST auth/signin"]


def test_a_certificate_that_is_not_trusted_names_ca_bundle(stage, tmp_path):
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    listening = LoopbackServer(("127.0.0.1", 0), None)
    listening.socket = context.wrap_socket(listening.socket, server_side=True)
    with LoopbackService(listening) as service:
        stage.settings["server_url"] = f"https://127.0.0.1:{service.port}"
        done = stage.refresh(1)

    assert "is not trusted: name the file of its authority with `ca_bundle`" in done.stderr


@pytest.mark.parametrize(
    ("version", "pinned", "words"),
    [
        ("3.12", "", "speaks REST API 3.12; 3.13 (Tableau 2021.4) is the oldest that works"),
        ("3.20", "3.29", "Tableau says 404001"),
    ],
)
def test_a_server_that_is_too_old_is_told(server, stage, version, pinned, words):
    server.tableau.api_version = version
    stage.settings["api_version"] = pinned
    done = stage.command("run")

    assert done.returncode in {1, 2}
    assert words in done.stderr


def test_a_job_that_takes_too_long_is_left_and_looked_at_by_the_next_run(server, stage):
    server.tableau.plan = Plan(running=45 * 60)
    stage.settings["rules"] = [{**PAYABLES, "job_timeout_minutes": 30}]
    done = stage.refresh(1)
    assert "has not ended after 30 minutes (`job_timeout_minutes`); it goes on there" in done.stderr
    pauses = [seconds for seconds in stage.pauses if seconds]
    assert 8 <= pauses[0] <= 12
    assert pauses[0] != 10  # no two runs look in step
    assert 48 <= max(pauses) <= 72

    stage.pass_time(20 * 60)
    done = stage.refresh()
    assert "going on with the refresh of an earlier run" in done.stderr
    assert stage.started == [f"{AP}: 202"]
    assert [line["outcome"] for line in stage.audit] == ["timed out", "refreshed"]


def test_the_deadline_ends_everything(server, make):
    server.tableau.plan = Plan(running=3 * 3600)
    stage = make(deadline_minutes=20, max_concurrent=1)
    stage.load(ap_invoices=1, gl_transactions=1)
    done = stage.refresh(1)

    assert "has not ended after 20 minutes (`deadline_minutes`)" in done.stderr
    assert "rule ledger (datasource Finance/GL Balances): not started within 20 minutes" in (
        done.stderr
    )
    assert 19 * 60 <= sum(stage.pauses) < 21 * 60


def test_a_cancelled_job_is_a_failure(server, stage):
    server.tableau.plan = Plan(finish_code=2)
    assert "cancelled" in stage.refresh(1).stderr


@pytest.mark.parametrize(("policy", "level"), [("warn", "WARNING"), ("ignore", "INFO")])
def test_a_rule_that_may_fail_ends_with_0_and_stays_marked(stage, policy, level):
    stage.site.find("Finance/AP Invoices").plans.append(Plan(finish_code=1))
    stage.settings["rules"] = [{**PAYABLES, "on_error": policy}]
    done = stage.refresh()
    assert any(line.startswith(f"{level} {RULE}") for line in done.stderr.splitlines())

    stage.refresh()
    assert stage.started == [f"{AP}: 202", f"{AP}: 202"]


def test_a_failed_job_beside_a_missing_right_is_exit_1(server, stage):
    stage.site.find("Finance/AP Invoices").plans.append(Plan(finish_code=1))
    stage.settings["rules"] = [PAYABLES, {**LEDGER, "streams": ["*"], "target": "None"}]

    assert "not refreshed: ledger, payables" in stage.refresh(1).last


def test_secrets_are_nowhere(server, stage):
    """Not in what is printed, in marks or in the audit, whatever Tableau repeats."""
    secret = sample.TOKEN_SECRET
    stage.site.find("Finance/AP Invoices").plans += [
        Plan(finish_code=1, notes=f"odbc: Server=db;Uid=tableau;Pwd=Hunter2Hunter2; {secret}")
    ]
    done = stage.refresh(1)
    assert "Pwd=***" in done.stderr
    server.faults.add(Fault("status", where="/refresh", status=400, message=f"no {secret}"))
    again = stage.refresh(1)

    tokens = {call.headers["x-tableau-auth"] for call in server.calls
              if "x-tableau-auth" in call.headers}  # fmt: skip
    assert tokens
    (stage.folder / "settings.json").unlink()
    texts = [done.stdout, done.stderr, again.stdout, again.stderr]
    texts += [each.read_text() for each in stage.folder.iterdir()]
    for each in (secret, "Hunter2Hunter2", *tokens):
        assert not [text for text in texts if each in text]


def test_marks_that_cannot_be_read_are_told(stage):
    (stage.folder / "marks.json").write_text("{")
    assert "is no file of marks" in stage.refresh(2).last


def test_a_run_log_that_is_not_there_is_told(stage):
    stage.run_log.unlink()
    assert "let `run_log_path` of the tap name the same file" in stage.refresh(2).last
    stage.settings["run_log_path"] = None
    assert "`run_log_path` is missing" in stage.refresh(2).last
