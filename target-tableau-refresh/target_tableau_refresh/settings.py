"""Every setting, declared once; meltano.yml and the README follow."""

from __future__ import annotations

from typing import Any

JsonSchema = dict[str, Any]

_TEXT: JsonSchema = {"type": ["string", "null"]}
_NAMES: JsonSchema = {"type": "array", "items": {"type": "string"}}
_MINUTES: JsonSchema = {"type": ["integer", "null"], "minimum": 1}
_SWITCH: JsonSchema = {"type": ["boolean", "null"]}


def _setting(title: str, description: str, schema: JsonSchema, **more: Any) -> JsonSchema:  # noqa: ANN401
    return {**schema, "title": title, **more, "description": description}


def _text(title: str, description: str, **more: Any) -> JsonSchema:  # noqa: ANN401
    return _setting(title, description, _TEXT, **more)


def _secret(title: str, description: str) -> JsonSchema:
    return {**_text(title, description), "secret": True, "writeOnly": True}


def _choice(title: str, description: str, *choices: str) -> JsonSchema:
    """The first choice is the default."""
    return {**_text(title, description, default=choices[0]), "enum": list(choices)}


def _whole(title: str, description: str, default: int) -> JsonSchema:
    schema = {"type": ["integer", "null"], "minimum": 1}
    return _setting(title, description, schema, default=default)


def _record(required: tuple[str, ...], **properties: JsonSchema) -> JsonSchema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


KINDS = ("datasource", "workbook", "task")
POLICIES = ("fail", "warn", "ignore")

_RULE = _record(
    ("name",),
    name={"type": "string", "minLength": 1},
    streams=_NAMES,
    kind={"enum": list(KINDS)},
    project=_TEXT,
    target=_TEXT,
    id=_TEXT,
    site=_TEXT,
    always=_SWITCH,
    min_interval_minutes=_MINUTES,
    after=_NAMES,
    on_error={"enum": list(POLICIES)},
    incremental=_SWITCH,
    job_timeout_minutes=_MINUTES,
)
_SITE = _record(
    ("site",),
    site={"type": "string"},
    token_name=_TEXT,
    token_secret_env=_TEXT,
    client_id=_TEXT,
    secret_id=_TEXT,
    secret_value_env=_TEXT,
    username=_TEXT,
    password_env=_TEXT,
)

SETTINGS: JsonSchema = {
    "type": "object",
    "properties": {
        "server_url": _text(
            "Server", "https://host of Tableau: of your pod in Tableau Cloud, or of Tableau Server"
        ),
        "site": _text(
            "Site", "As in the address of the site, .../#/site/THIS/; empty: the default site of a "
            "Tableau Server", default="",
        ),
        "api_version": _text(
            "API version", "REST API version to use, such as 3.24; default: the server's newest"
        ),
        "ca_bundle": _text(
            "CA bundle", "PEM file with the authorities to trust, for a private CA"
        ),
        "timeout_seconds": _whole("Time-out", "Patience for one answer", 60),
        "token_name": _text("Token name", "Name of a personal access token"),
        "token_secret": _secret("Token secret", "Secret of the personal access token"),
        "client_id": _text("Client id", "Client id of a connected app (direct trust)"),
        "secret_id": _text("Secret id", "Id of the connected app's secret"),
        "secret_value": _secret("Secret value", "Value of the connected app's secret"),
        "username": _text(
            "User", "User of a connected app's session; or, with `password`, of Tableau Server"
        ),
        "password": _secret("Password", "Password of the user of Tableau Server"),
        "sites": _setting(
            "Sites",
            "More sites by name: site, and token_name, token_secret_env or another login; secrets "
            "are named by their variable; a rule's `site` is one of these names",
            {"type": ["object", "null"], "properties": {}, "additionalProperties": _SITE},
        ),
        "rules": _setting(
            "Rules",
            "Which streams refresh what: name, streams, kind, project, target or id, site, always, "
            "min_interval_minutes, after, on_error, incremental, job_timeout_minutes",
            {"type": ["array", "null"], "items": _RULE}, default=[],
        ),
        "run_log_path": _text("Run log", "The tap's run_log_path, from which the command learns "
                              "what changed"),
        "marks_path": _text(
            "Marks", "File that keeps what has changed and is not refreshed yet",
            default="output/tableau-marks.json",
        ),
        "audit_path": _text(
            "Audit", "File that gets one JSON line for each refresh",
            default="output/tableau-audit.jsonl",
        ),
        "deadline_minutes": _whole("Deadline", "Patience for all refreshes of a run together", 120),
        "poll_seconds": _whole("Poll interval", "Seconds between two looks at a job, at first", 10),
        "max_concurrent": _whole("Concurrency", "Refreshes that run at once", 4),
        "cancel_on_stop": _setting(
            "Cancel on stop", "On SIGTERM cancel the refreshes that this run has started", _SWITCH,
            default=False,
        ),
        "mode": _choice(
            "Mode", "Of the loader: refresh what the streams touched, or publish their rows",
            "refresh", "publish",
        ),
        "publish_folder": _text("Publish folder", "Folder that keeps the .hyper files"),
        "publish_project": _text(
            "Publish project", "Project, as Finance/Daily, that data sources are published to"
        ),
        "publish_as": _choice(
            "Publish as", "Publish the whole file, or send what changed to a live-to-Hyper data "
            "source", "overwrite", "hyper_update",
        ),
        "publish_deleted": _choice(
            "Publish deleted",
            "Take rows that are retracted out of the extracts, or keep them, marked",
            "remove", "keep",
        ),
    },
}  # fmt: skip
