"""What Tableau gets of an extract: the whole file, or what changed."""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from target_tableau_refresh.audit import Audit, Entry
from target_tableau_refresh.clock import text_of
from target_tableau_refresh.errors import ConfigError, Refused, TableauError
from target_tableau_refresh.patience import patiently
from target_tableau_refresh.tableau import RUNNING, SUCCEEDED, Tableau

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from target_tableau_refresh.clock import Clock
    from target_tableau_refresh.config import Config
    from target_tableau_refresh.tableau import Job

T = TypeVar("T")
_LOGGER = logging.getLogger("target-tableau-refresh.publish")
_NAMESPACE = uuid.UUID("5a8ae1a3-6a5c-4f0e-9c5a-0b7f3e6f2d11")
"""Of request ids, so that they are this program's and no other's."""


@dataclass(frozen=True)
class Update:
    """What makes the last extract the next one.

    Attributes:
        file: the payload.
        actions: what is to be done with it; none: the extracts are the same.
    """

    file: Path
    actions: list[dict[str, Any]]


@dataclass(frozen=True)
class Waiting:
    """An extract that Tableau has not got yet.

    Attributes:
        stream: its stream, and the name of the data source.
        file: the whole of it.
        is_new: whether it is to take the place of the one in force.
        update: in place of the whole file, where Tableau has the extract before.
    """

    stream: str
    file: Path
    is_new: bool
    update: Update | None = None


class Publisher:
    """Publishes to one project; signs in when the first extract is to be told of.

    Args:
        config: the settings.
        clock: for waits.

    Raises:
        ConfigError: a setting is missing.
    """

    def __init__(self, config: Config, clock: Clock) -> None:
        config.need_server()
        if not config.publish_project:
            raise ConfigError(
                "`publish_project` is missing, which publishing to `server_url` needs: the path of "
                "a project, such as Finance/Daily"
            )
        if "" not in config.sites:
            raise ConfigError("publishing needs a login beside `sites`, such as `token_name`")
        self._config = config
        self._clock = clock
        self._site = config.sites[""]
        self._audit = Audit(config.audit_path)
        self._tableau: Tableau | None = None
        self._until = 0.0

    @property
    def place(self) -> str:
        """Server, site and project, for people and for the folder's memory."""
        return f"{self._config.server_url}, {self._site}, {self._config.publish_project}"

    def tell(self, waiting: Waiting, run_id: str) -> None:
        """Let Tableau have an extract; returns when it has.

        Raises:
            ConfigError: the login, the right or the project is missing.
            TableauError: it failed there, or took too long.
        """
        tableau = self._session()
        name, update, project = waiting.stream, waiting.update, self._config.publish_project
        there = self._patiently(lambda: tableau.datasource(project, name)) if update else None
        if update and there:
            request = str(uuid.uuid5(_NAMESPACE, f"{run_id} {name}"))
            if update.actions:
                self._do(name, run_id, "update", lambda: tableau.update(
                    there.id, request, update.actions, update.file))  # fmt: skip
            return
        luid = self._project(tableau)
        self._do(name, run_id, "publish", lambda: tableau.publish(luid, name, waiting.file))

    def close(self) -> None:
        """Sign out."""
        if self._tableau is not None:
            self._tableau.close()
            self._tableau = None

    def _session(self) -> Tableau:
        if self._tableau is None:
            self._until = self._clock.now() + 60.0 * self._config.deadline_minutes
            self._tableau = Tableau(self._config, self._site, self._clock)
            self._patiently(self._tableau.open)
        return self._tableau

    def _project(self, tableau: Tableau) -> str:
        wanted = self._config.publish_project
        for luid, path in self._patiently(tableau.projects).items():
            if path == wanted:
                return luid
        raise Refused(
            f"`publish_project`: there is no project {wanted} that is shown to {tableau.user}: "
            "correct its path, make it, or give that user the right to publish to it"
        )

    def _do(self, name: str, run_id: str, mode: str, begin: Callable[[], str]) -> None:
        """Start a job, see it end, and write that down."""
        tableau = self._session()
        target = f"datasource {self._config.publish_project}/{name}"
        began = self._clock.wall()
        job: Job | None = None
        try:
            luid = self._patiently(begin)
            job = self._patiently(lambda: tableau.job(luid))
            job = self._ended(tableau, job)
        except (TableauError, ConfigError) as error:
            self._keep(run_id, target, mode, began, job, "failed", str(error))
            kind = ConfigError if isinstance(error, ConfigError) else TableauError
            raise kind(f"{target}: {error}") from error
        self._keep(run_id, target, mode, began, job, "published", job.notes)
        _LOGGER.info("%s: %s ended well", target, mode)

    def _ended(self, tableau: Tableau, job: Job) -> Job:
        """A job when it has succeeded."""
        while job.status == RUNNING:
            if self._clock.now() >= self._until:
                raise TableauError(
                    f"Tableau's job {job.id} has not ended after {self._config.deadline_minutes} "
                    "minutes (`deadline_minutes`); run again when it has"
                )
            self._clock.pause(self._config.poll_seconds)
            job = self._patiently(lambda: tableau.job(job.id))  # noqa: B023 - called at once
        if job.status != SUCCEEDED:
            notes = f" ({job.notes})" if job.notes else ""
            raise TableauError(
                f"Tableau's job {job.id} {job.status}{notes}: mend that in Tableau, and run again"
            )
        return job

    def _patiently(self, ask: Callable[[], T]) -> T:
        return patiently(self._clock, self._until, ask)

    def _keep(
        self, run_id: str, target: str, mode: str, began: datetime, job: Job | None, outcome: str,
        notes: str,
    ) -> None:  # fmt: skip
        queued, started, finished = (
            (job.queued_at, job.started_at, job.finished_at) if job else (began, None, None)
        )
        self._audit.write(
            Entry(
                run_id=run_id, rule="", target=target, job=job.id if job else "", mode=mode,
                reason="its extract is new", queued_at=_text(queued), started_at=_text(started),
                finished_at=_text(finished), outcome=outcome, notes=notes,
            )
        )  # fmt: skip


def _text(moment: datetime | None) -> str | None:
    return text_of(moment) if moment else None
