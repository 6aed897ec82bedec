"""`tableau-refresh status`: what each rule last came to, and what waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .clock import shown
from .marks import RuleMark
from .table import table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .config import Rule
    from .marks import Marks


def status(rules: Sequence[Rule], marks: Marks) -> Iterator[str]:
    """Lines about the rules; neither Tableau nor the run log is asked."""
    rows = []
    for rule in rules:
        mark = marks.rules.get(rule.name, RuleMark())
        last = f"{mark.outcome} {shown(mark.outcome_at)}" if mark.outcome else "nothing yet"
        job = mark.begun.job_id if mark.begun else ""
        rows.append((rule.name, rule.title, shown(mark.refreshed_at), last, job))
    yield from table(("RULE", "TARGET", "REFRESHED", "LAST OUTCOME", "JOB UNDER WAY"), rows)
    if gone := sorted(marks.rules.keys() - {rule.name for rule in rules}):
        yield f"no rules any more: {', '.join(gone)}"
