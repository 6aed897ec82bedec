"""What the server refuses, and in whose words."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from uuid import UUID
from xml.sax.saxutils import escape

UNAUTHORIZED = "System.UnauthorizedAccessException"
NOT_FOUND = "Epicor.RESTApi.ErrorHandling.ApiException"
ODATA = "ODataException"
BUSINESS = "Ice.Common.BusinessObjectException"
LICENCE = "Erp.Services.Licensing.LicenseAccessException"


@dataclass(eq=False)
class Fault(Exception):
    """An answer that is not the one asked for."""

    status: int
    error_type: str
    message: str

    def body(self, *, as_json: bool) -> bytes:
        """Spell the error body; without JSON in `Accept` the server answers in XML."""
        fields: dict[str, object] = {
            "HttpStatus": self.status,
            "ReasonPhrase": "REST API Exception",
            "ErrorMessage": self.message,
            "ErrorType": self.error_type,
            "CorrelationId": correlation_id(),
        }
        if as_json:
            return json.dumps(fields).encode()
        inner = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in fields.items())
        return f"<ErrorResponse>{inner}</ErrorResponse>".encode()


def correlation_id() -> str:
    """Draw an id under which nobody will find anything in the server's log."""
    return str(UUID(int=random.getrandbits(128), version=4))


def odata_fault(message: str) -> Fault:
    """Return the 400 of the OData layer."""
    return Fault(400, ODATA, message)


def unknown_property(name: str, type_name: str) -> Fault:
    """Return the 400 for a property that the type does not have."""
    return odata_fault(f"Could not find a property named '{name}' on type '{type_name}'")


def internal_fault() -> Fault:
    """Return the 500 that says nothing."""
    message = (
        "We apologize, but an unexpected internal problem occurred. "
        f"Correlation ID: {correlation_id()}"
    )
    return Fault(500, "System.Exception", message)


def unknown_resource(what: str) -> Fault:
    """Return the 404 for a service or an entity set that does not exist."""
    return Fault(404, NOT_FOUND, f"Resource not found for the segment '{what}'.")


def missing_record() -> Fault:
    """Return the 404 for a key under which there is no row."""
    return Fault(404, "Ice.Common.RecordNotFoundException", "Record not found.")


def login_refused() -> Fault:
    """Return the 401 for a wrong user, password or token."""
    return Fault(401, UNAUTHORIZED, "Invalid username or password.")


def key_refused(key: str, company: str) -> Fault:
    """Return the 401 for a wrong API key; the real server echoes the key, too."""
    return Fault(401, UNAUTHORIZED, f"Invalid API Key {key}.\r\nCompany {company}.")


def access_denied(service: str) -> Fault:
    """Return the 401 for a business object that this user may not read."""
    return Fault(401, UNAUTHORIZED, f"Access denied ({service.removesuffix('Svc')}.GetRows).")


def licence_exhausted() -> Fault:
    """Return the 400 for which a client should wait, despite its status."""
    return Fault(400, LICENCE, "Maximum users exceeded on license")


def licence_unknown(text: str) -> Fault:
    """Return the 400 for a `License` header that names no licence of this installation."""
    return Fault(400, LICENCE, f"The claimed license '{text}' is not valid.")


def not_allowed(what: str) -> Fault:
    """Return the 400 of a service whose query validation leaves something out."""
    message = f"The query specified in the URI is not valid. {what} is not allowed."
    return odata_fault(message)


def conversions_pending() -> Fault:
    """Return the 503 of a server that is being upgraded."""
    return Fault(503, "Ice.Common.ConversionsPendingException", "Conversions are pending.")
