"""What errors say, by their code and in the deployment's language."""

from __future__ import annotations

LANGUAGES = ("en", "de")

_EN = {
    "400000": ("Bad Request", "The request is not well formed: {}."),
    "400003": ("Bad Request", "{}."),
    "400006": ("Invalid Page Number", "The page number {} is out of range."),
    "400007": ("Invalid Page Size", "The page size {} is not between 1 and 1000."),
    "400008": ("Bad Request", "The filter expression is invalid: {}."),
    "400011": ("Bad Request", "There was a problem publishing the file '{}'."),
    "400031": ("Bad Request", "The job '{}' cannot be cancelled: it is finished."),
    "401000": ("Unauthorized Access", "No authentication credentials were provided."),
    "401001": ("Signin Error", "Error signing in to Tableau Server"),
    "401002": ("Unauthorized Access", "Invalid authentication credentials were provided."),
    "403004": ("Forbidden", "You do not have permission to {}."),
    "404000": ("Resource Not Found", "The site '{}' could not be found."),
    "404001": ("Resource Not Found", "The API version {} is not available on this server."),
    "404002": ("Resource Not Found", "User '{}' could not be found."),
    "404003": ("Resource Not Found", "Unknown resource '{}'."),
    "404004": ("Resource Not Found", "Datasource '{}' could not be found."),
    "404005": ("Resource Not Found", "Project '{}' could not be found."),
    "404006": ("Resource Not Found", "Workbook '{}' could not be found."),
    "404014": ("Resource Not Found", "The upload session '{}' could not be found."),
    "404027": ("Resource Not Found", "The task '{}' could not be found."),
    "404031": ("Resource Not Found", "The job '{}' could not be found."),
    "405000": ("Invalid Request Method", "The method {} is not allowed here."),
    "409006": ("Resource Conflict", "A data source named '{}' exists already."),
    "409090": ("Resource Conflict", "The extract operation for '{}' is not allowed: no extract."),
    "409093": (
        "Resource Conflict", "Job for '{}' extract is already queued. Not queuing a duplicate."),
    "413000": ("Request Too Large", "The file is larger than {} MB: upload it in parts."),
    "429000": (
        "Too Many Requests",
        "Too many requests for 'api.rest.refresh_extracts'. Please retry after {} minutes."),
}  # fmt: skip
_DE = {
    "400000": ("Ungültige Anforderung", "Die Anforderung ist nicht wohlgeformt: {}."),
    "401001": ("Fehler beim Anmelden", "Fehler bei der Anmeldung bei Tableau Server"),
    "401002": ("Nicht autorisierter Zugriff", "Die Anmeldeinformationen sind nicht gültig."),
    "403004": ("Unzulässig", "Keine Berechtigung für diese Aktion ({})."),
    "404004": ("Ressource nicht gefunden", "Die Datenquelle „{}“ wurde nicht gefunden."),
    "404006": ("Ressource nicht gefunden", "Die Arbeitsmappe „{}“ wurde nicht gefunden."),
    "409090": ("Ressourcenkonflikt", "Der Vorgang ist für „{}“ nicht zulässig: kein Extrakt."),
    "409093": (
        "Ressourcenkonflikt", "Der Auftrag für den Extrakt „{}“ ist schon in der Warteschlange."),
    "429000": (
        "Zu viele Anforderungen",
        "Zu viele Anforderungen für 'api.rest.refresh_extracts'. Erneut in {} Minuten."),
}  # fmt: skip
_BY_LANGUAGE = {"en": _EN, "de": {**_EN, **_DE}}


def words(code: str, language: str, what: str) -> tuple[str, str]:
    """Summary and detail of an error."""
    summary, detail = _BY_LANGUAGE[language].get(code, ("Error", "{}"))
    return summary, detail.replace("{}", what)
