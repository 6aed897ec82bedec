"""Every command of the READMEs is run, as it stands there."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from harness import settings, tap_files
from project import MELTANO, ROOT, Project


def commands(document: str) -> list[str]:
    """The lines of the bash blocks of a document."""
    text = (ROOT / document).read_text(encoding="utf-8")
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


IN_THE_PROJECT = [
    "cp .env.example .env",
    ".venv/bin/meltano invoke tap-epicor-kinetic --test",
    ".venv/bin/meltano run tap-epicor-kinetic target-duckdb",
]
ELSEWHERE = {
    "python3 dev.py demo": "test_the_demo_shows_its_report_and_leaves_nothing_running",
    "python3 dev.py test": "test_ci_runs_the_readmes_test_command",
    ".venv/bin/meltano --environment=prod run tap-epicor-kinetic target-bigquery": (
        "test_the_bigquery_command_is_wired"
    ),
}


def test_each_command_of_the_readme_is_run_by_a_test_here():
    assert commands("README.md") == [
        "python3 dev.py demo",
        "python3 dev.py test",
        *IN_THE_PROJECT,
        ".venv/bin/meltano --environment=prod run tap-epicor-kinetic target-bigquery",
    ]
    assert {*ELSEWHERE.values()} <= globals().keys()


def test_ci_runs_the_readmes_test_command():
    assert (ROOT / ".ci" / "run").read_text().strip().endswith("exec python3 dev.py test")
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_commands_for_a_tenant_of_ones_own_work(small_project: Project, tmp_path):
    """The five settings stand in .env, as the README says; nothing else configures the tap."""
    folder = small_project.folder
    shutil.copy(ROOT / ".env.example", folder)
    environment = {
        name: value
        for name, value in small_project.environment().items()
        if not name.startswith("TAP_EPICOR_KINETIC_")
    }
    values = {k: v for k, v in small_project.environment().items() if k not in environment}
    try:
        for command in IN_THE_PROJECT:
            spelled = command.replace(".venv/bin/meltano", shlex.quote(str(MELTANO)))
            done = subprocess.run(
                spelled, shell=True, cwd=folder, env=environment, capture_output=True, text=True,
                check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
            if command.startswith("cp"):
                fill_in(folder / ".env", values)
    finally:
        (folder / ".env").unlink(missing_ok=True)
    assert small_project.rows("vendors", "EPIC06")


def fill_in(path: Path, values: dict[str, str]) -> None:
    lines = path.read_text().splitlines()
    filled = []
    for line in lines:
        name = line.partition("=")[0]
        filled.append(f"{name}='{values[name]}'" if name in values else line)
    assert {line.partition("=")[0] for line in filled} >= values.keys()
    path.write_text("\n".join(filled) + "\n")


def test_the_bigquery_command_is_wired(small_project: Project):
    """No account here: Meltano checks the blocks, and prints what the loader would be given."""
    account = {"BIGQUERY_PROJECT": "my-project", "BIGQUERY_DATASET": "kinetic"}
    dry = ("--environment=prod", "run", "--dry-run", "tap-epicor-kinetic", "target-bigquery")

    code, output = small_project.run(*dry, **account)
    assert code == 0, output[-3000:]

    code, output = small_project.run(
        "--environment=prod", "config", "print", "target-bigquery", **account
    )
    assert code == 0, output[-3000:]
    assert '"project": "my-project"' in output
    assert '"dataset": "kinetic"' in output
    assert '"batch_size": 25000' in output


@pytest.mark.parametrize("line", commands("tap-epicor-kinetic/README.md"))
def test_the_commands_of_the_taps_readme_work_alone(line, tmp_path, small_project: Project):
    program = shlex.quote(str(Path(sys.executable).with_name("tap-epicor-kinetic")))
    tap_files(tmp_path, settings(small_project.server), {}, None)
    spelled = line.replace("tap-epicor-kinetic", program, 1).replace("your-target", "cat > rows")
    if "--catalog" in line:
        first = f"{program} --config config.json --discover > catalog.json"
        subprocess.run(first, shell=True, cwd=tmp_path, check=True, capture_output=True)

    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", spelled], cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr[-2000:]


def test_the_demo_shows_its_report_and_leaves_nothing_running():
    report = ROOT / "demo" / "output" / "report.html"
    report.unlink(missing_ok=True)

    done = subprocess.run(
        ["python3", "dev.py", "demo"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert str(report) in done.stdout
    assert "<svg" in report.read_text(encoding="utf-8")
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert str(ROOT / ".venv" / "bin" / "kinetic-sandbox") not in running.stdout
