"""Jobs under ids of our own: one whose answer was lost is found again, not run twice."""

from __future__ import annotations

import math
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from google.api_core import exceptions as api
from google.api_core.retry import Retry, if_exception_type
from google.cloud import bigquery

from kinetic_target_bigquery.errors import GuardError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

_CALL_SECONDS = 120
_MOST_TRIES = 3
_MOST_IDS = 50
_UNSEEN_SECONDS = 30
"""For which a job may not be found that was taken."""
_PASSING = {"backendError", "internalError", "jobBackendError", "jobInternalError",
            "rateLimitExceeded", "jobRateLimitExceeded"}  # fmt: skip


class Patience:
    """How long to try: a request, and a job.

    Args:
        seconds: for a request with all its repeats, and for a load job.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.retry = bigquery.DEFAULT_RETRY.with_timeout(seconds)
        self.repeats = max(1, int(math.log2(seconds)))
        """Of a part of an upload, each after twice the time: as many as fit in."""

    @property
    def call(self) -> dict[str, Any]:
        """Arguments of each request."""
        return {"retry": self.retry, "timeout": _CALL_SECONDS}


class Job:
    """One piece of work, done once.

    BigQuery takes a job id once, whatever becomes of the job, and answers 409 ever after. So each
    try has an id of its own, `name-1`, `name-2`, ..., and one that failed has changed nothing.

    Args:
        client: Google's.
        name: of the work, in letters, digits, dashes and underscores.
        start: starts the job of an id.
        patience: with requests.
        location: of the dataset.
        since: a job that was there before this is of other days: it does not count.
    """

    def __init__(
        self,
        client: bigquery.Client,
        name: str,
        start: Callable[[str], Any],
        patience: Patience,
        location: str | None,
        since: datetime | None = None,
    ) -> None:
        self._client = client
        self._name = name
        self._start = start
        self._patience = patience
        self._location = location
        self._since = since
        self._number = 0
        self._job_id = ""
        self._tries = 1
        self.was_there = False
        """Whether it had been done already."""
        self.job = self._begin()

    def wait(self, seconds: float | None = None) -> None:
        """Until it is done.

        Raises:
            concurrent.futures.TimeoutError: when it is not, after these seconds.
        """
        limit = {} if seconds is None else {"timeout": seconds}
        while True:
            try:
                self.job.result(**limit, retry=self._patience.retry)
            except api.GoogleAPICallError as error:
                if not is_passing(error) or self._tries >= _MOST_TRIES:
                    raise
                self.job = self._again()
            else:
                return

    def _again(self) -> Any:  # noqa: ANN401
        """Another job only where this one has failed, not where asking for it has."""
        self._tries += 1
        if not _has_failed(self.job):
            found = self._find(self._job_id)
            if not _has_failed(found):
                return found
        return self._begin()

    def _begin(self) -> Any:  # noqa: ANN401
        while True:
            self._number += 1
            self._job_id = f"{self._name}-{self._number}"
            try:
                return self._started(self._job_id)
            except api.Conflict:
                found = self._find(self._job_id)
            if self._counts(found):
                self.was_there = True
                return found
            if self._number >= _MOST_IDS:
                raise api.Conflict(f"job {self._job_id} is the last of {_MOST_IDS} that failed")

    def _started(self, job_id: str) -> Any:  # noqa: ANN401
        for _ in range(_MOST_TRIES - 1):
            with suppress(api.NotFound):  # an upload that is over, whose last answer was lost
                return self._start(job_id)
        return self._start(job_id)

    def _find(self, job_id: str) -> Any:  # noqa: ANN401
        """A job that BigQuery has taken; never started anew because it is not to be seen yet."""
        seconds = min(_UNSEEN_SECONDS, self._patience.seconds)
        again = Retry(if_exception_type(api.NotFound), initial=0.5, maximum=5, timeout=seconds)
        find = partial(self._client.get_job, job_id, location=self._location, **self._patience.call)
        try:
            return again(find)()
        except api.RetryError as error:
            if not isinstance(error.cause, api.NotFound):
                raise
            raise GuardError(
                f"BigQuery has taken job {job_id}, and for {seconds} seconds could not find it; "
                "run again in some minutes"
            ) from error

    def _counts(self, found: Any) -> bool:  # noqa: ANN401
        return not _has_failed(found) and (self._since is None or found.created >= self._since)


def _has_failed(job: Any) -> bool:  # noqa: ANN401
    return job.state == "DONE" and bool(job.error_result)


def is_passing(error: BaseException) -> bool:
    """Whether BigQuery says that the same may go well a moment later."""
    if isinstance(error, api.ServerError):
        return True
    return reason(error) in _PASSING


def reason(error: BaseException) -> str:
    """BigQuery's own word for what was wrong; empty where it has none."""
    errors = getattr(error, "errors", None) or [{}]
    first = errors[0]
    return str(first.get("reason", "")) if isinstance(first, dict) else ""
