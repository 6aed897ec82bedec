"""What a request's path names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

INSTANCE = "Kinetic"

_ODATA = ("api", "v2", "odata")
_PREDICATE = re.compile(r"(\w+)\((.*)\)", re.DOTALL)


@dataclass(frozen=True)
class Address:
    """A path, taken apart."""

    kind: str
    company: str | None = None
    service: str | None = None
    entity_set: str | None = None
    predicate: str | None = None


def read_path(path: str) -> Address:
    """Take a path apart; segments are split before they are decoded."""
    segments = [unquote(segment) for segment in path.strip("/").split("/")]
    if segments in (["oauth2", "token"], [INSTANCE, "TokenResource.svc"]):
        return Address("token")
    if segments[0] != INSTANCE or tuple(segments[1:4]) != _ODATA:
        return Address("other")
    rest = segments[4:]
    company, service, *below = [*rest, "", ""][: max(2, len(rest))]
    if not service:
        return Address("other", company or None)
    if service == "BaqSvc" and below:
        return _below_baq(company, below[0], below[1:])
    return _below_service(company, service, below)


def _below_service(company: str, service: str, rest: list[str]) -> Address:
    if rest in ([], [""]):
        return Address("service_document", company, service)
    if rest == ["$metadata"]:
        return Address("metadata", company, service)
    if rest[1:] == ["$count"]:
        return Address("count", company, service, rest[0])
    if rest[1:]:
        return Address("other", company, service)
    match = _PREDICATE.fullmatch(rest[0])
    if match:
        return Address("row", company, service, match[1], match[2])
    return Address("get_rows" if rest == ["GetRows"] else "rows", company, service, rest[0])


def _below_baq(company: str, query_id: str, rest: list[str]) -> Address:
    kinds = {(): "baq_descriptor", ("Data",): "baq", ("$metadata",): "metadata"}
    return Address(kinds.get(tuple(rest), "other"), company, "BaqSvc", query_id)
