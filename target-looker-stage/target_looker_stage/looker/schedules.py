"""Schedules: run once, and never twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_looker_stage.errors import LookerError

from .api import place
from .refusals import Denied, Unsure

if TYPE_CHECKING:
    from .api import LookerApi


class ScheduleUnsure(LookerError):
    """It may have run; it is not run again for the same load."""


def run_once(api: LookerApi, schedule: str) -> None:
    """Have a schedule delivered now.

    Raises:
        LookerError: when it was not, or when nobody can tell.
    """
    try:
        api.ask("POST", f"/scheduled_plans/{place(schedule)}/run_once", is_repeatable=False)
    except Denied as error:
        raise LookerError(
            f"Looker does not run schedule {schedule} ({error.status}): correct "
            "`looker_schedules`, or make it a schedule of the API user itself; others' schedules "
            "are run for administrators only"
        ) from error
    except Unsure as error:
        raise ScheduleUnsure(
            f"{error}: schedule {schedule} may have been delivered and is not run again for this "
            "load; see Admin > Schedules > History in Looker, and send it from there if it was not"
        ) from error
