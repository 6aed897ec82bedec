"""Every setting, declared once; meltano.yml and the README follow."""

from __future__ import annotations

from typing import Any

JsonSchema = dict[str, Any]

_TEXT: JsonSchema = {"type": ["string", "null"]}
_NAMES: JsonSchema = {"type": "array", "items": {"type": "string"}}


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


def _switch(title: str, description: str) -> JsonSchema:
    return _setting(title, description, {"type": ["boolean", "null"]}, default=False)


def _list(title: str, description: str, items: JsonSchema) -> JsonSchema:
    schema = {"type": ["array", "null"], "items": items}
    return _setting(title, description, schema, default=[])


_PDT: JsonSchema = {
    "type": "object",
    "properties": {
        "model": {"type": "string"},
        "view": {"type": "string"},
        "force_rebuild": {"type": ["boolean", "null"]},
    },
    "required": ["model", "view"],
    "additionalProperties": False,
}

SETTINGS: JsonSchema = {
    "type": "object",
    "properties": {
        "sqlalchemy_url": _secret(
            "Warehouse", "SQLAlchemy URL of the warehouse; its dialect decides the loader"
        ),
        "schema": _text(
            "Schema", "Schema that Looker reads, made if it is missing", default="epicor_stage"
        ),
        "hard_delete": _switch(
            "Hard delete", "Delete rows that are retracted, in place of marking them"
        ),
        "batch_size_rows": _whole("Batch size", "Rows of a stream that are loaded at once", 50_000),
        "databricks_volume": _text(
            "Databricks volume", "Volume that files pass through: catalog.schema.volume"
        ),
        "redshift_s3": _text(
            "Redshift bucket", "Where files pass through: s3://bucket/prefix"
        ),
        "redshift_iam_role": _text(
            "Redshift IAM role", "ARN of the role with which Redshift reads the bucket"
        ),
        "lookml_folder": _text(
            "LookML folder", "Folder of the generated LookML", default="lookml"
        ),
        "lookml_model": _text("LookML model", "Name of the model", default="epicor_kinetic"),
        "lookml_connection": _text(
            "Looker connection", "Looker's connection to the warehouse", default="epicor_kinetic"
        ),
        "looker_url": _text(
            "Looker URL", "https://host of the instance; without it nothing is told"
        ),
        "looker_client_id": _text("Looker client id", "Client id of an API key of Looker"),
        "looker_client_secret": _secret("Looker client secret", "Secret of the API key"),
        "looker_ca_bundle": _text(
            "Looker CA bundle", "PEM file with the authorities to trust, for a private CA"
        ),
        "looker_timeout_seconds": _whole("Looker time-out", "Patience for one answer", 60),
        "looker_deadline_seconds": _whole(
            "Looker deadline", "Patience for all that Looker is told, repeats and waits included",
            900,
        ),
        "looker_datagroups": _setting(
            "Datagroups",
            "Streams, as globs, by datagroup or model::datagroup; "
            "default: all, for lookml_model's datagroup epicor_kinetic",
            {"type": ["object", "null"], "properties": {}, "additionalProperties": _NAMES},
        ),
        "looker_notice": _choice(
            "Notice", "Trigger a datagroup, or only reset its cache", "trigger", "reset"
        ),
        "looker_pdts": _list(
            "PDTs", "Derived tables to rebuild and wait for: model, view, force_rebuild", _PDT
        ),
        "looker_schedules": _list(
            "Schedules", "Ids of schedules to run once", {"type": ["string", "integer"]}
        ),
        "looker_project": _text("Looker project", "LookML project, for deploy"),
        "looker_branch": _text("Looker branch", "Branch that is deployed to production"),
        "on_looker_error": _choice(
            "When Looker fails", "End with exit 1, or with a warning", "fail", "warn"
        ),
    },
}  # fmt: skip
