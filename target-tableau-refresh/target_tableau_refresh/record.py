"""What came of each target: for the marks, the audit, the log and the exit code."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .audit import Audit, Entry
from .clock import text_of
from .errors import ConfigError, TableauError
from .marks import Begun
from .rules import POLICIES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from .clock import Clock
    from .config import Config
    from .item import Item
    from .marks import Marks, MarksFile, RuleMark
    from .rules import Refresh
    from .tableau import Job

_LOGGER = logging.getLogger("target-tableau-refresh")
_LEVELS = {"fail": logging.ERROR, "warn": logging.WARNING, "ignore": logging.INFO}


@dataclass(frozen=True)
class Failure:
    """Rules that were to be refreshed and were not.

    Attributes:
        rules: their names.
        on_error: the strictest of them.
        is_setting: whether changing a setting, a login or a right mends it.
    """

    rules: tuple[str, ...]
    on_error: str
    is_setting: bool


class Record:
    """Keeps what came of each target, at once and wherever it is kept.

    Attributes:
        failures: so far.
        unready: rules whose targets lack rows, and will not get them in this run.

    Args:
        config: the settings.
        file: the marks, held by this process.
        clock: tells the time.
    """

    def __init__(self, config: Config, file: MarksFile, clock: Clock) -> None:
        self.failures: list[Failure] = []
        self.unready: set[str] = set()
        self._file = file
        self._audit = Audit(config.audit_path)
        self._clock = clock

    @property
    def marks(self) -> Marks:
        """What changed, and what was refreshed."""
        return self._file.marks

    def marks_of(self, item: Item) -> list[RuleMark]:
        """Of each of its rules."""
        return [self.marks.rule(name) for name in item.names]

    def begun(self, item: Item, job: Job) -> None:
        """A job is under way; who comes after this process finds it."""
        for mark in self.marks_of(item):
            covers = 0 if item.is_adopted else self.marks.number
            mark.begun = Begun(job.id, text_of(job.queued_at or self._clock.wall()), covers)
        self._file.save()

    def refreshed(self, item: Item, job: Job) -> None:
        """All that was loaded is in it: the only place where a mark is cleared."""
        for mark in self.marks_of(item):
            mark.covers = self.marks.number
            mark.refreshed_at = text_of(job.queued_at or self._clock.wall())
            mark.begun = None
        self._keep(item, "refreshed")
        _LOGGER.info("%s: refreshed%s", item, _took(job))

    def ended(self, item: Item, job: Job) -> None:
        """Its job did not end well."""
        notes = f" ({job.notes})" if job.notes else ""
        self.forget_job(item)
        self._fail(
            item, job.status,
            f"Tableau's job {job.id} {job.status}{notes}: mend that in Tableau, and run again; "
            "what changed stays marked",
        )  # fmt: skip

    def failed(self, item: Item, error: Exception) -> None:
        """It could not be started or looked at."""
        self._fail(item, "failed", str(error), is_setting=isinstance(error, ConfigError))

    def timed_out(self, item: Item, minutes: float, setting: str) -> None:
        """Its job goes on, and nobody looks any more."""
        self._fail(
            item, "timed out",
            f"Tableau's job {item.job_id} has not ended after {minutes:.0f} minutes (`{setting}`); "
            "it goes on there, and the next run looks at it again",
        )  # fmt: skip

    def never_started(self, item: Item, minutes: int) -> None:
        """The deadline came first."""
        self._fail(
            item, "not started",
            f"not started within {minutes} minutes (`deadline_minutes`): the next run starts it, "
            "since what changed stays marked",
        )  # fmt: skip

    def too_early(self, item: Item) -> None:
        """Another's job had begun before the load ended."""
        self.forget_job(item)
        self._keep(item, "too early")
        _LOGGER.info(
            "%s: that refresh had begun before the load ended, or failed; another follows", item
        )

    def left(self, item: Item, outcome: str) -> None:
        """A signal ends the run."""
        if outcome == "cancelled":
            self.forget_job(item)
        self._keep(item, outcome)
        self.unready |= set(item.names)
        _LOGGER.warning("%s: %s", item, outcome)

    def postponed(self, item: Item, why: str) -> None:
        """The next run does it."""
        self.unready |= set(item.names)
        self._keep(item, "postponed", why)
        _LOGGER.warning("%s: %s", item, why)

    def forget_job(self, item: Item) -> None:
        """Nobody needs to look at its job again."""
        for mark in self.marks_of(item):
            mark.begun = None

    def failed_together(
        self, refreshes: Sequence[Refresh], sentence: str, error: Exception
    ) -> None:
        """Nothing could be asked about these."""
        names = tuple(name for refresh in refreshes for name in refresh.names)
        on_error = max((refresh.on_error for refresh in refreshes), key=POLICIES.index)
        self._count(names, sentence, on_error, is_setting=isinstance(error, ConfigError))

    def conclude(self) -> None:
        """Say whether the run was a success.

        Raises:
            ConfigError: every failure is mended by a setting, a login or a right.
            TableauError: some are not.
        """
        counted = [each for each in self.failures if each.on_error == "fail"]
        if not counted:
            return
        names = ", ".join(name for each in counted for name in each.rules)
        kind = ConfigError if all(each.is_setting for each in counted) else TableauError
        raise kind(f"not refreshed: {names}; the reasons stand above, what changed stays marked, "
                   "and the next run makes it good")  # fmt: skip

    def _fail(self, item: Item, outcome: str, sentence: str, *, is_setting: bool = False) -> None:
        self._keep(item, outcome, sentence)
        self._count(item.names, f"{item}: {sentence}", item.refresh.on_error, is_setting=is_setting)

    def _count(
        self, names: tuple[str, ...], sentence: str, on_error: str, *, is_setting: bool
    ) -> None:
        self.unready |= set(names)
        self.failures.append(Failure(names, on_error, is_setting))
        _LOGGER.log(_LEVELS[on_error], "%s", sentence)

    def _keep(self, item: Item, outcome: str, why: str = "") -> None:
        job = item.job
        for mark in self.marks_of(item):
            mark.outcome, mark.outcome_at = outcome, text_of(self._clock.wall())
        self._file.save()
        self._audit.write(
            Entry(
                run_id=self.marks.complete.run_id if self.marks.complete else "",
                rule=item.refresh.label,
                target=item.refresh.title,
                job=item.job_id,
                mode="incremental" if item.is_incremental else "full",
                reason=item.refresh.verdict.why,
                queued_at=_text(job.queued_at if job else None),
                started_at=_text(job.started_at if job else None),
                finished_at=_text(job.finished_at if job else None),
                outcome=outcome,
                notes=(job.notes if job else "") or why,
            )
        )


def _text(moment: datetime | None) -> str | None:
    return text_of(moment) if moment else None


def _took(job: Job) -> str:
    if not (job.started_at and job.finished_at):
        return ""
    return f" in {(job.finished_at - job.started_at).total_seconds():.0f} s"
