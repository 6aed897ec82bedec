"""docs/secrets.md: its commands are run, its units and crontab lines are those of deploy/."""

import configparser
import json
import re
import shutil
import subprocess

import pytest
from page import Page
from project import ROOT, Project, assert_equal

PAGE = Page("docs/secrets.md")
SECRETS = ("TAP_EPICOR_KINETIC_PASSWORD", "TAP_EPICOR_KINETIC_API_KEY")
KEY_FILE = json.dumps({"type": "service_account", "private_key": "-----BEGIN\nMIIE\n"}, indent=2)
JOB = ".venv/bin/python deploy/run_job.py documents-hourly"


@pytest.mark.full
def test_the_commands_of_the_page_load_with_secrets_that_stand_nowhere_else(
    small_project: Project,
):
    """From the first to the last; values come on stdin where a person would be asked."""
    folder, home = small_project.folder, small_project.home
    variables = small_project.environment(HOME=str(home))
    variables.pop("XDG_CONFIG_HOME", None)
    values = {name: variables.pop(name) for name in SECRETS}

    def run(line: str, **more: str) -> str:
        value = values.get(line.rsplit(maxsplit=1)[-1], "")
        done = subprocess.run(
            ["bash", "-c", line], input=value, cwd=folder, check=False,
            env={**variables, **more}, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, (line, done.stdout[-2000:] + done.stderr[-2000:])
        for secret in (*values.values(), "MIIE"):
            assert secret not in done.stdout + done.stderr
        return done.stdout

    made = [folder / name for name in (".venv", ".secrets.enc", "service-account.json")]
    try:
        if not made[0].exists():
            made[0].symlink_to(ROOT / ".venv")
        made[2].write_text(KEY_FILE)
        for line in (each for block in PAGE.blocks("bash") for each in block.splitlines()):
            if line.endswith(JOB):  # on a machine without a key file, with the store as checked out
                key = (home / ".config" / "kinetic-secrets" / "key").read_text()
                names = run(
                    line.replace(JOB, "bash -c 'compgen -e'"),
                    KINETIC_SECRETS_KEY=key, HOME="/nowhere",
                ).split()  # fmt: skip
                assert {*SECRETS, "TARGET_BIGQUERY_CREDENTIALS_JSON"} <= {*names}
                assert "KINETIC_SECRETS_KEY" not in names
                continue
            out = run(line)
            if line.endswith(" list"):
                assert out.split() == sorted([*SECRETS, "TARGET_BIGQUERY_CREDENTIALS_JSON"])
            if line.endswith(" target-duckdb"):
                made[1].chmod(0o644)  # what a checkout does; the page closes it again
    finally:
        for path in made:
            path.unlink(missing_ok=True)
    assert_equal(small_project, small_project.server.tenant)


def test_the_crontab_line_of_the_page_is_the_one_of_deploy():
    (line,) = PAGE.blocks("text")

    assert line in re.sub(" +", " ", (ROOT / "deploy" / "crontab").read_text())


def units() -> tuple[configparser.ConfigParser, configparser.ConfigParser]:
    read = []
    for text in PAGE.blocks("ini"):
        unit = configparser.ConfigParser()
        unit.optionxform = str  # type: ignore[assignment] - systemd minds the case
        unit.read_string(text)
        read.append(unit)
    service, timer = read
    return service, timer


def test_the_service_starts_the_job_as_the_user_with_the_key():
    service, timer = units()
    folder = service["Service"]["WorkingDirectory"]
    program, *rest = service["Service"]["ExecStart"].split()

    assert program == f"{folder}/.venv/bin/kinetic-secrets"
    assert " ".join(rest) == f"exec -- {folder}/{JOB}"
    assert service["Service"]["Type"] == "oneshot"
    assert timer["Timer"]["OnCalendar"] == "*-*-* *:05:00"


def test_systemd_takes_the_units(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("NOT TESTED: systemd-analyze is not on this machine")
    service, timer = PAGE.blocks("ini")
    service = re.sub(r"/opt/kinetic-elt/\.venv/bin/\S+", "/bin/true", service)
    names = ("kinetic-documents.service", "kinetic-documents.timer")
    for name, text in zip(names, (service, timer), strict=True):
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", *(str(tmp_path / name) for name in names)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_readme_names_the_commands_that_there_are():
    readme = (ROOT / "kinetic-secrets" / "README.md").read_text(encoding="utf-8")
    shown = subprocess.run(
        [str(ROOT / ".venv" / "bin" / "kinetic-secrets"), "--help"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip

    there = re.findall(r"^  (\w+) ", shown.split("Commands:")[1], re.MULTILINE)
    assert sorted(re.findall(r"^kinetic-secrets (\w+)", readme, re.MULTILINE)) == there
