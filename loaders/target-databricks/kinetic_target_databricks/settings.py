"""Every setting, declared once; the README and meltano.yml are compared with it."""

from __future__ import annotations

from typing import Any

JsonSchema = dict[str, Any]


def _setting(description: str, kind: str = "string", **more: Any) -> JsonSchema:  # noqa: ANN401
    return {"type": [kind, "null"], **more, "description": description}


def _secret(description: str) -> JsonSchema:
    return _setting(description, secret=True, writeOnly=True)


def _whole(description: str, default: int) -> JsonSchema:
    return _setting(description, "integer", minimum=1, default=default)


def _by_stream(description: str) -> JsonSchema:
    return _setting(
        description, "object", properties={}, additionalProperties={"type": "string"}, default={}
    )


SETTINGS: JsonSchema = {
    "type": "object",
    "properties": {
        "host": _setting("Workspace, such as dbc-a1b2c3d4-e5f6.cloud.databricks.com"),
        "http_path": _setting("HTTP path of a SQL warehouse, /sql/1.0/warehouses/..."),
        "client_id": _setting("Application id of a service principal, for OAuth"),
        "client_secret": _secret("OAuth secret of the service principal"),
        "account_id": _setting("Account, where tokens are to come from the account's host"),
        "account_host": _setting("The account's host; default: the one of the workspace's cloud"),
        "token": _secret("A personal access token, in place of client_id and client_secret"),
        "catalog": _setting("Catalog, which has to exist"),
        "schema": _setting("Schema, made if it is missing", default="kinetic"),
        "volume": _setting(
            "Volume of the schema that files pass through, made if it is missing", default="stage"
        ),
        "table_names": _by_stream("Table by stream; default: the stream's name"),
        "append_streams": _setting(
            "Streams, as globs, whose every record becomes a row of its own",
            "array", items={"type": "string"}, default=[],
        ),
        "hard_delete": _setting(
            "Delete rows that are retracted, in place of marking them", "boolean", default=False
        ),
        "cluster_by_key": _setting(
            "Cluster new tables by the first four columns of their key", "boolean", default=True
        ),
        "partition_by": _by_stream(
            "Column by stream that partitions a new table, in place of clustering"
        ),
        "batch_size_rows": _whole("Rows of a stream that are loaded by one statement", 100_000),
        "retry_deadline_seconds": _whole("Patience for one statement, repeats included", 900),
    },
}  # fmt: skip
