"""deploy/: what each platform would execute is executed here, as its file has it."""

import fcntl
import os
import re
import shlex
import shutil
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest
import state_places
import yaml
from environments import python
from kinetic_sandbox.loopback import LoopbackServer, LoopbackService
from project import ROOT, Project, assert_equal, copy_project, wait_for

DEPLOY = ROOT / "deploy"
JOBS = ("documents-hourly", "masters-daily", "full-refresh")
TELL = '{ cat; echo "$KINETIC_JOB $KINETIC_EXIT_CODE"; } > "$ALERT_FILE"'
"""An alert that anybody can read."""
SLOW = {"TAP_EPICOR_KINETIC_PAGE_SIZE": "20"}


# --- run_job.py ---------------------------------------------------------------------------------


@pytest.fixture
def bare(tmp_path):
    """A folder in which nothing could run: what is refused is refused before."""
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    return tmp_path


def start(folder: Path, variables: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(folder / "deploy" / "run_job.py"), *arguments], env=variables,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def ended(process: subprocess.Popen[str], patience: float = 300) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=patience)
    return process.returncode, out, err


def plain(**more: str) -> dict[str, str]:
    own = ("CI", "MELTANO_", "KUBERNETES_", "ALERT_")
    return {**{k: v for k, v in os.environ.items() if not k.startswith(own)}, **more}


def test_a_second_job_does_not_start_while_one_holds_the_lock(bare):
    (bare / ".meltano").mkdir()
    with (bare / ".meltano" / "run-job-prod.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)  # even that one keeps a job from starting
        lock.write("masters-daily since 2026-11-21 04:35:00 UTC")
        lock.flush()
        told = plain(ALERT_COMMAND=TELL, ALERT_FILE=str(bare / "alert"))
        code, out, err = ended(start(bare, told, "documents-hourly"))

    assert (code, out) == (75, "")
    assert err == (
        "documents-hourly (prod) ended with 75: it has not started, because another job is under "
        "way.\nUnder way: masters-daily since 2026-11-21 04:35:00 UTC.\n"
    )
    assert (bare / "alert").read_text() == f"{err}documents-hourly 75\n"


def test_a_job_that_may_wait_starts_as_soon_as_the_other_one_has_ended(bare):
    (bare / ".meltano").mkdir()
    with (bare / ".meltano" / "run-job-prod.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = start(bare, plain(), "--wait", "60", "masters-daily")
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(2)
        impatient = start(bare, plain(), "--wait", "1", "documents-hourly")
        assert ended(impatient)[0] == 75
    _, out, _ = ended(waiting, 30)

    assert "run masters-daily" in out  # Meltano was started; it finds no project here


@pytest.mark.parametrize("sign", ["CI", "KUBERNETES_SERVICE_HOST"])
def test_a_machine_that_is_thrown_away_does_not_start_without_a_place_for_state(bare, sign):
    variables = plain(**{sign: "true", "MELTANO_STATE_BACKEND_URI": ""})

    code, out, err = ended(start(bare, variables, "documents-hourly"))

    assert (code, out) == (2, "")
    assert "Set MELTANO_STATE_BACKEND_URI or MELTANO_DATABASE_URI: see docs/state.md" in err
    variables["MELTANO_STATE_BACKEND_URI"] = "s3://finance-state/kinetic"
    _, out, err = ended(start(bare, variables, "documents-hourly"))
    assert "run documents-hourly" in out  # Meltano was started; it finds no project here
    assert "docs/state.md" not in err


@pytest.mark.parametrize("command", ["exit 3", "no-such-program", "kill -9 $$"])
def test_an_alert_that_fails_is_told_and_changes_no_exit_code(bare, command):
    code, _, err = ended(start(bare, plain(CI="1", ALERT_COMMAND=command), "documents-hourly"))

    assert code == 2
    assert "ALERT_COMMAND failed, nobody was told" in err


def test_the_readmes_alert_pages_for_settings_only(bare):
    (line,) = re.findall(r"export ALERT_COMMAND='(.*)'\n", (DEPLOY / "README.md").read_text())
    for number, paged in ((2, "yes"), (1, "")):
        with Pager() as pager:
            done = subprocess.run(
                ["sh", "-c", line], input="yes", text=True, check=True, capture_output=True,
                env={**plain(), "KINETIC_EXIT_CODE": str(number), "ALERT_URL": pager.url},
            )  # fmt: skip
        assert done.stderr == "" or "100" in done.stderr
        assert "".join(pager.told) == paged


@pytest.fixture
def scheduled(small_project):
    """On a machine that stays, with the repository's own programs."""
    shutil.copytree(DEPLOY, small_project.folder / "deploy", dirs_exist_ok=True)
    if not (small_project.folder / ".venv").exists():
        (small_project.folder / ".venv").symlink_to(ROOT / ".venv")
    return small_project


def told(project: Project, **more: str) -> dict[str, str]:
    alert = {"ALERT_COMMAND": TELL, "ALERT_FILE": str(project.home / "alert")}
    return {**project.environment(MELTANO_ENVIRONMENT="sandbox", **alert), **more}


@pytest.mark.full
def test_a_job_is_loaded_logged_and_its_failure_told_by_kind(scheduled: Project):
    logs = scheduled.home / "logs"
    run = ("--log-folder", str(logs), "documents-hourly")

    code, out, err = ended(start(scheduled.folder, told(scheduled), *run))

    assert (code, err) == (0, ""), out[-3000:]
    assert not (scheduled.home / "alert").exists()
    assert scheduled.rows("ap_invoices", "EPIC06")
    assert (logs / "documents-hourly.log").read_text() == out

    wrong = told(scheduled, TAP_EPICOR_KINETIC_PASSWORD="wrong-one")
    code, out, err = ended(start(scheduled.folder, wrong, *run))

    assert code == 2, err
    assert "a setting has to change" in err
    assert "login refused" in err.splitlines()[1]
    assert (scheduled.home / "alert").read_text() == f"{err}documents-hourly 2\n"
    assert "wrong-one" not in out + err

    lost = told(scheduled, TARGET_DUCKDB_FILEPATH="/no/such/folder/x.duckdb")
    code, _, err = ended(start(scheduled.folder, lost, *run))

    assert code == 1, err
    assert "the folder /no/such/folder does not exist" in err.splitlines()[1]
    assert (scheduled.home / "alert").read_text() == f"{err}documents-hourly 1\n"

    clash = told(scheduled, PROOF_DUCKDB_FILEPATH="another", TARGET_DUCKDB_FILEPATH="one")
    code, _, err = ended(start(scheduled.folder, clash, *run))

    assert code == 1, err
    assert "Conflicting values for setting" in err.splitlines()[1]

    code, _, err = ended(start(scheduled.folder, told(scheduled), "no-such-job"))

    assert code == 1
    assert err.splitlines()[1] == "Error: Block no-such-job not found"


@pytest.mark.full
def test_a_load_whose_proof_failed_is_told_as_what_no_later_run_makes_good(scheduled: Project):
    file = scheduled.folder / "meltano.yml"
    before = file.read_text()
    file.write_text(
        before.replace("documents: verify ", "documents: verify --table-template lost_{stream} ")
    )
    try:
        code, _, err = ended(start(scheduled.folder, told(scheduled), "documents-hourly"))
    finally:
        file.write_text(before)

    assert code == 1, err
    assert "loaded rows and did not prove them, which no later run makes good" in err
    assert "STATE has moved on" in err.splitlines()[1]


@pytest.mark.full
@pytest.mark.parametrize("sign", ["terminate", "kill"])
def test_a_job_that_is_stopped_ends_clean_and_the_next_completes_it(scheduled: Project, sign):
    scheduled.server.vices.set("slow", 0.05)
    first = start(scheduled.folder, told(scheduled, **SLOW), "documents-hourly")
    try:
        wait_for(lambda: sum(r.kind == "rows" for r in scheduled.server.requests) > 60)
        code, _, err = ended(start(scheduled.folder, told(scheduled), "masters-daily"), 30)
        assert (code, err.splitlines()[1][:34]) == (75, "Under way: documents-hourly since ")
    finally:
        getattr(first, sign)()
    code, out, err = ended(first)
    if sign == "terminate":
        assert code == 1, out[-3000:]
        assert "It was told to stop before it was done." in err
    else:
        # What it had started may still write: the lock is theirs until they have ended.
        wait_for(lambda: free(scheduled.folder / ".meltano" / "run-job-sandbox.lock"))
    scheduled.server.vices.clear()

    more = () if sign == "terminate" else ("--force",)  # Meltano waits five minutes for the dead
    for job in JOBS[:2]:
        code, out, err = ended(start(scheduled.folder, told(scheduled), job, *more))
        assert code == 0, out[-3000:] + err
    assert_equal(scheduled, scheduled.server.tenant)


def free(lock: Path) -> bool:
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


# --- the platforms' files -----------------------------------------------------------------------


class Pager(LoopbackService):
    """Takes what ALERT_COMMAND posts."""

    def __init__(self) -> None:
        self.told: list[str] = []
        pager = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                size = int(self.headers["Content-Length"])
                pager.told.append(self.rfile.read(size).decode())
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        super().__init__(LoopbackServer(("127.0.0.1", 0), Handler))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/alert"


def github(job: str, stores: dict[str, str]) -> list[tuple[str, dict[str, str]]]:
    """The shell lines of the steps with their variables, as a runner makes them."""
    file = yaml.safe_load((DEPLOY / "github-actions.yml").read_text())
    load = file["jobs"]["load"]
    steps = []
    for step in load["steps"]:
        if "run" in step:
            variables = {**file["env"], **load["env"], **step.get("env", {})}
            steps.append((
                step["run"],
                {name: expression(str(v), job, stores) for name, v in variables.items()},
            ))  # fmt: skip
    return steps


def expression(text: str, job: str, stores: dict[str, str]) -> str:
    """The value of a variable: `vars` and `secrets` from the stores, `inputs` from a person."""
    text = text.replace("${{ runner.temp }}", stores.get("RUNNER_TEMP", ""))
    found = re.fullmatch(r"\$\{\{ (.*) \}\}", text)
    if not found:
        return text
    if stored := re.fullmatch(r"(?:vars|secrets)\.(\w+)", found[1]):
        return stores.get(stored[1], "")  # what is not there is empty
    by_hand = job == "full-refresh"
    schedule = {"documents-hourly": "5 * * * *", "masters-daily": "35 4 * * *"}.get(job)
    names = {
        "inputs": SimpleNamespace(job=job if by_hand else ""),
        "github": SimpleNamespace(event=SimpleNamespace(schedule=schedule)),
    }
    return eval(found[1].replace("||", "or").replace("&&", "and"), {}, names)


@pytest.mark.parametrize("job", JOBS)
def test_github_starts_the_job_of_its_schedule_or_the_one_that_was_asked_for(job):
    assert {variables["JOB"] for _, variables in github(job, {})} == {job}


def gitlab(job: str, stores: dict[str, str]) -> list[tuple[str, dict[str, str]]]:
    file = yaml.safe_load((DEPLOY / "gitlab-ci.yml").read_text())
    own = {k: v if isinstance(v, str) else v["value"] for k, v in file["variables"].items()}
    variables = {**own, **stores, "JOB": job}
    parts = ("before_script", "script")
    return [("\n".join(file["load"][part]), variables) for part in parts]


def container(which: str) -> list[str]:
    """The instructions of a kind."""
    text = (DEPLOY / "Containerfile").read_text().replace("\\\n", "")
    return re.findall(rf"^{which} (.*)$", text, re.MULTILINE)


def kubernetes(job: str, stores: dict[str, str]) -> list[tuple[str, dict[str, str]]]:
    items = yaml.safe_load((DEPLOY / "kubernetes.yaml").read_text())["items"]
    (spec,) = [each["spec"] for each in items if each["metadata"]["name"] == job]
    (load,) = spec["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    entry = yaml.safe_load(container("ENTRYPOINT")[0])
    own = {each["name"]: each["value"] for each in load["env"]}
    build = container("RUN")[1]  # the first one installs curl
    return [(build, {}), (shlex.join([*entry, *load["args"]]), {**stores, **own})]


PLATFORMS = {"github": github, "gitlab": gitlab, "kubernetes": kubernetes}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A machine with the repository and Python, and nothing else."""
    folder = copy_project(tmp_path_factory.mktemp("checkout"))
    shutil.copytree(DEPLOY, folder / "deploy")
    return folder


def execute(
    steps: list[tuple[str, dict[str, str]]], folder: Path, overridden: dict[str, str]
) -> tuple[int, str]:
    """Steps one after the other, until one fails."""
    path = f"{Path(python('3.11', 'deploy')).parent}{os.pathsep}{os.environ['PATH']}"
    output = ""
    for script, variables in steps:
        done = subprocess.run(
            ["bash", "-e", "-c", script], cwd=folder, capture_output=True, text=True,
            env={**plain(CI="true", PATH=path), **variables, **overridden}, check=False,
        )  # fmt: skip
        output += done.stdout + done.stderr
        if done.returncode:
            return done.returncode, output
    return 0, output


@pytest.mark.full
@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_platforms_file_loads_keeps_state_and_alerts(
    small_project: Project, checkout, platform, tmp_path
):
    given = small_project.environment()
    own = {k: v for k, v in given.items() if k.startswith("TAP_EPICOR_KINETIC_")}
    # In the files' place: another environment of meltano.yml, and addresses of loopback.
    elsewhere = {
        "MELTANO_ENVIRONMENT": "sandbox",
        "TARGET_DUCKDB_FILEPATH": str(small_project.database),
    }
    with state_places.s3(tmp_path) as bucket, Pager() as pager:
        elsewhere["AWS_ENDPOINT_URL"] = bucket["AWS_ENDPOINT_URL"]
        uri = f"s3://{state_places.BUCKET}/kinetic"
        keys = {"RUNNER_TEMP": str(tmp_path), "GOOGLE_KEY": "{}"}
        stores = {**own, **bucket, **keys, "MELTANO_STATE_BACKEND_URI": uri, "ALERT_URL": pager.url}
        steps = PLATFORMS[platform]
        assert steps("documents-hourly", stores)[-1][1]["MELTANO_ENVIRONMENT"] == "prod"
        if platform == "kubernetes":
            shutil.rmtree(checkout / "output")  # it is not copied into the image
        code, output = execute(steps("documents-hourly", stores)[:-1], checkout, elsewhere)
        assert code == 0, output[-3000:]
        for _ in range(2):
            for database in (checkout / ".meltano").glob("meltano.db*"):
                database.unlink()  # the next machine does not have it
            code, output = execute(steps("documents-hourly", stores)[-1:], checkout, elsewhere)
            assert code == 0, output[-3000:]
        assert pager.told == []

        wrong = {**stores, "TAP_EPICOR_KINETIC_PASSWORD": "wrong-one"}
        code, output = execute(steps("documents-hourly", wrong)[-1:], checkout, elsewhere)
        assert code == 2, output[-3000:]
        (alert,) = pager.told
        assert alert.startswith("documents-hourly (sandbox) ended with 2: a setting has to change")
        assert "login refused" in alert

        nowhere = {**stores, "MELTANO_STATE_BACKEND_URI": ""}
        code, output = execute(steps("documents-hourly", nowhere)[-1:], checkout, elsewhere)
        assert (code, len(pager.told)) == (2, 2), output[-3000:]

    with duckdb.connect(str(small_project.database), read_only=True) as connection:
        runs = connection.execute(
            "select bookmark_before from kinetic.epicor_sync_runs"
            " where stream = 'ap_invoices' and company = 'EPIC06' order by started_at"
        ).fetchall()
    assert [before is None for (before,) in runs] == [True, False]


@pytest.mark.full
def test_the_crontabs_lines_load_with_secrets_from_the_encrypted_file(scheduled: Project):
    """As cron does: a shell, next to no variables, the settings in .env, the secrets in a store."""
    folder, home = scheduled.folder, scheduled.home
    lines = (DEPLOY / "crontab").read_text().splitlines()
    declared = dict(line.split("=", 1) for line in lines if re.match(r"[A-Z_]+=", line))
    assert "mail" in declared["ALERT_COMMAND"]
    variables = {
        **declared, "HOME": str(home), "LOGNAME": "kinetic", "PATH": "/usr/bin:/bin",
        "MELTANO_ENVIRONMENT": "sandbox",
        "ALERT_COMMAND": TELL, "ALERT_FILE": str(home / "alert"),
    }  # fmt: skip
    readme = (DEPLOY / "README.md").read_text()
    for line in re.findall(r"^ +(\.venv/bin/meltano install .*)$", readme, re.MULTILINE):
        subprocess.run(shlex.split(line), cwd=folder, env=plain(), check=True, capture_output=True)
    jobs = [line.split(maxsplit=5)[5] for line in lines if re.match(r"[\d*]", line)]
    names = ("TAP_", "TARGET_", "MELTANO_")
    settings = {k: v for k, v in scheduled.environment().items() if k.startswith(names)}
    secret = {"TAP_EPICOR_KINETIC_PASSWORD", "TAP_EPICOR_KINETIC_API_KEY"}
    store = [str(ROOT / ".venv" / "bin" / "kinetic-secrets")]
    try:
        subprocess.run([*store, "init"], env=variables, cwd=folder, check=True, capture_output=True)
        for name in secret:
            subprocess.run(
                [*store, "set", name], input=settings.pop(name), text=True, env=variables,
                cwd=folder, check=True,
            )  # fmt: skip
        written = "".join(f"{k}='{v}'\n" for k, v in settings.items())
        (folder / ".env").write_text(written)
        for line in jobs:
            assert "/opt/kinetic-elt" in line
            spelled = line.replace("/opt/kinetic-elt", shlex.quote(str(folder)))
            done = subprocess.run(
                [declared["SHELL"], "-c", spelled], cwd=home, env=variables, capture_output=True,
                text=True, check=False,
            )  # fmt: skip
            log = next((folder / "output" / "logs").glob("*.log")).read_text()
            assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), log[-3000:]
    finally:
        (folder / ".env").unlink(missing_ok=True)
        (folder / ".secrets.enc").unlink(missing_ok=True)
    assert not (home / "alert").exists()
    assert sorted(p.name for p in (folder / "output" / "logs").iterdir()) == [
        "documents-hourly.log", "masters-daily.log",
    ]  # fmt: skip
    assert_equal(scheduled, scheduled.server.tenant)
    _, listed = scheduled.run("state", "list")
    for part in ("documents", "masters"):  # each job has its own, as docs/state.md says
        assert f"sandbox:tap-epicor-kinetic-{part}-to-target-duckdb" in listed
