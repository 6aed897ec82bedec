"""After a complete load: what changed is told to Looker, once."""

from __future__ import annotations

import logging
from contextlib import closing
from typing import TYPE_CHECKING

from target_looker_stage.errors import LoadError, LookerError
from target_looker_stage.warehouse import open_warehouse

from .api import LookerApi
from .clock import CLOCK
from .memory import Memory
from .refusals import Away, LoginRefused
from .schedules import ScheduleUnsure
from .steps import Steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_looker_stage.audit import SyncAudit
    from target_looker_stage.config import Config

    from .clock import Clock
    from .steps import Step

_LOGGER = logging.getLogger("target-looker-stage.looker")


def tell(config: Config, audit: SyncAudit, clock: Clock = CLOCK) -> None:
    """Tell Looker of every stream that it does not know about, if a complete run is among them.

    Args:
        config: the settings.
        audit: what was loaded.
        clock: for waits.

    Raises:
        LookerError: one sentence; what was not told stays pending.
    """
    if not config.looker_url:
        return
    try:
        pending = audit.pending()
        if not any(each.status == "complete" for each in pending):
            _LOGGER.info("no complete run waits to be told to Looker")
            return
        with closing(open_warehouse(config)) as warehouse:
            memory = Memory(warehouse)
            if steps := Steps(config, clock).of(pending):
                _deliver(config, steps, memory, clock)
            audit.told(pending)
            memory.forget({each.run_id for each in pending})
    except LookerError as error:
        raise LookerError(
            f"{error}; what was not told waits for the next complete run, or for "
            "`looker-refresh run`"
        ) from error
    except LoadError as error:
        raise LookerError(f"the audit of the warehouse cannot be kept: {error}") from error


def _deliver(config: Config, steps: Sequence[Step], memory: Memory, clock: Clock) -> None:
    """Take each step that is left; a failed one does not keep the next from being tried."""
    # One notice needs no memory: the audit says whether it was delivered.
    remembers = len(steps) > 1 or any(step.is_once for step in steps)
    if remembers:
        left = [step._replace(runs=memory.left(step.name, step.runs)) for step in steps]
        steps = [step for step in left if step.runs]
    if not steps:
        return
    failures: list[str] = []
    with LookerApi(config, clock) as api:
        for step in steps:
            if step.is_once and failures:
                break  # a mail with data of which something failed before
            try:
                _take(step, api, memory, remembers=remembers)
            except (Away, LoginRefused):
                raise
            except LookerError as error:
                failures.append(str(error))
    if failures:
        raise LookerError("; ".join(failures))


def _take(step: Step, api: LookerApi, memory: Memory, *, remembers: bool) -> None:
    if not step.is_once:
        step.take(api)
        # Of rows that are loaded later Looker is told as well.
        if remembers and (ended := step.runs - step.loading):
            memory.add(step.name, ended)
        return
    # Noted first: who is killed in between rather sends no mail than two.
    memory.add(step.name, step.runs)
    try:
        step.take(api)
    except ScheduleUnsure:
        raise
    except LookerError:
        memory.take_back(step.name, step.runs)
        raise
