"""Every setting, declared once; meltano.yml and the README follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinetic_batches.declare import (
    SWITCH,
    TEXT,
    TEXTS,
    by_name,
    choice,
    record,
    secret,
    several,
    switch,
    text,
    whole,
)

if TYPE_CHECKING:
    from kinetic_batches.declare import JsonSchema

_MINUTES: JsonSchema = {"type": ["integer", "null"], "minimum": 1}
KINDS = ("datasource", "workbook", "task")
POLICIES = ("fail", "warn", "ignore")

_RULE = record(
    ("name",),
    name={"type": "string", "minLength": 1},
    streams=TEXTS,
    kind={"enum": list(KINDS)},
    project=TEXT,
    target=TEXT,
    id=TEXT,
    site=TEXT,
    always=SWITCH,
    min_interval_minutes=_MINUTES,
    after=TEXTS,
    on_error={"enum": list(POLICIES)},
    incremental=SWITCH,
    job_timeout_minutes=_MINUTES,
)
_SITE = record(
    ("site",),
    site={"type": "string"},
    token_name=TEXT,
    token_secret_env=TEXT,
    client_id=TEXT,
    secret_id=TEXT,
    secret_value_env=TEXT,
    username=TEXT,
    password_env=TEXT,
)

SETTINGS: JsonSchema = {
    "type": "object",
    "properties": {
        "server_url": text(
            "Server", "https://host of Tableau: of your pod in Tableau Cloud, or of Tableau Server"
        ),
        "site": text(
            "Site", "As in the address of the site, .../#/site/THIS/; empty: the default site of a "
            "Tableau Server", default="",
        ),
        "api_version": text(
            "API version", "REST API version to use, such as 3.24; default: the server's newest"
        ),
        "ca_bundle": text(
            "CA bundle", "PEM file with the authorities to trust, for a private CA"
        ),
        "timeout_seconds": whole("Time-out", "Patience for one answer", 60),
        "token_name": text("Token name", "Name of a personal access token"),
        "token_secret": secret("Token secret", "Secret of the personal access token"),
        "client_id": text("Client id", "Client id of a connected app (direct trust)"),
        "secret_id": text("Secret id", "Id of the connected app's secret"),
        "secret_value": secret("Secret value", "Value of the connected app's secret"),
        "username": text(
            "User", "User of a connected app's session; or, with `password`, of Tableau Server"
        ),
        "password": secret("Password", "Password of the user of Tableau Server"),
        "sites": by_name(
            "Sites",
            "More sites by name: site, and token_name, token_secret_env or another login; secrets "
            "are named by their variable; a rule's `site` is one of these names",
            _SITE,
        ),
        "rules": several(
            "Rules",
            "Which streams refresh what: name, streams, kind, project, target or id, site, always, "
            "min_interval_minutes, after, on_error, incremental, job_timeout_minutes",
            _RULE,
        ),
        "run_log_path": text("Run log", "The tap's run_log_path, from which the command learns "
                              "what changed"),
        "marks_path": text(
            "Marks", "File that keeps what has changed and is not refreshed yet",
            default="output/tableau-marks.json",
        ),
        "audit_path": text(
            "Audit", "File that gets one JSON line for each refresh",
            default="output/tableau-audit.jsonl",
        ),
        "deadline_minutes": whole("Deadline", "Patience for all refreshes of a run together", 120),
        "poll_seconds": whole("Poll interval", "Seconds between two looks at a job, at first", 10),
        "max_concurrent": whole("Concurrency", "Refreshes that run at once", 4),
        "cancel_on_stop": switch(
            "Cancel on stop", "On SIGTERM cancel the refreshes that this run has started"
        ),
        "mode": choice(
            "Mode", "Of the loader: refresh what the streams touched, or publish their rows",
            "refresh", "publish",
        ),
        "publish_folder": text("Publish folder", "Folder that keeps the .hyper files"),
        "publish_project": text(
            "Publish project", "Project, as Finance/Daily, that data sources are published to"
        ),
        "publish_as": choice(
            "Publish as", "Publish the whole file, or send what changed to a live-to-Hyper data "
            "source", "overwrite", "hyper_update",
        ),
        "publish_deleted": choice(
            "Publish deleted",
            "Take rows that are retracted out of the extracts, or keep them, marked",
            "remove", "keep",
        ),
    },
}  # fmt: skip
