"""The deployment on HTTP: sessions, versions, faults, the record, and the vendor's schema."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from kinetic_sandbox.control import Control
from kinetic_sandbox.kinetic.http.answers import Answer
from kinetic_sandbox.routes import find
from kinetic_sandbox.service import PREFIX, FaultyService
from kinetic_sandbox.tableau import routes
from kinetic_sandbox.tableau.call import Body, Call, Done, Refused, Version
from kinetic_sandbox.tableau.multipart import PAYLOAD, parts
from kinetic_sandbox.tableau.schema import Schema
from kinetic_sandbox.tableau.settings import controls
from kinetic_sandbox.tableau.signing_in import signed_in
from kinetic_sandbox.tableau.xml import ParseError, document, element, parsed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kinetic_sandbox.faults import Fault
    from kinetic_sandbox.tableau.deployment import Tableau
    from kinetic_sandbox.tableau.people import Session

_SERVED_BY = {"Server": "Tableau", "X-Content-Type-Options": "nosniff"}
_XML = "application/xml;charset=utf-8"
_SECRET = "/auth/signin"  # noqa: S105 - an address


@dataclass
class ReceivedCall:
    """One call as it arrived, and what came of it.

    Attributes:
        name: such as "POST finance/datasources/AP Invoices/refresh": ids are spelt as names.
        body: of XML and JSON only, and never a sign-in's.
        size: bytes of the body.
        status: 0 means that the connection was closed without an answer.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str] = field(repr=False)
    name: str = ""
    body: Any = None
    size: int = 0
    status: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the call as plain values, without its token."""
        shown = {name: text for name, text in self.headers.items() if name != "x-tableau-auth"}
        return {**asdict(self), "headers": shown}

    def __str__(self) -> str:
        return self.name


class TableauServer(FaultyService):
    """Serves a deployment on loopback from entering the context until leaving it.

    Args:
        tableau: the deployment.
        port: 0 takes a free one.
        schema: the vendor's XSD file; what contradicts it is kept in `violations`.
    """

    def __init__(self, tableau: Tableau, port: int = 0, schema: Path | None = None) -> None:
        self.tableau = tableau
        self.calls: list[ReceivedCall] = []
        self.violations: list[str] = []
        self._schema = Schema(schema) if schema else None
        super().__init__(port, _SERVED_BY)
        self._control = Control(self, controls(tableau))

    @property
    def asked(self) -> list[str]:
        """The calls so far, such as "POST finance/datasources/AP Invoices/refresh"."""
        return [str(call) for call in self.calls]

    def now(self) -> float:
        """Seconds since 1970."""
        return self.tableau.now()

    def let_pass(self, seconds: float) -> None:
        """Move the clock."""
        with self._lock:
            self.tableau.let_pass(seconds)

    def expire(self) -> None:
        """End every session."""
        self.tableau.expire_sessions()

    def refusal(self, fault: Fault, method: str, path: str) -> Answer:  # noqa: ARG002
        """An error with the fault's code, or the status and three zeros."""
        code = fault.code or f"{fault.status}000"
        told = Refused(code, fault.message).told(self.tableau.language)
        return Answer(fault.status, document((told,)), _XML)

    def answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Answer | None:
        """Answer one request; None closes the connection."""
        to = urlsplit(target)
        if to.path.startswith(PREFIX + "/"):
            return self._control.answer(method, to.path, body)
        call = ReceivedCall(
            method, to.path, dict(parse_qsl(to.query)), dict(headers), size=len(body)
        )
        call.name = self._named(method, to.path)
        sent = self._read(call, body, headers.get("content-type", ""))
        self.calls.append(call)
        answer = self.befallen(method, call.name, lambda: self._worked(call, sent))
        call.status = answer.status if answer else 0
        return answer

    def _read(self, call: ReceivedCall, body: bytes, content_type: str) -> Body | None:
        """The body, None where it is not what its type says."""
        kind = content_type.partition(";")[0]
        files = parts(body, content_type) if kind == "multipart/mixed" else {}
        try:
            if kind == "application/json" and body:
                call.body = json.loads(body)
                return Body(json=call.body)
            sent = files.get(PAYLOAD, ("", b""))[1] if files else body
            if not sent or (not files and kind not in {"text/xml", "application/xml"}):
                return Body(files=files)
            self._hold_against(f"{call}, the request", sent)
            if not call.path.endswith(_SECRET):
                call.body = sent.decode()
            return Body(parsed(sent), files=files)
        except (ParseError, ValueError):
            return None

    def _worked(self, call: ReceivedCall, sent: Body | None) -> Answer:
        self.tableau.settle()
        try:
            done = self._done(call, sent)
            answer = Answer(done.status, document(done.elements) if done.elements else b"", _XML)
        except Refused as refused:
            told = refused.told(self.tableau.language)
            wait = refused.retry_after
            headers = {} if wait is None else {"Retry-After": str(wait)}
            answer = Answer(refused.status, document((told,)), _XML, headers)
        if answer.body:
            self._hold_against(f"{call}, the answer", answer.body)
        return answer

    def _done(self, call: ReceivedCall, sent: Body | None) -> Done:
        _, _, version_text, *_ = [*call.path.split("/", 3), "", "", ""]
        version = self._version(version_text)
        rest = call.path.removeprefix(f"/api/{version_text}")
        found = find(routes.ROUTES, call.method, rest)
        if found is None or found[0].since > version:
            raise Refused("404003", rest)
        route, places = found
        if sent is None:
            raise Refused("400000", "the body is not of its type")
        if route is routes.SERVER_INFO:
            return self._server_info()
        if route is routes.SIGN_IN:
            return signed_in(self.tableau, sent.xml)[1]
        session = self.tableau.session(call.headers.get("x-tableau-auth", ""))
        if route is routes.SIGN_OUT:
            self.tableau.close_session(session)
            return Done(status=204)
        self._may_come(session, route, places)
        assert route.answer is not None  # noqa: S101 - the three above are all
        made = Call(self.tableau, session, version, places, call.query, call.headers, sent)
        return route.answer(made)

    def _version(self, text: str) -> Version:
        try:
            version = Version.of(text)
        except ValueError:
            raise Refused("404003", text) from None
        if version > Version.of(self.tableau.api_version):
            raise Refused("404001", text)
        return version

    def _may_come(
        self, session: Session, route: routes.Operation, places: Mapping[str, str]
    ) -> None:
        """A session is of one site; a web token's scopes say what it is good for."""
        if places["site"] not in {each.id for each in self.tableau.sites}:
            raise Refused("404000", places["site"])
        if places["site"] != session.site.id:
            raise Refused("403004", "use another site with this session")
        if session.scopes is not None and not _covers(session.scopes, route.scopes):
            raise Refused("401002")

    def _server_info(self) -> Done:
        product = element(
            "productVersion", text=self.tableau.product_version, build=self.tableau.build
        )
        version = element("restApiVersion", text=self.tableau.api_version)
        return Done((element("serverInfo", (product, version)),))

    def _named(self, method: str, path: str) -> str:
        """Without the version, and with names for ids."""
        _, _, _, *rest = path.split("/")
        if rest[:1] == ["sites"]:
            rest = rest[1:]
        names = {site.id: site.content_url or "default" for site in self.tableau.sites}
        for site in self.tableau.sites:
            contents = (*site.datasources, *site.workbooks)
            names.update((each.id, each.path) for each in contents)
            names.update((each.id, each.target.path) for each in site.tasks)
            names.update((each.id, each.name) for each in self.tableau.users)
            names.update((each.id, str(at)) for at, each in enumerate(site.jobs, start=1))
        return f"{method} " + "/".join(names.get(each, each) for each in rest)

    def _hold_against(self, what: str, body: bytes) -> None:
        wrong = self._schema.wrong_with(body) if self._schema else None
        if wrong:
            self.violations.append(f"{what}: {wrong}")


def _covers(scopes: frozenset[str], wanted: tuple[str, ...]) -> bool:
    """Whether one of them is given; `*` is any action, or any resource."""
    patterns = [re.escape(each).replace(r"\*", "[^:]+") for each in scopes]
    return any(re.fullmatch(pattern, each) for pattern in patterns for each in wanted)
