"""What Looker, its gateway and the network say, as errors.

The tree:

    ApiError            any of them; `status` is 0 where nothing was answered
        LoginRefused    the keys are wrong
        Denied          403 or 404: not there, or not for this user
        Away            it cannot be asked now: down, metered, or another server answers
        Unsure          it may have been done all the same
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from target_looker_stage.errors import LookerError

if TYPE_CHECKING:
    import requests

_LONGEST = 300
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
DENIED = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)


class ApiError(LookerError):
    """A call came to nothing.

    Args:
        text: one sentence for people.
        status: of the answer.
    """

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class LoginRefused(ApiError):
    """Looker does not know the keys."""


class Denied(ApiError):
    """There is no such thing, or this user may not see it: Looker says 404 for both."""


class Away(ApiError):
    """Nothing can be asked now; another time it may."""


class Unsure(ApiError):
    """The answer was lost: nobody can tell whether it was done."""


class Trouble(Exception):
    """A call that can be tried again.

    Args:
        what: happened, for people.
        status: of the answer, 0 where there was none.
        wait: seconds that Looker wants to be left alone.
        is_undone: whether it is certain that nothing was done.
    """

    def __init__(
        self, what: str, status: int = 0, wait: float | None = None, *, is_undone: bool = False
    ) -> None:
        super().__init__(what)
        self.what = what
        self.status = status
        self.wait = wait
        self.is_undone = is_undone


def shortened(text: str) -> str:
    """A server's words on one line."""
    return _CONTROLS.sub(" ", text).strip()[:_LONGEST]


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the plural where it is not one."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def is_json(answer: requests.Response) -> bool:
    """Whether an answer says that it is Looker's own."""
    return "json" in answer.headers.get("Content-Type", "")


def words(answer: requests.Response) -> str:
    """What an answer says about its failure, whole: it may hold a secret."""
    if not is_json(answer):
        return "with a web page" if answer.content else "without a word"
    try:
        told: Any = answer.json()
    except ValueError:
        return "with broken JSON"
    if not isinstance(told, dict):
        return "without a reason"
    details = [
        f"{each.get('field') or ''} {each.get('message') or ''}".strip()
        for each in told.get("errors") or ()
        if isinstance(each, dict)
    ]
    return "; ".join([str(told.get("message") or "without a reason"), *details])
