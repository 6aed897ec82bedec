"""What pending runs ask for: notices to datagroups, builds, schedules, in this order."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from target_looker_stage.audit import RUN

from . import pdts, schedules
from .datagroups import affected, find, notify, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_looker_stage.audit import Pending
    from target_looker_stage.config import Config

    from .api import LookerApi
    from .clock import Clock
    from .datagroups import Datagroup

_LOGGER = logging.getLogger("target-looker-stage.looker")
_MARGIN = 2
"""Seconds: a notice in the future is refused, and clocks behind one address may differ."""


class Step(NamedTuple):
    """One thing to do.

    Attributes:
        name: as it is remembered.
        runs: for which it is done.
        take: does it.
        loading: runs that were cut or have not ended: their rows may not all be there yet.
        is_once: whether doing it twice is worse than not at all.
    """

    name: str
    runs: set[str]
    take: Callable[[LookerApi], None]
    loading: set[str]
    is_once: bool = False


class Steps:
    """Makes them from settings.

    Args:
        config: the settings.
        clock: for waits.
    """

    def __init__(self, config: Config, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._shown: list[Datagroup] | None = None
        self._loaded_by = 0

    def of(self, pending: Sequence[Pending]) -> list[Step]:
        """What is to be done; nothing where no stream changed that a datagroup names."""
        config = self._config
        changed = {each.stream for each in pending} - {RUN}
        due = affected(config.looker_datagroups, changed)
        named = set().union(*due.values()) if config.looker_datagroups else changed
        if not named:
            _LOGGER.info("no stream changed that `looker_datagroups` names: Looker is not asked")
            return []

        loading = {each.run_id for each in pending if each.status != "complete"}

        def runs(streams: set[str]) -> set[str]:
            return {each.run_id for each in pending if each.stream in streams}

        steps = [
            Step(f"datagroup {name}", runs(streams), partial(self._notify, name, streams), loading)
            for name, streams in due.items()
        ]
        steps += [
            Step(
                f"pdt {pdt.model}.{pdt.view}",
                runs(named),
                partial(pdts.rebuild, pdt=pdt, clock=self._clock),
                loading,
            )
            for pdt in config.looker_pdts
        ]
        steps += [
            Step(
                f"schedule {each}",
                runs(named),
                partial(schedules.run_once, schedule=each),
                loading,
                is_once=True,
            )
            for each in config.looker_schedules
        ]
        return steps

    def _notify(self, name: str, streams: set[str], api: LookerApi) -> None:
        if self._shown is None:
            api.log_in()
            # Every row was committed before this second of Looker's clock is over.
            self._loaded_by = int(api.server_time) + 1
            self._shown = shown(api)
        datagroup = find(name, self._shown)
        # What a query cached of the old rows until then has to count as stale.
        wait = self._loaded_by + _MARGIN - api.server_time
        if wait > 0:
            self._clock.pause(wait)
        notify(api, datagroup, self._config.looker_notice, at=self._loaded_by)
        _LOGGER.info(
            "Looker: %s of %s for %s", self._config.looker_notice, datagroup.name,
            ", ".join(sorted(streams)),
        )  # fmt: skip
