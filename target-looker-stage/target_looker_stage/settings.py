"""Every setting, declared once; meltano.yml and the README follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinetic_batches.declare import (
    SWITCH,
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

_PDT = record(
    ("model", "view"),
    model={"type": "string"},
    view={"type": "string"},
    force_rebuild=SWITCH,
)

SETTINGS: JsonSchema = {
    "type": "object",
    "properties": {
        "sqlalchemy_url": secret(
            "Warehouse", "SQLAlchemy URL of the warehouse; its dialect decides the loader"
        ),
        "schema": text(
            "Schema", "Schema that Looker reads, made if it is missing", default="epicor_stage"
        ),
        "hard_delete": switch(
            "Hard delete", "Delete rows that are retracted, in place of marking them"
        ),
        "batch_size_rows": whole("Batch size", "Rows of a stream that are loaded at once", 50_000),
        "databricks_volume": text(
            "Databricks volume", "Volume that files pass through: catalog.schema.volume"
        ),
        "redshift_s3": text(
            "Redshift bucket", "Where files pass through: s3://bucket/prefix"
        ),
        "redshift_iam_role": text(
            "Redshift IAM role", "ARN of the role with which Redshift reads the bucket"
        ),
        "lookml_folder": text(
            "LookML folder", "Folder of the generated LookML", default="lookml"
        ),
        "lookml_model": text("LookML model", "Name of the model", default="epicor_kinetic"),
        "lookml_connection": text(
            "Looker connection", "Looker's connection to the warehouse", default="epicor_kinetic"
        ),
        "looker_url": text(
            "Looker URL", "https://host of the instance; without it nothing is told"
        ),
        "looker_client_id": text("Looker client id", "Client id of an API key of Looker"),
        "looker_client_secret": secret("Looker client secret", "Secret of the API key"),
        "looker_ca_bundle": text(
            "Looker CA bundle", "PEM file with the authorities to trust, for a private CA"
        ),
        "looker_timeout_seconds": whole("Looker time-out", "Patience for one answer", 60),
        "looker_deadline_seconds": whole(
            "Looker deadline", "Patience for all that Looker is told, repeats and waits included",
            900,
        ),
        "looker_datagroups": by_name(
            "Datagroups",
            "Streams, as globs, by datagroup or model::datagroup; "
            "default: all, for lookml_model's datagroup epicor_kinetic",
            TEXTS,
        ),
        "looker_notice": choice(
            "Notice", "Trigger a datagroup, or only reset its cache", "trigger", "reset"
        ),
        "looker_pdts": several(
            "PDTs", "Derived tables to rebuild and wait for: model, view, force_rebuild", _PDT
        ),
        "looker_schedules": several(
            "Schedules", "Ids of schedules to run once", {"type": ["string", "integer"]}
        ),
        "looker_project": text("Looker project", "LookML project, for deploy"),
        "looker_branch": text("Looker branch", "Branch that is deployed to production"),
        "on_looker_error": choice(
            "When Looker fails", "End with exit 1, or with a warning", "fail", "warn"
        ),
    },
}  # fmt: skip
