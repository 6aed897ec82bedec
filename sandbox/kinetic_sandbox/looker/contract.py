"""The vendor's description of the API: requests and own answers are held against it."""

from __future__ import annotations

import json
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from pathlib import Path

    from openapi_core import OpenAPI

_UNDECLARED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
"""Looker answers so without saying it in its description; so it does with 5xx."""
_HOST = "https://localhost:19999"


class Contract:
    """An OpenAPI file in which each path carries the API's root.

    Needs the package `openapi-core`.

    Args:
        file: the description.
    """

    def __init__(self, file: Path) -> None:
        described = _described(file)
        self._paths: dict[str, Any] = described["paths"]
        self._api = _api(file)

    def wrong_with_request(
        self, template: str, method: str, path: str, query: str, body: bytes, content_type: str
    ) -> str | None:
        """What a request has that the description does not, or lacks."""
        declared = {
            each["name"]
            for each in self._paths[template][method.lower()].get("parameters", ())
            if each["in"] == "query"
        }
        given = dict(parse_qsl(query, keep_blank_values=True))
        if unknown := sorted(given.keys() - declared):
            return f"query parameter {unknown[0]} is not declared"
        request = _request(method, path, query, body, content_type)
        return self._wrong(self._api.validate_request, request)

    def wrong_with_answer(
        self, template: str, method: str, path: str, query: str, status: int, body: bytes
    ) -> str | None:
        """What an answer has that the description does not, or lacks."""
        from openapi_core.testing import MockResponse  # noqa: PLC0415

        declared = self._paths[template][method.lower()]["responses"]
        if str(status) not in declared:
            is_known = status in _UNDECLARED or status >= HTTPStatus.INTERNAL_SERVER_ERROR
            return None if is_known else f"status {status} is not declared"
        if status == HTTPStatus.NO_CONTENT:  # some are declared with a body all the same
            return "a 204 has a body" if body else None
        answer = MockResponse(data=body, status_code=status, content_type="application/json")
        request = _request(method, path, query, b"", "application/json")
        return self._wrong(self._api.validate_response, request, answer)

    def _wrong(self, check: Any, *values: Any) -> str | None:  # noqa: ANN401 - of openapi-core
        from openapi_core.exceptions import OpenAPIError  # noqa: PLC0415

        try:
            check(*values)
        except OpenAPIError as error:
            return str(error)
        return None


def _request(method: str, path: str, query: str, body: bytes, content_type: str) -> Any:  # noqa: ANN401
    from openapi_core.testing import MockRequest  # noqa: PLC0415

    return MockRequest(
        _HOST, method.lower(), path, args=dict(parse_qsl(query)), data=body or None,
        content_type=content_type.partition(";")[0] or "application/json",
    )  # fmt: skip


@lru_cache
def _described(file: Path) -> dict[str, Any]:
    described: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    # Let no object have fields that are not described: a misspelt one would pass.
    for schema in described["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return described


@lru_cache
def _api(file: Path) -> OpenAPI:
    from openapi_core import OpenAPI  # noqa: PLC0415 - only where a description is given

    return OpenAPI.from_dict(_described(file))
