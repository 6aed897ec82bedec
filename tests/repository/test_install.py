"""Each package installs alone, as a user would install it, and answers."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = str(Path(sys.executable).with_name("uv"))


def build(folder: Path, package: str) -> Path:
    command = [UV, "build", "--wheel", "--out-dir", str(folder), str(ROOT / package)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.mark.parametrize(
    ("package", "command"),
    [
        ("tap-epicor-kinetic", "tap-epicor-kinetic"),
        ("loaders/target-duckdb", "kinetic-target-duckdb"),
        ("sandbox", "kinetic-sandbox"),
    ],
)
def test_a_wheel_alone_answers_help(package, command, tmp_path):
    wheel = build(tmp_path, package)
    subprocess.run(
        [UV, "venv", "-q", str(tmp_path / "venv"), "--python", sys.executable], check=True
    )
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([UV, "pip", "install", "-q", "--python", str(python), str(wheel)], check=True)

    done = subprocess.run(
        [str(python.with_name(command)), "--help"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.full
@pytest.mark.parametrize("version", ["3.10", "3.12", "3.13"])
def test_the_tap_passes_its_own_tests_on_other_pythons(version, tmp_path):
    found = subprocess.run(
        [UV, "python", "find", "--no-python-downloads", version],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    if found.returncode:
        pytest.skip(f"NOT TESTED on Python {version}: no such interpreter on this machine")
    for part in ("tests", "tap-epicor-kinetic", "sandbox", "loaders"):
        shutil.copytree(ROOT / part, tmp_path / part)
    for part in ("pyproject.toml",):
        shutil.copy(ROOT / part, tmp_path / part)
    subprocess.run(
        [UV, "venv", "-q", ".venv", "--python", found.stdout.strip()], check=True, cwd=tmp_path
    )
    python = tmp_path / ".venv" / "bin" / "python"
    packages = ["./tap-epicor-kinetic", "./sandbox", "pytest", "hypothesis", "singer-sdk[testing]"]
    subprocess.run(
        [UV, "pip", "install", "-q", "--python", str(python), *packages], check=True, cwd=tmp_path
    )

    done = subprocess.run(
        [str(python), "-m", "pytest", "-q", "tests/tap", "tests/tap_on_sandbox/test_runs.py"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout[-3000:]
