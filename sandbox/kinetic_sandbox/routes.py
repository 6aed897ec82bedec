"""Which operation of an API a request asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True)
class Route:
    """A method and an address with places, such as /jobs/{job}."""

    method: str
    template: str

    def match(self, method: str, path: str) -> Mapping[str, str] | None:
        """What stands in the places of the template, None where it is another address."""
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.template)
        found = re.fullmatch(pattern, path) if method == self.method else None
        return {name: unquote(text) for name, text in found.groupdict().items()} if found else None


AnyRoute = TypeVar("AnyRoute", bound=Route)


def find(
    routes: Iterable[AnyRoute], method: str, path: str
) -> tuple[AnyRoute, Mapping[str, str]] | None:
    """The first route of a request, and what stands in its places."""
    for route in routes:
        places = route.match(method, path)
        if places is not None:
            return route, places
    return None
