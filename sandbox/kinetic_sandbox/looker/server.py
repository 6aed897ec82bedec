"""The instance on HTTP: tokens, faults, the record, and the vendor's description."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from kinetic_sandbox.control import Control
from kinetic_sandbox.kinetic.http.answers import Answer, json_answer
from kinetic_sandbox.looker import routes
from kinetic_sandbox.looker.call import ROOT, Call, Done, Refused, not_found
from kinetic_sandbox.looker.contract import Contract
from kinetic_sandbox.looker.control import controls
from kinetic_sandbox.routes import find
from kinetic_sandbox.service import PREFIX, FaultyService

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kinetic_sandbox.faults import Fault
    from kinetic_sandbox.looker.instance import Looker, Session

_SERVED_BY = {"Server": "nginx", "X-Content-Type-Options": "nosniff"}
_JSON, _FORM = "application/json", "application/x-www-form-urlencoded"


@dataclass
class ReceivedCall:
    """One call as it arrived, and what came of it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str] = field(repr=False)
    body: Any = None
    """Of JSON only: a login's form is nobody's business."""
    status: int = 0
    """0 means that the connection was closed without an answer."""

    def as_dict(self) -> dict[str, Any]:
        """Return the call as plain values, without its token."""
        headers = {name: text for name, text in self.headers.items() if name != "authorization"}
        return {**asdict(self), "headers": headers}

    def __str__(self) -> str:
        return f"{self.method} {self.path.removeprefix(ROOT)}"


class LookerServer(FaultyService):
    """Serves an instance on loopback from entering the context until leaving it.

    Args:
        looker: the instance.
        port: 0 takes a free one.
        description: the vendor's OpenAPI file; what contradicts it is kept in `violations`.
    """

    def __init__(self, looker: Looker, port: int = 0, description: Path | None = None) -> None:
        self.looker = looker
        self.calls: list[ReceivedCall] = []
        self.violations: list[str] = []
        self._contract = Contract(description) if description else None
        super().__init__(port, _SERVED_BY)
        self._control = Control(self, controls(looker))

    @property
    def asked(self) -> list[str]:
        """The calls so far, such as "PATCH /datagroups/1"."""
        return [str(call) for call in self.calls]

    def now(self) -> float:
        """Seconds since 1970."""
        return self.looker.now()

    def let_pass(self, seconds: float) -> None:
        """Move the clock."""
        self.looker.let_pass(seconds)

    def expire(self) -> None:
        """End every token."""
        self.looker.expire_tokens()

    def refusal(self, fault: Fault, method: str, path: str) -> Answer:
        """An error with the fault's message."""
        told = Refused(fault.status, fault.message).body(method, path)
        return json_answer(told, fault.status)

    def answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Answer | None:
        """Answer one request; None closes the connection."""
        parts = urlsplit(target)
        if parts.path.startswith(PREFIX + "/"):
            return self._control.answer(method, parts.path, body)
        content_type = headers.get("content-type", "").partition(";")[0]
        # The official Python client leaves the version out of this one address.
        path = f"{ROOT}/logout" if parts.path == "/api/logout" else parts.path
        call = ReceivedCall(method, path, dict(parse_qsl(parts.query)), dict(headers))
        if content_type == _JSON and body:
            call.body = json.loads(body)
        self.calls.append(call)
        answer = self.befallen(
            method, path, lambda: self._worked(call, parts.query, body, content_type)
        )
        call.status = answer.status if answer else 0
        return answer

    def _worked(self, call: ReceivedCall, query: str, body: bytes, content_type: str) -> Answer:
        found = find(routes.ROUTES, call.method, call.path)
        if found is None:
            return json_answer(not_found().body(call.method, call.path), 404)
        route, places = found
        self._hold_against("the request", call, route, query, body, content_type)
        try:
            done = self._done(call, route, places, body, content_type)
            answer = Answer(done.status, b"", _JSON)
            if done.value is not None:
                answer = json_answer(done.value, done.status)
        except Refused as refused:
            answer = json_answer(refused.body(call.method, route.template), refused.status)
            if refused.status == 429 and self.looker.quota_returns_after is not None:  # noqa: PLR2004
                wait = {"Retry-After": str(self.looker.quota_returns_after)}
                answer = replace(answer, headers=wait)
        self._hold_against("the answer", call, route, query, answer.body, status=answer.status)
        return answer

    def _done(
        self,
        call: ReceivedCall,
        route: routes.Operation,
        places: Mapping[str, str],
        body: bytes,
        content_type: str,
    ) -> Done:
        token = call.headers.get("authorization", "").rpartition(" ")[2]
        if route is routes.LOGIN:
            return self._log_in(call, body if content_type == _FORM else b"")
        if route is routes.VERSIONS:
            return Done(self._versions())
        session: Session = self.looker.session(token)
        if route is routes.LOGOUT:
            self.looker.log_out(token)
            return Done(status=204)
        assert route.answer is not None  # noqa: S101 - the three above are all
        self.looker.count(route.kind)
        return route.answer(Call(self.looker, session, places, call.query, call.body or {}))

    def _log_in(self, call: ReceivedCall, form: bytes) -> Done:
        given = {**call.query, **{name: each[-1] for name, each in parse_qs(form.decode()).items()}}
        call.query = dict.fromkeys(call.query, "***")
        token = self.looker.log_in(given.get("client_id", ""), given.get("client_secret", ""))
        life = int(self.looker.token_life)
        return Done({"access_token": token, "token_type": "Bearer", "expires_in": life,
                     "refresh_token": None})  # fmt: skip

    def _versions(self) -> dict[str, Any]:
        version = {"version": "4.0", "full_version": "4.0.26.12", "status": "current"}
        return {
            "looker_release_version": "26.12.3",
            "current_version": version,
            "supported_versions": [version],
            "api_server_url": self.url,
            "web_server_url": self.url,
        }

    def _hold_against(
        self,
        what: str,
        call: ReceivedCall,
        route: routes.Operation,
        query: str,
        body: bytes,
        content_type: str = "",
        status: int = 0,
    ) -> None:
        if self._contract is None:
            return
        where = (route.template, call.method, call.path, query)
        wrong = (
            self._contract.wrong_with_answer(*where, status, body)
            if status
            else self._contract.wrong_with_request(*where, body, content_type)
        )
        if wrong:
            self.violations.append(f"{call}, {what}: {wrong}")
