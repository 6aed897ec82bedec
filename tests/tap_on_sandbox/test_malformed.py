"""Malformed answers end in a retried success or in a message, and never in a wrong row."""

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from harness import environment

FUZZ = Path(__file__).with_name("fuzz.py")


def fuzz(*arguments: str, timeout: float) -> dict:
    """Run the fuzzing program and read its report."""
    done = subprocess.run(
        [sys.executable, str(FUZZ), *arguments],
        capture_output=True, text=True, timeout=timeout, env=paths(), check=False,
    )  # fmt: skip
    assert done.stdout.startswith("{"), done.stderr[-3000:]
    return json.loads(done.stdout)


def paths() -> dict[str, str]:
    """The environment, in which the program finds `harness`."""
    variables = environment()
    found = [str(FUZZ.parents[1]), variables.get("PYTHONPATH", "")]
    return {**variables, "PYTHONPATH": os.pathsep.join(filter(None, found))}


def findings(report: dict) -> str:
    """What was wrong, one line a kind, with the command that shows it again."""
    found = {}
    for case in report["wrong"]:
        found.setdefault((case["kind"], case["wrong"][0][:12]), []).append(case)
    again = f"PYTHONPATH=tests python tests/tap_on_sandbox/fuzz.py --seed {report['seed']} --case"
    lines = [
        f"{kind} ({len(cases)} times), {cases[0]['setup']}: {'; '.join(cases[0]['wrong'])[:500]}\n"
        f"    {again} {cases[0]['case']}"
        for (kind, _), cases in sorted(found.items())
    ]
    return "\n".join([*lines, *report["hung"], *report["leaks"]])


def endings(report: dict) -> str:
    """How the runs ended, all together and by kind."""
    by_kind = [f"  {kind}: {counts}" for kind, counts in sorted(report["by_kind"].items())]
    return "\n".join(
        [
            f"seed {report['seed']}: {report['answers']} malformed answers, {report['cases']} runs",
            f"{report['seconds']} s, peak {report['peak_mb']:.0f} MB, {report['endings']}",
            *by_kind,
        ]
    )


def test_400_malformed_answers_of_all_kinds_bring_no_traceback_no_hang_and_no_wrong_row():
    report = fuzz("--seed", "1", "--cases", "400", timeout=400)

    assert not findings(report), findings(report)
    assert report["answers"] >= 400
    never = {kind for kind, counts in report["by_kind"].items() if "nothing to mangle" in counts}
    assert not never, f"kinds that fitted no answer: {never}"
    assert min(report["endings"][end] for end in ("complete after a retry", "exit 1")) > 20


def test_a_gzip_bomb_costs_no_more_memory_than_its_page_does():
    report = fuzz("--cases", "2", "--workers", "1", "--kind", "a large gzip bomb", timeout=120)

    assert not findings(report), findings(report)


@pytest.mark.full
def test_10_000_malformed_answers(capsys):
    seed = secrets.token_hex(4)
    report = fuzz("--seed", seed, "--cases", "10000", "--workers", "20", timeout=1800)

    with capsys.disabled():
        print(f"\n{endings(report)}")  # noqa: T201
    assert not findings(report), findings(report)
    assert report["answers"] >= 10_000
