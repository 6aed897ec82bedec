"""Which targets are due: streams to rules, rules to targets, and their order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from fnmatch import fnmatchcase
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from .clock import moment_of, shown
from .errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence
    from datetime import datetime

    from .config import Rule
    from .marks import Marks

_NAMED_AT_MOST = 4
DUE, UNCHANGED, TOO_SOON, WAITS = "yes", "no", "later", "waits"
"""What can be said of a rule; WAITS outweighs DUE, which outweighs the others."""
_WEIGHTS = {WAITS: 3, DUE: 2, TOO_SOON: 1, UNCHANGED: 0}
POLICIES = ("ignore", "warn", "fail")


@dataclass(frozen=True)
class Verdict:
    """Whether a rule's target is to be refreshed.

    Attributes:
        word: DUE, UNCHANGED, TOO_SOON or WAITS.
        why: for people.
    """

    word: str
    why: str

    @property
    def is_changed(self) -> bool:
        """Whether the target lacks rows that were loaded."""
        return self.word != UNCHANGED


@dataclass(frozen=True)
class Refresh:
    """One target and the rules that lead to it.

    Attributes:
        rules: in the order of the settings.
        verdict: of all of them together.
    """

    rules: tuple[Rule, ...]
    verdict: Verdict

    @property
    def names(self) -> tuple[str, ...]:
        """Of its rules."""
        return tuple(rule.name for rule in self.rules)

    @property
    def label(self) -> str:
        """Of its rules, for people."""
        return ", ".join(self.names)

    @property
    def title(self) -> str:
        """Its target, for people."""
        return self.rules[0].title

    @property
    def site(self) -> str:
        """Name of its site in the settings."""
        return self.rules[0].site

    @property
    def after(self) -> set[str]:
        """Names of the rules that come first."""
        return {name for rule in self.rules for name in rule.after} - set(self.names)

    @property
    def on_error(self) -> str:
        """The strictest of its rules."""
        return max((rule.on_error for rule in self.rules), key=POLICIES.index)

    @property
    def incremental(self) -> bool:
        """Whether that is enough for all of its rules."""
        return all(rule.incremental for rule in self.rules)

    @property
    def job_timeout_seconds(self) -> float:
        """The longest patience of its rules."""
        return 60.0 * max(rule.job_timeout_minutes for rule in self.rules)


def judge(rule: Rule, marks: Marks, at: datetime) -> Verdict:
    """Whether a rule's target is due.

    Args:
        rule: the rule.
        marks: what changed, and what was refreshed.
        at: the time.
    """
    mark = marks.rules.get(rule.name)
    covers = mark.covers if mark else 0
    changed = {
        stream: change
        for stream, change in sorted(marks.changed.items())
        if change.number > covers and any(fnmatchcase(stream, glob) for glob in rule.streams)
    }
    why = _listed(
        f"{stream} ({change.rows:,} rows)" if change.rows else f"{stream} (rows of a lost run)"
        for stream, change in changed.items()
    )
    if cut := [stream for stream, change in changed.items() if change.is_cut]:
        run = marks.changed[cut[0]].run_id
        return Verdict(WAITS, f"run {run} was cut; the next complete run refreshes {why}")
    if not changed and not (rule.always and marks.complete and marks.complete.number > covers):
        since = shown(mark.refreshed_at if mark else "")
        return Verdict(UNCHANGED, f"nothing changed; last refreshed {since}")
    if mark and mark.refreshed_at:
        age = at - moment_of(mark.refreshed_at)
        if age < timedelta(minutes=rule.min_interval_minutes):
            return Verdict(
                TOO_SOON,
                f"{why or 'always'}, but refreshed {int(age.total_seconds() // 60)} minutes ago, "
                f"min_interval_minutes {rule.min_interval_minutes}",
            )
    return Verdict(DUE, why or "always")


def _listed(parts: Iterable[str]) -> str:
    all_parts = list(parts)
    more = len(all_parts) - _NAMED_AT_MOST
    return ", ".join(all_parts[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")


def declared(rule: Rule) -> Hashable:
    """What tells targets apart as far as the settings say."""
    return (rule.site, rule.kind, rule.id or (rule.project, rule.target))


def refreshes(
    rules: Sequence[Rule],
    marks: Marks,
    at: datetime,
    target: Callable[[Rule], Hashable] = declared,
) -> list[Refresh]:
    """Rules by target, each in its place: after those that it names, else as in the settings.

    Args:
        rules: of the settings.
        marks: what changed, and what was refreshed.
        at: the time.
        target: what tells targets apart.

    Raises:
        ConfigError: `after` runs in a circle.
    """
    groups: dict[Hashable, list[Rule]] = {}
    for rule in rules:
        groups.setdefault(target(rule), []).append(rule)
    return _held_back(_ordered([
        Refresh(tuple(group), _together([judge(rule, marks, at) for rule in group]))
        for group in groups.values()
    ]))  # fmt: skip


def _together(verdicts: Sequence[Verdict]) -> Verdict:
    word = max((verdict.word for verdict in verdicts), key=lambda word: _WEIGHTS[word])
    whys = dict.fromkeys(verdict.why for verdict in verdicts if verdict.word == word)
    return Verdict(word, "; ".join(whys))


def _held_back(ordered: Sequence[Refresh]) -> list[Refresh]:
    """What comes after something that lacks rows and is not due yet is not due either."""
    unready: set[str] = set()
    found = []
    for refresh in ordered:
        lacking = sorted(refresh.after & unready)
        if refresh.verdict.word == DUE and lacking:
            why = f"{refresh.verdict.why}, but {lacking[0]} comes first and is not refreshed yet"
            refresh = replace(refresh, verdict=Verdict(WAITS, why))  # noqa: PLW2901
        if refresh.verdict.word in {WAITS, TOO_SOON}:
            unready |= set(refresh.names)
        found.append(refresh)
    return found


def _ordered(given: Sequence[Refresh]) -> list[Refresh]:
    of_rule = {name: index for index, refresh in enumerate(given) for name in refresh.names}
    sorter: TopologicalSorter[int] = TopologicalSorter()
    for index, refresh in enumerate(given):
        sorter.add(index, *(of_rule[name] for name in refresh.after if name in of_rule))
    try:
        sorter.prepare()
    except CycleError as error:
        circle = " after ".join(given[index].label for index in reversed(error.args[1]))
        raise ConfigError(f"`rules`: `after` runs in a circle: {circle}") from error
    order: list[Refresh] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        order += [given[index] for index in ready]
        sorter.done(*ready)
    return order
