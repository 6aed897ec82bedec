"""`looker-refresh status`: what was loaded last, and does Looker know?"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from target_looker_stage.audit import RUN

from . import datagroups
from .api import LookerApi
from .clock import CLOCK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_looker_stage.audit import SyncAudit
    from target_looker_stage.config import Config

    from .clock import Clock

_PATIENCE = 30.0
"""Seconds: somebody waits at a terminal."""


def status(audit: SyncAudit) -> Iterator[str]:
    """Lines about the last complete run and about what waits; Looker is not asked."""
    whole = next((entry for entry in audit.last() if entry.stream == RUN), None)
    if whole is None:
        yield "last load  no complete run is on record"
    else:
        yield (
            f"last load  {_at(whole.completed_at)}, run {whole.run_id}: "
            f"{whole.rows_upserted:,} rows, {whole.rows_deleted:,} retractions"
        )
        told = f"told at {_at(whole.looker_told_at)}" if whole.looker_told_at else ""
        yield f"Looker     {told or whole.looker_status}"
    pending = audit.pending()
    waiting: dict[str, list[str]] = {}
    for each in pending:
        streams = waiting.setdefault(f"{each.status} run {each.run_id}", [])
        streams += [each.stream] if each.stream != RUN else []
    for run, streams in waiting.items():
        yield f"waiting    {run}: {', '.join(streams) or 'no changes'}"
    if not pending:
        yield "waiting    nothing"
    elif not any(each.status == "complete" for each in pending):
        yield "           cut runs are told together with the next complete one"


def looker_status(config: Config, clock: Clock = CLOCK) -> Iterator[str]:
    """Lines about the datagroups, as Looker has them.

    Raises:
        LookerError: when one of them is not there.
    """
    with LookerApi(config, clock, patience_seconds=_PATIENCE) as api:
        shown = datagroups.shown(api)
    for name in config.looker_datagroups:
        found = datagroups.find(name, shown)
        triggered = "never triggered"
        if found.triggered_at:
            at = datetime.fromtimestamp(found.triggered_at, timezone.utc)
            triggered = f"triggered at {_at(at)}"
        failure = f"; its trigger fails: {found.trigger_error}" if found.trigger_error else ""
        yield f"datagroup  {found.name}: {triggered}{failure}"


def _at(moment: datetime | None) -> str:
    return f"{moment.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S} UTC" if moment else "unknown"
