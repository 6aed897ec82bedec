"""One call of the API, and the two ways in which it ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from kinetic_sandbox.tableau.words import words
from kinetic_sandbox.tableau.xml import Element, element

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kinetic_sandbox.tableau.deployment import Tableau
    from kinetic_sandbox.tableau.people import Session
    from kinetic_sandbox.tableau.sites import Site


class Version(NamedTuple):
    """Of the REST API."""

    major: int
    minor: int

    @classmethod
    def of(cls, text: str) -> Version:
        """From a text such as "3.29".

        Raises:
            ValueError: it is something else.
        """
        major, _, minor = text.partition(".")
        return cls(int(major), int(minor))


@dataclass(frozen=True)
class Body:
    """What was sent, as far as it is of that kind.

    Attributes:
        files: name and bytes, by the part's name.
    """

    xml: Element | None = None
    json: Any = None
    files: Mapping[str, tuple[str, bytes]] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Call:
    """What a resource needs to answer.

    Attributes:
        session: of the token that was sent.
        path: what stood in the path's places, by their names.
        query: decoded; the last of several.
    """

    tableau: Tableau
    session: Session
    version: Version
    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Body

    @property
    def site(self) -> Site:
        """Of the session; the path can name no other."""
        return self.session.site

    def needs(self, capability: str) -> None:
        """Refuse the call where the user may not do that.

        Raises:
            Refused: 403.
        """
        if capability not in self.session.user.may_do:
            raise Refused("403004", capability)


class Refused(Exception):
    """A call that comes to nothing.

    Args:
        code: six digits; the first three are the status.
        what: the name or the reason that the text mentions.
        retry_after: seconds for the header.
    """

    def __init__(self, code: str, what: str = "", retry_after: int | None = None) -> None:
        super().__init__(f"{code}: {what}")
        self.code = code
        self.what = what
        self.retry_after = retry_after

    @property
    def status(self) -> int:
        """Of HTTP."""
        return int(self.code[:3])

    def told(self, language: str) -> Element:
        """The error, as it is worded there."""
        summary, detail = words(self.code, language, self.what)
        return element(
            "error", (element("summary", text=summary), element("detail", text=detail)),
            code=self.code,
        )  # fmt: skip


@dataclass(frozen=True)
class Done:
    """What a call came to; no elements are an empty body."""

    elements: tuple[Element, ...] = ()
    status: int = 200
