"""Every setting of the tap, declared once: schema, `--about`, meltano.yml and docs follow."""

from __future__ import annotations

from singer_sdk import typing as th

COMPANY_HELP = "Company codes to read; each row carries its company, bookmarks are kept per company"

STREAM_OPTION = th.ObjectType(
    th.Property("service", th.StringType),
    th.Property("entity_set", th.StringType),
    th.Property("replication_key", th.StringType),
    th.Property("closed_when", th.StringType),
    th.Property("filter", th.StringType),
    th.Property("page_size", th.IntegerType(minimum=1)),
    additional_properties=False,
)

SETTINGS = th.PropertiesList(
    th.Property(
        "api_url",
        th.StringType,
        required=True,
        title="API URL",
        description="Root of the instance, https://host/instance; a longer pasted address is cut",
    ),
    th.Property(
        "companies",
        th.ArrayType(th.StringType),
        required=True,
        title="Companies",
        description=COMPANY_HELP,
    ),
    th.Property(
        "api_key",
        th.StringType,
        secret=True,
        title="API key",
        description="Sent as the x-api-key header, never in the URL",
    ),
    th.Property(
        "auth_method",
        th.StringType,
        allowed_values=["basic", "token_resource", "oauth2"],
        default="basic",
        title="Way in",
        description="Basic on each call, Epicor's TokenResource.svc, or OAuth 2 client credentials",
    ),
    th.Property(
        "username",
        th.StringType,
        title="User",
        description="Kinetic user, for basic and token_resource",
    ),
    th.Property(
        "password",
        th.StringType,
        secret=True,
        title="Password",
        description="Password of the user, for basic and token_resource",
    ),
    th.Property(
        "oauth_token_url",
        th.StringType,
        title="OAuth token URL",
        description="Token endpoint of Epicor Identity or Entra ID, for oauth2",
    ),
    th.Property(
        "oauth_client_id",
        th.StringType,
        title="OAuth client id",
        description="Client (application) id, for oauth2",
    ),
    th.Property(
        "oauth_client_secret",
        th.StringType,
        secret=True,
        title="OAuth client secret",
        description="Tried in the body, then as a Basic header, for oauth2",
    ),
    th.Property(
        "oauth_scope",
        th.StringType,
        title="OAuth scope",
        description="Scope to ask for, where the identity provider wants one",
    ),
    th.Property(
        "start_date",
        th.DateTimeType,
        title="Start date",
        description="Lower bound of a first sync of documents and journals; masters are read whole",
    ),
    th.Property(
        "closed_records",
        th.StringType,
        allowed_values=["exclude", "include"],
        default="exclude",
        title="Closed records",
        description="Keep inactive and voided records out and retract them, or load them as rows",
    ),
    th.Property(
        "decimal_format",
        th.StringType,
        allowed_values=["number", "singer_decimal"],
        default="number",
        title="Decimal format",
        description="JSON numbers, or strings that name precision and scale; choose by warehouse",
    ),
    th.Property(
        "page_size",
        th.IntegerType(minimum=1),
        default=1000,
        title="Page size",
        description="Rows asked for per request; halved by itself when the server cannot make it",
    ),
    th.Property(
        "lookback_seconds",
        th.IntegerType(minimum=0),
        default=300,
        title="Lookback",
        description="Overlap with the previous run that catches late commits",
    ),
    th.Property(
        "request_timeout_seconds",
        th.IntegerType(minimum=1),
        default=300,
        title="Request time-out",
        description="Patience for one answer",
    ),
    th.Property(
        "retry_deadline_seconds",
        th.IntegerType(minimum=1),
        default=900,
        title="Retry deadline",
        description="Total patience for one request, retries and waits included",
    ),
    th.Property(
        "ca_bundle",
        th.StringType,
        title="CA bundle",
        description="PEM file with the certificate authorities to trust, for a private CA",
    ),
    th.Property(
        "tls_verify",
        th.BooleanType,
        default=True,
        title="Verify TLS",
        description="false accepts any certificate and warns",
    ),
    th.Property(
        "stream_options",
        th.ObjectType(additional_properties=STREAM_OPTION),
        title="Stream options",
        description="Overrides by stream; each is checked against $metadata at discovery",
    ),
    th.Property(
        "run_log_path",
        th.StringType,
        title="Run log",
        description="Append one JSON line per company and stream of each run to this file",
    ),
)
