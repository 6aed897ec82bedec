"""From a request to its answer: address, login, vices, read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kinetic_sandbox.kinetic.baqs import BAQS
from kinetic_sandbox.kinetic.faults import Fault, access_denied, internal_fault, unknown_resource
from kinetic_sandbox.kinetic.get_rows import get_rows, given_parameters
from kinetic_sandbox.kinetic.http.addresses import Address, read_path
from kinetic_sandbox.kinetic.http.answers import (
    DROPPED,
    XML,
    Answer,
    compressed,
    fault_answer,
    html_answer,
    json_answer,
)
from kinetic_sandbox.kinetic.http.received import ReceivedRequest
from kinetic_sandbox.kinetic.odata.metadata_xml import metadata_document, service_document
from kinetic_sandbox.kinetic.odata.options import MAX_QUERY_LENGTH, decoded_pairs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kinetic_sandbox.kinetic.edm import EntityFacts
    from kinetic_sandbox.kinetic.http.login import Login
    from kinetic_sandbox.kinetic.http.mischief import Mischief
    from kinetic_sandbox.kinetic.http.reading import Reader
    from kinetic_sandbox.kinetic.http.seats import Seats
    from kinetic_sandbox.kinetic.http.traffic import Arrival, Traffic

DATA_KINDS = frozenset({"rows", "count", "baq", "get_rows"})
"""What vices count as data requests."""


@dataclass(frozen=True)
class Request:
    """A request as it came off the wire."""

    method: str
    path: str
    raw_query: str
    headers: Mapping[str, str]
    """Lower-case names."""
    body: str
    origin: str
    """Scheme, host and port of this server."""

    @property
    def query(self) -> dict[str, str]:
        """The decoded query; of repeated names the last."""
        return dict(decoded_pairs(self.raw_query))

    @property
    def url(self) -> str:
        """The absolute address without query."""
        return self.origin + self.path


@dataclass(frozen=True)
class Gateway:
    """Answers tenant traffic."""

    reader: Reader
    login: Login
    mischief: Mischief
    traffic: Traffic
    seats: Seats

    def answer(self, request: Request, arrival: Arrival) -> tuple[Answer, ReceivedRequest]:
        """Answer one request, and say what it was."""
        address = read_path(request.path)
        received = _received(request, address, arrival)
        if self.mischief.is_killed():
            answer = DROPPED
        else:
            try:
                answer = self._dispatch(request, address, received)
            except Fault as fault:
                answer = fault_answer(fault, request.headers.get("accept", ""))
        answer = compressed(answer, request.headers.get("accept-encoding", ""))
        received.status, received.finished = answer.status, self.traffic.now()
        return answer, received

    def _dispatch(self, request: Request, address: Address, received: ReceivedRequest) -> Answer:
        vices = self.reader.vices
        if len(request.raw_query) > (vices.get("query_limit") or MAX_QUERY_LENGTH):
            status = 400 if vices.get("query_limit_400") else 404
            return html_answer(status, "The length of the query string exceeds the maximum.")
        if address.kind == "token":
            return self._token(request)
        if address.company is None:
            return html_answer(404, "File or directory not found.")
        self.login.check(request.headers, request.query, address.company)
        methods = {"GET", "POST"} if address.kind == "get_rows" else {"GET"}
        if request.method not in methods:
            message = f"The requested resource does not support http method '{request.method}'."
            raise Fault(405, "System.Web.Http.HttpResponseException", message)
        if address.service is None or address.kind == "other":
            raise unknown_resource(request.path.rpartition("/")[2])
        self._check_service(address.service)
        if address.kind in DATA_KINDS:
            return self._data(request, address, received)
        return self._plain(request, address)

    def _token(self, request: Request) -> Answer:
        if request.method != "POST":
            return html_answer(405, "The method is not allowed.")
        if request.path.startswith("/oauth2"):
            return self.login.client_credentials(request.headers, request.body)
        return self.login.token_resource(request.headers)

    def _check_service(self, service: str) -> None:
        if service in self.reader.vices.names("missing_service"):
            raise unknown_resource(service)
        if service in self.reader.vices.names("deny_service"):
            raise access_denied(service)

    def _check_reads(self, address: Address) -> None:
        service, entity_set = address.service or "", address.entity_set or ""
        if self.reader.vices.covers("fail_reads", service, entity_set):
            raise internal_fault()

    def _data(self, request: Request, address: Address, received: ReceivedRequest) -> Answer:
        with self.seats.taken(request.headers) as seat:
            received.seat = seat
            top = request.query.get("$top", "")
            instead, cut = self.mischief.before(
                int(top) if top.isdecimal() else None, received.in_flight
            )
            if instead is not None:
                return instead
            with self.traffic.worker(), self.reader.tenant.lock:
                return replace(self._read(request, address), cut=cut)

    def _read(self, request: Request, address: Address) -> Answer:
        if address.kind != "get_rows":
            self._check_reads(address)
        if address.kind == "count":
            return self.reader.count(address, request.raw_query)
        if address.kind == "get_rows":
            return get_rows(self.reader, address, given_parameters(request))
        read = self.reader.baq if address.kind == "baq" else self.reader.rows
        return read(address, request.url, request.raw_query)

    def _plain(self, request: Request, address: Address) -> Answer:
        with self.reader.tenant.lock:
            if address.kind == "row":
                self._check_reads(address)
                return self.reader.row(address, request.url, request.raw_query)
            facts = self._described(address)
        if address.kind == "metadata":
            return Answer(200, metadata_document(facts), XML)
        context = f"{request.url.rstrip('/')}/$metadata"
        if address.kind == "baq_descriptor":
            # Without `/Data` a query tells of itself and gives no rows, with status 200.
            entry = {"name": "Data", "kind": "EntitySet", "url": "Data"}
            return json_answer({"@odata.context": context, "value": [entry]})
        return Answer(200, service_document(context, facts))

    def _described(self, address: Address) -> list[EntityFacts]:
        if address.service != "BaqSvc":
            return self.reader.sets_of(address.service or "")
        if address.entity_set not in BAQS:
            raise unknown_resource(address.entity_set or "BaqSvc")
        return [BAQS[address.entity_set].facts()]


def _received(request: Request, address: Address, arrival: Arrival) -> ReceivedRequest:
    return ReceivedRequest(
        method=request.method,
        path=request.path,
        raw_query=request.raw_query,
        query=request.query,
        headers=dict(request.headers),
        company=address.company,
        service=address.service,
        entity_set=address.entity_set,
        kind=address.kind,
        started=arrival.started,
        in_flight=arrival.in_flight,
        body=request.body if address.kind == "get_rows" else "",
    )
