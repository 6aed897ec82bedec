"""Every setting of the tap, declared once: schema, `--about`, meltano.yml and docs follow.

JSON Schema as plain data: a run that needs nothing else of the SDK starts without it.
"""

from __future__ import annotations

from typing import Any

from .sensitive import SENSITIVE_COLUMNS

JsonSchema = dict[str, Any]

COMPANY_HELP = "Company codes to read; each row carries its company, bookmarks are kept per company"

_TEXTS: JsonSchema = {"type": ["array", "null"], "items": {"type": ["string"]}}
_TEXT: JsonSchema = {"type": ["string", "null"]}
_NAME: JsonSchema = {"type": ["string"]}
_NAMES: JsonSchema = {"type": "array", "items": {"type": ["string"]}}


def _setting(title: str, description: str, schema: JsonSchema, **more: Any) -> JsonSchema:  # noqa: ANN401
    return {**schema, "title": title, **more, "description": description}


def _text(title: str, description: str) -> JsonSchema:
    return _setting(title, description, _TEXT)


def _secret(title: str, description: str) -> JsonSchema:
    return {**_text(title, description), "secret": True, "writeOnly": True}


def _moment(title: str, description: str) -> JsonSchema:
    return _setting(title, description, {**_TEXT, "format": "date-time"})


def _choice(title: str, description: str, *choices: str) -> JsonSchema:
    """The first choice is the default."""
    return {**_setting(title, description, _TEXT, default=choices[0]), "enum": list(choices)}


def _whole(
    title: str, description: str, default: int, *, minimum: int = 1, maximum: int | None = None
) -> JsonSchema:
    bounds = {"minimum": minimum} if maximum is None else {"minimum": minimum, "maximum": maximum}
    return _setting(title, description, {"type": ["integer", "null"], **bounds}, default=default)


def _object(properties: JsonSchema, *required: str) -> JsonSchema:
    """Sub-keys that are not listed are refused in `config.py`, which can say what is possible."""
    schema: JsonSchema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = list(required)
    return {**schema, "additionalProperties": True}


_OPTIONS: JsonSchema = {
    "replication_key": _TEXT,
    "primary_keys": _TEXTS,
    "closed_when": _TEXT,
    "filter": _TEXT,
    "page_size": {"type": ["integer", "null"], "minimum": 1},
    "select": _TEXTS,
    "read_method": {**_TEXT, "enum": ["odata", "GetRows"]},
    "table": _TEXT,
}
_STREAM_OPTION = _object({"service": _TEXT, "entity_set": _TEXT, **_OPTIONS})
_BUSINESS_OBJECT = _object(
    {"name": _NAME, "service": _NAME, "entity_set": _NAME, **_OPTIONS},
    "name", "service", "entity_set",
)  # fmt: skip
_PARAMETERS: JsonSchema = {
    "type": ["object", "null"],
    "properties": {},
    "additionalProperties": {"type": ["string", "array"], "items": {"type": "string"}},
}
_BAQ = _object(
    {
        "id": _NAME,
        "primary_keys": _NAMES,
        "name": _TEXT,
        "parameters": _PARAMETERS,
        "replication_key": _TEXT,
        "bookmark_parameter": _TEXT,
    },
    "id", "primary_keys",
)  # fmt: skip

_PROPERTIES: JsonSchema = {
    "api_url": _setting(
        "API URL",
        "Root of the instance, https://host/instance; a longer pasted address is cut",
        _NAME,
    ),
    "companies": _setting("Companies", COMPANY_HELP, _NAMES),
    "api_key": _secret("API key", "Sent as the x-api-key header, never in the URL"),
    "auth_method": _choice(
        "Way in",
        "Basic on each call, Epicor's TokenResource.svc, or OAuth 2 client credentials",
        "basic",
        "token_resource",
        "oauth2",
    ),
    "username": _text("User", "Kinetic user, for basic and token_resource"),
    "password": _secret("Password", "Password of the user, for basic and token_resource"),
    "oauth_token_url": _text(
        "OAuth token URL", "Token endpoint of Epicor Identity or Entra ID, for oauth2"
    ),
    "oauth_client_id": _text("OAuth client id", "Client (application) id, for oauth2"),
    "oauth_client_secret": _secret(
        "OAuth client secret", "Tried in the body, then as a Basic header, for oauth2"
    ),
    "oauth_scope": _text("OAuth scope", "Scope to ask for, where the identity provider wants one"),
    "start_date": _moment(
        "Start date",
        "Lower bound of a first sync of documents and journals; masters are read whole",
    ),
    "closed_records": _choice(
        "Closed records",
        "Keep inactive and voided records out and retract them, or load them as rows",
        "exclude",
        "include",
    ),
    "column_naming": _choice(
        "Column naming",
        "Names as Epicor has them, or snake_case; settings always use Epicor's",
        "source",
        "snake_case",
    ),
    "decimal_format": _choice(
        "Decimal format",
        "JSON numbers, or strings that name precision and scale; choose by warehouse",
        "number",
        "singer_decimal",
    ),
    "page_size": _whole(
        "Page size",
        "Rows asked for per request; halved by itself when the server cannot make it",
        1000,
    ),
    "max_concurrency": _whole(
        "Concurrency",
        "Ceiling of requests in flight, shared by all streams; each may take a licence",
        4,
    ),
    "lookback_seconds": _whole(
        "Lookback", "Overlap with the previous run that catches late commits", 300, minimum=0
    ),
    "request_timeout_seconds": _whole("Request time-out", "Patience for one answer", 300),
    "retry_deadline_seconds": _whole(
        "Retry deadline", "Total patience for one request, retries and waits included", 900
    ),
    "claimed_license": _text(
        "Claimed licence",
        "default, web_service, data_collection or a GUID: sent as the License header",
    ),
    "ca_bundle": _text(
        "CA bundle", "PEM file with the certificate authorities to trust, for a private CA"
    ),
    "tls_verify": _setting(
        "Verify TLS",
        "false accepts any certificate and warns",
        {"type": ["boolean", "null"]},
        default=True,
    ),
    "business_objects": _setting(
        "Business objects",
        "More streams: name, service, entity_set, and the options of stream_options",
        {"type": ["array", "null"], "items": _BUSINESS_OBJECT},
        default=[],
    ),
    "baqs": _setting(
        "BAQs",
        "BAQs as streams: id, primary_keys; name, parameters, replication_key, bookmark_parameter",
        {"type": ["array", "null"], "items": _BAQ},
        default=[],
    ),
    "stream_options": _setting(
        "Stream options",
        "Overrides by stream; each is checked against $metadata at discovery",
        {"type": ["object", "null"], "properties": {}, "additionalProperties": _STREAM_OPTION},
    ),
    "sensitive_columns": _setting(
        "Sensitive columns",
        "Columns that are deselected by default: globs, whatever their case",
        _TEXTS,
        default=list(SENSITIVE_COLUMNS),
    ),
    "replay_since": _moment(
        "Replay since", "Send again what changed since then, and leave the bookmarks alone"
    ),
    "replay_until": _moment("Replay until", "End of the replay; needs replay_since"),
    "sweep_streams": _setting(
        "Sweep streams",
        "Streams, as globs, whose keys are compared to find rows deleted in Kinetic",
        _TEXTS,
        default=[],
    ),
    "sweep_path": _text(
        "Sweep folder", "Folder that keeps the known keys from run to run, for sweep_streams"
    ),
    "sweep_every_hours": _whole(
        "Sweep interval",
        "Hours between two sweeps of a stream; 0 sweeps in each run",
        24,
        minimum=0,
    ),
    "sweep_limit_percent": _whole(
        "Sweep limit",
        "Share of known rows; a sweep that finds more of them gone retracts nothing",
        20,
        maximum=100,
    ),
    "run_log_path": _text(
        "Run log", "Append one JSON line per company and stream of each run to this file"
    ),
    "sent_keys_path": _text(
        "Sent keys", "Keep the keys of the last run in this file, for verify --sent-keys"
    ),
}

SETTINGS: JsonSchema = {
    "type": "object",
    "properties": _PROPERTIES,
    "required": ["api_url", "companies"],
    "$schema": "https://json-schema.org/draft/2020-12/schema",
}
