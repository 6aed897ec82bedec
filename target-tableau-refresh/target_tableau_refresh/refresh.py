"""Refreshes what is due: starts all of it, and looks at all of it until it has ended."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from .clock import moment_of
from .errors import ConfigError, Stopped, TableauError, Throttled
from .record import Record
from .rules import DUE, UNCHANGED, refreshes
from .session import Missing
from .sites import Sites
from .tableau import CANCELLED, RUNNING, SUCCEEDED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .clock import Clock
    from .config import Config
    from .item import Item
    from .marks import MarksFile
    from .tableau import Job

_LOGGER = logging.getLogger("target-tableau-refresh")
_WHOLE_SECOND = 1.0
"""Tableau's times have no fractions."""


def refresh(config: Config, file: MarksFile, clock: Clock) -> None:
    """Refresh what is due.

    Args:
        config: the settings.
        file: the marks, held by this process; what changed is in them.
        clock: for waits.

    Raises:
        ConfigError: what failed is mended by a setting, a login or a right.
        TableauError: something else failed.
        Stopped: a signal came.
    """
    at = clock.wall()
    planned = refreshes(config.rules, file.marks, at)
    file.save()
    for each in planned:
        if each.verdict.word not in {DUE, UNCHANGED}:
            _LOGGER.info("%s: %s: %s", each.label, each.verdict.word, each.verdict.why)
    wanted = [each for each in planned if each.verdict.is_changed]
    if not any(each.verdict.word == DUE for each in wanted):
        _LOGGER.info("nothing is to be refreshed")
        return
    config.need_server()
    record = Record(config, file, clock)
    until = clock.now() + 60.0 * config.deadline_minutes
    sites = Sites(config, record, clock, until)
    try:
        _Following(config, record, clock, until, sites.items(wanted, at)).follow()
    finally:
        sites.close()
    record.conclude()


class _Following:
    """Items from their start to their end.

    Attributes:
        waiting: for their start, or for another one.
        active: whose jobs are looked at.
    """

    def __init__(
        self, config: Config, record: Record, clock: Clock, until: float, items: Sequence[Item]
    ) -> None:
        self.waiting = list(items)
        self.active: list[Item] = []
        self._config = config
        self._record = record
        self._clock = clock
        self._until = until
        self._quiet_until: dict[str, float] = {}
        """When a site takes starts again, by its name."""

    def follow(self) -> None:
        """Until all have ended, the deadline is over, or a signal comes."""
        try:
            while self.waiting or self.active:
                self._clock.pause(0)
                for item in list(self.active):
                    self._look(item)
                for item in list(self.waiting):
                    if item in self.waiting:
                        self._try_to_start(item)
                if self._clock.now() >= self._until:
                    self._give_up()
                    return
                self._rest()
        except Stopped:
            self._stop()
            raise

    def _rest(self) -> None:
        """Until something is to be done."""
        moments = [item.not_before for item in self.active]
        if self._has_room:
            moments += [self._earliest(item) for item in self.waiting if not self._is_held(item)]
        if moments:
            self._clock.pause(max(0.0, min(*moments, self._until) - self._clock.now()))

    @property
    def _has_room(self) -> bool:
        return len(self.active) < self._config.max_concurrent

    def _earliest(self, item: Item) -> float:
        return max(item.not_before, self._quiet_until.get(item.refresh.site, 0.0))

    def _is_held(self, item: Item) -> bool:
        """Whether one that comes first is still on its way."""
        on_their_way = {name for each in (*self.waiting, *self.active) for name in each.names}
        return bool(item.refresh.after & on_their_way)

    def _try_to_start(self, item: Item) -> None:
        if lacking := sorted(item.refresh.after & self._record.unready):
            self.waiting.remove(item)
            self._record.postponed(
                item, f"waits for rule {lacking[0]}, which comes first and is not refreshed; the "
                "next run refreshes it after that",
            )  # fmt: skip
            return
        is_time = self._earliest(item) <= self._clock.now()
        if not self._has_room or not is_time or self._is_held(item):
            return
        try:
            job = self._begun(item)
        except Throttled as error:
            self._be_quiet(item, error)
        except (TableauError, ConfigError) as error:
            self.waiting.remove(item)
            self._record.failed(item, error)
        else:
            if job is None:
                item.wait(self._clock.now(), self._config.poll_seconds)
                return
            self.waiting.remove(item)
            self.active.append(item)
            item.wait(self._clock.now(), self._config.poll_seconds, job)
            if job.status != RUNNING:
                item.not_before = self._clock.now()
            self._record.begun(item, job)

    def _begun(self, item: Item) -> Job | None:
        """The job of an earlier run, a new one, or another's; None where none can be had now."""
        if not item.has_resumed:
            item.has_resumed = True
            if job := self._of_earlier_run(item):
                _LOGGER.info("%s: going on with the refresh of an earlier run", item)
                return job
        job = item.tableau.start(item.target, incremental=item.is_incremental)
        item.is_adopted = job is None
        if job is not None:
            _LOGGER.info("%s: started: %s", item, item.refresh.verdict.why)
            return job
        job = item.tableau.open_job(item.target)
        # One that this user may not see, or that has just ended, is none: what can be started
        # after it has read all that was loaded.
        how = "waiting for that" if job else "trying again until it has ended"
        _LOGGER.info("%s: Tableau is refreshing it already; %s", item, how)
        return job

    def _of_earlier_run(self, item: Item) -> Job | None:
        load = self._record.marks.complete
        for mark in self._record.marks_of(item):
            if mark.begun is None or load is None:
                continue
            try:
                job = item.tableau.job(mark.begun.job_id)
            except Missing:
                continue
            item.is_adopted = mark.begun.covers < load.number
            is_of_use = not item.is_adopted and job.status == SUCCEEDED
            if job.status == RUNNING or is_of_use or self._covers(item, job):
                return job
        return None

    def _look(self, item: Item) -> None:
        now = self._clock.now()
        if item.not_before > now:
            return
        try:
            job = item.tableau.job(item.job_id)
        except Throttled as error:
            item.not_before = now + error.wait
        except Missing:
            self.active.remove(item)
            self._record.forget_job(item)
            gone = f"Tableau does not know its job {item.job_id} any more: run again"
            self._record.failed(item, TableauError(gone))
        except ConfigError as error:
            self.active.remove(item)
            self._record.failed(item, error)
        except TableauError as error:
            # The job goes on meanwhile.
            _LOGGER.info("%s: %s; looking again later", item, error)
            item.wait(self._clock.now(), self._config.poll_seconds)
        else:
            item.job = job
            if job.status == RUNNING:
                item.wait(now, self._config.poll_seconds)
            else:
                self.active.remove(item)
                self._settle(item, job)
        if item in self.active and self._clock.now() >= item.give_up_at:
            self.active.remove(item)
            minutes = item.refresh.job_timeout_seconds / 60
            self._record.timed_out(item, minutes, "job_timeout_minutes")

    def _settle(self, item: Item, job: Job) -> None:
        """A job has ended."""
        if item.is_adopted and not self._covers(item, job):
            self._record.too_early(item)
            item.start_over()
            self.waiting.insert(0, item)
        elif job.status == SUCCEEDED:
            self._record.refreshed(item, job)
        else:
            self._record.ended(item, job)

    def _covers(self, item: Item, job: Job) -> bool:
        """Whether another's job has ended well and has read all that was loaded.

        The loader ends after the tap, and before this is told of its run.
        """
        load = self._record.marks.complete
        began = job.started_at or job.queued_at
        if job.status != SUCCEEDED or began is None or load is None:
            return False
        ended = max(moment_of(load.completed_at), moment_of(load.seen_at))
        return began >= ended + timedelta(seconds=item.tableau.clock_ahead + _WHOLE_SECOND)

    def _be_quiet(self, item: Item, error: Throttled) -> None:
        """Tableau takes no more starts: wait, or leave the rest of the site to the next run."""
        until = self._clock.now() + error.wait
        site = item.refresh.site
        if until < self._until:
            _LOGGER.info("%s: %s; the next start in %.0f s", item, error, error.wait)
            self._quiet_until[site] = until
            return
        for each in [each for each in self.waiting if each.refresh.site == site]:
            self.waiting.remove(each)
            self._record.postponed(
                each,
                f"not refreshed: {error}, which is beyond `deadline_minutes` "
                f"({self._config.deadline_minutes}); the next run makes it good, and "
                "`min_interval_minutes` saves starts",
            )

    def _give_up(self) -> None:
        minutes = self._config.deadline_minutes
        for item in self.active:
            self._record.timed_out(item, minutes, "deadline_minutes")
        for item in self.waiting:
            self._record.never_started(item, minutes)

    def _stop(self) -> None:
        """Leave the jobs, or cancel those of this run, and say so."""
        for item in self.active:
            outcome = "left running"
            if self._config.cancel_on_stop and not item.is_adopted:
                try:
                    item.tableau.cancel(item.job_id)
                    outcome = CANCELLED
                except (TableauError, ConfigError) as error:
                    _LOGGER.warning("%s cannot be cancelled: %s", item, error)
            self._record.left(item, outcome)
