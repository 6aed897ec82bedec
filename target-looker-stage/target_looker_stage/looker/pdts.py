"""Persistent derived tables: rebuilt, and waited for."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from target_looker_stage.errors import LookerError

from .api import place
from .refusals import Away, Denied, shortened

if TYPE_CHECKING:
    from target_looker_stage.config import Pdt

    from .api import LookerApi
    from .clock import Clock

_LOGGER = logging.getLogger("target-looker-stage.looker")
_FIRST_LOOK, _LONGEST_PAUSE, _GROWTH = 5.0, 60.0, 1.5
"""Seconds between two looks: each is a call that Looker's plans count."""
_GOING_ON = ("added", "pending", "running")


class PdtFailed(LookerError):
    """A build did not come to a good end."""


def rebuild(api: LookerApi, pdt: Pdt, clock: Clock) -> None:
    """Start a build and wait for its end.

    Raises:
        LookerError: when it fails, or is not done when the patience is.
    """
    name = f"{pdt.model}.{pdt.view}"
    build = place(_started(api, pdt, name))
    began, pause = clock.now(), _FIRST_LOOK
    while True:
        if pause > api.seconds_left:
            raise Away(
                f"the build of {name} has not ended after {clock.now() - began:.0f} s and goes on "
                "in Looker (Admin > Persistent Derived Tables); raise `looker_deadline_seconds`, "
                "or take it out of `looker_pdts` and let its datagroup build it"
            )
        clock.pause(pause)
        pause = min(pause * _GROWTH, _LONGEST_PAUSE)
        told = _text(api.ask("GET", f"/derived_table/{build}/status", expects=dict))
        status = str(told.get("status"))
        if status == "complete":
            _LOGGER.info("Looker has rebuilt %s in %.0f s", name, clock.now() - began)
            return
        if status not in _GOING_ON:
            said = shortened(str(told.get("message") or "no reason given"))
            raise PdtFailed(
                f"the build of {name} ended as {status} ({said}): see Admin > Persistent Derived "
                "Tables in Looker, and the view's SQL"
            )


def _started(api: LookerApi, pdt: Pdt, name: str) -> str:
    query = {"source": "kinetic-elt", **({"force_rebuild": "true"} if pdt.force_rebuild else {})}
    path = f"/derived_table/{place(pdt.model)}/{place(pdt.view)}/start"
    try:
        answer = api.ask("GET", path, query=query, expects=dict)
    except Denied as error:
        raise PdtFailed(
            f"Looker starts no build of {name} ({error.status}): correct `looker_pdts`, or have an "
            "administrator add `develop` and `see_pdts` to the permission set of the API user's "
            "role"
        ) from error
    if not answer.get("materialization_id"):
        raise PdtFailed(
            f"Looker gave no number for the build of {name}: see that the view is a persistent "
            "derived table, and that its connection has Enable PDT API Control switched on"
        )
    return str(answer["materialization_id"])


def _text(answer: dict[str, Any]) -> dict[str, Any]:
    """JSON in a string."""
    try:
        told = json.loads(answer.get("resp_text") or "{}")
    except ValueError:
        told = {}
    return told if isinstance(told, dict) else {}
