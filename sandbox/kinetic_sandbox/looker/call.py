"""One call of the API, and the two ways in which it ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kinetic_sandbox.looker.instance import Looker, Session

ROOT = "/api/4.0"
_EXPLAINED = "https://cloud.google.com/looker/docs/r/err/4.0"


@dataclass(frozen=True)
class Call:
    """What a resource needs to answer.

    Attributes:
        looker: the instance.
        session: of the token that was sent.
        path: what stood in the path's places, by their names.
        query: decoded; the last of several.
        body: of JSON, decoded.
    """

    looker: Looker
    session: Session
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Mapping[str, Any]

    def needs(self, permission: str, model: str | None = None) -> None:
        """Refuse the call where the user lacks a permission.

        Raises:
            Refused: as the instance refuses.
        """
        if not self.session.user.may(permission, model):
            raise self.looker.denied()


class Refused(Exception):
    """A call that comes to nothing.

    Args:
        status: such as 404.
        message: for people.
        errors: field and message of what a 422 finds wrong.
    """

    def __init__(self, status: int, message: str, errors: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = dict(errors or {})

    def body(self, method: str, template: str) -> dict[str, Any]:
        """The error as Looker words it."""
        page = f"{_EXPLAINED}/{self.status}/{method.lower()}{template.removeprefix(ROOT)}"
        page = page.replace("{", ":").replace("}", "")
        told: dict[str, Any] = {"message": self.message, "documentation_url": page}
        if self.errors:
            told["errors"] = [
                {"field": name, "code": "invalid", "message": text, "documentation_url": page}
                for name, text in self.errors.items()
            ]
        return told


@dataclass(frozen=True)
class Done:
    """What a call came to; None as a value is an empty body."""

    value: Any = None
    status: int = field(default=200)


def not_found() -> Refused:
    """There is no such thing, or the user may not know of it."""
    return Refused(404, "Not found")


def invalid(errors: Mapping[str, str]) -> Refused:
    """The fields of a body are wrong."""
    return Refused(422, "Validation Failed", errors)
