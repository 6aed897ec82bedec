"""A target on its way through one run."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .rules import Refresh
    from .tableau import Job, Tableau, Target

_SLOWEST = 6
"""Times `poll_seconds`: the longest pause between two looks."""
_GROWTH = 1.4


@dataclass(eq=False)
class Item:
    """What is refreshed, and how far that is.

    Attributes:
        job: that is looked at; None while it waits for its start.
        is_adopted: whether another process began the job.
        has_resumed: whether the job of an earlier run was looked for.
        not_before: when to start it, or to look at it, next.
        give_up_at: the end of the patience with one job.
    """

    refresh: Refresh
    target: Target
    tableau: Tableau
    job: Job | None = None
    is_adopted: bool = False
    has_resumed: bool = False
    not_before: float = 0.0
    give_up_at: float = float("inf")
    _pause: float = 0.0

    @property
    def names(self) -> tuple[str, ...]:
        """Of its rules."""
        return self.refresh.names

    @property
    def job_id(self) -> str:
        """Of its job, where there is one."""
        return self.job.id if self.job else ""

    @property
    def is_incremental(self) -> bool:
        """Whether it is asked for, and can be."""
        return self.refresh.incremental and self.tableau.can_refresh_incrementally

    def wait(self, now: float, poll_seconds: int, job: Job | None = None) -> None:
        """Be looked at again after a pause, each longer than the last, no two in step.

        Args:
            now: the time.
            poll_seconds: the first pause.
            job: a new one, with which the pauses begin anew.
        """
        if job is not None:
            self.job, self._pause = job, 0.0
            self.give_up_at = now + self.refresh.job_timeout_seconds
        self._pause = min(self._pause * _GROWTH or poll_seconds, poll_seconds * _SLOWEST)
        self.not_before = now + self._pause * random.uniform(0.8, 1.2)  # noqa: S311 - jitter

    def start_over(self) -> None:
        """Wait for a start again."""
        self.job, self.is_adopted, self.not_before, self._pause = None, False, 0.0, 0.0

    def __str__(self) -> str:
        plural = "s" if len(self.names) > 1 else ""
        return f"rule{plural} {self.refresh.label} ({self.refresh.title})"
