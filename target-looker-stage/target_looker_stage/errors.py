"""What ends a run.

ConfigError     a setting is missing or wrong: exit 2
LoadError       rows did not arrive: exit 1
LookerError     rows arrived, Looker was not told: exit 1, or a warning (`on_looker_error`)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinetic_batches.errors import LoadError
from kinetic_batches.settings import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ConfigError", "LoadError", "LookerError", "redacted"]


class LookerError(Exception):
    """Looker could not be told; its text is what the user reads."""


def redacted(text: str, secrets: Iterable[str]) -> str:
    """A text without what nobody may read in a log."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return text
