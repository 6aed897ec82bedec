"""Waiting where Tableau wants to be left alone, within a deadline."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

from .errors import Throttled

if TYPE_CHECKING:
    from collections.abc import Callable

    from .clock import Clock

T = TypeVar("T")
_LOGGER = logging.getLogger("target-tableau-refresh")


def patiently(clock: Clock, until: float, ask: Callable[[], T]) -> T:
    """What is answered in the end.

    Args:
        clock: for waits.
        until: the deadline, by the clock's `now`.
        ask: called again after each wait.

    Raises:
        Throttled: the next wait would pass the deadline.
    """
    while True:
        try:
            return ask()
        except Throttled as error:
            if clock.now() + error.wait >= until:
                raise
            _LOGGER.info("%s; waiting %d s", error, error.wait)
            clock.pause(error.wait)
