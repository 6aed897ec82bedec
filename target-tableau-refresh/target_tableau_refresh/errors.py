"""What ends a run, or a rule.

The tree:

    ConfigError         changing a setting mends it: exit 2
        Refused         Tableau knows the login, the right or the name not: exit 2
    TableauError        exit 1, or as `on_error` of the rule says
        Away            Tableau cannot be asked now; another time it may
        Throttled       it has to be left alone for a while
    Stopped             a signal asked for the end: exit 1
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kinetic_batches.settings import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "Away", "ConfigError", "Refused", "Stopped", "TableauError", "Throttled", "safe",
]  # fmt: skip

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_LONGEST = 300
_CREDENTIALS = (
    (re.compile(r"(?i)\b([\w-]*(?:pass\w*|pwd|secret|token|api[_-]?key)\s*[=:]\s*)"
                r"(\"[^\"]*\"|'[^']*'|[^\s;,&]+)"), r"\1***"),
    (re.compile(r"(://[^\s/:@]*:)[^\s@]*@"), r"\1***@"),
)  # fmt: skip
"""As connection strings have them."""


class Refused(ConfigError):
    """Tableau does not take the login, or has not what a rule names, or not for this user."""


class TableauError(Exception):
    """Something failed in Tableau or on the way to it; its text is what the user reads."""


class Away(TableauError):
    """Tableau cannot be asked now; another time it may."""


class Throttled(TableauError):
    """Tableau takes no more calls for now.

    Args:
        text: one sentence for people.
        wait: seconds that it wants to be left alone.
    """

    def __init__(self, text: str, wait: float) -> None:
        super().__init__(text)
        self.wait = wait


class Stopped(Exception):
    """A signal asked for the end."""


def safe(text: str, secrets: Iterable[str] = ()) -> str:
    """A server's words on one line, without what nobody may read in a log."""
    for secret in secrets:
        text = text.replace(secret, "***")
    for pattern, instead in _CREDENTIALS:
        text = pattern.sub(instead, text)
    text = _CONTROLS.sub(" ", text).strip()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
