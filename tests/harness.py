"""Runs the tap as a user would, keeps what it sent by key, and compares that with the tenant."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tap_epicor_kinetic.sensitive import SENSITIVE_COLUMNS, is_sensitive

if TYPE_CHECKING:
    from kinetic_sandbox.kinetic import KineticServer, Tenant

TAP = [sys.executable, "-m", "tap_epicor_kinetic"]
AUDIT = "epicor_sync_runs"
LINEAGE = {
    "_epicor_instance",
    "_epicor_company",
    "_epicor_source_id",
    "_epicor_source_url",
    "_epicor_synced_at",
    "_epicor_run_id",
    "_sdc_deleted_at",
}
Key = tuple[Any, ...]


def settings(server: KineticServer, **overrides: Any) -> dict[str, Any]:
    """A configuration that works on the sandbox, patient for seconds instead of minutes."""
    return {
        "api_url": server.url,
        "companies": list(server.tenant.companies),
        "username": server.username,
        "password": server.password,
        "api_key": server.api_key,
        "retry_deadline_seconds": 20,
        "request_timeout_seconds": 5,
        **overrides,
    }


@dataclass
class Result:
    """What one process did."""

    code: int
    stderr: str
    messages: list[dict[str, Any]]

    @property
    def state(self) -> dict[str, Any] | None:
        """The last STATE."""
        states = [m["value"] for m in self.messages if m["type"] == "STATE"]
        return states[-1] if states else None

    @property
    def markers(self) -> list[dict[str, Any]]:
        """Every final marker that was sent; a complete run has one, a cut one none."""
        values = [m["value"] for m in self.messages if m["type"] == "STATE"]
        return [value["last_complete_run"] for value in values if "last_complete_run" in value]

    def records(self, stream: str) -> list[dict[str, Any]]:
        """The records of a stream, in order."""
        return [
            m["record"] for m in self.messages if m["type"] == "RECORD" and m["stream"] == stream
        ]

    def streams(self) -> list[str]:
        """Streams in the order of their SCHEMA messages."""
        return [m["stream"] for m in self.messages if m["type"] == "SCHEMA"]

    @property
    def error(self) -> str:
        """The message for the person on call: the last line on stderr."""
        return self.stderr.strip().splitlines()[-1] if self.stderr.strip() else ""


def run_tap(
    folder: Path,
    config: dict[str, Any],
    *arguments: str,
    state: dict[str, Any] | None = None,
    catalog: dict[str, Any] | None = None,
    timeout: float = 120,
) -> Result:
    """Run the console program and read its messages."""
    command = [*TAP, *tap_files(folder, config, state, catalog), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, env=environment(), check=False
    )
    return Result(done.returncode, done.stderr, read_messages(done.stdout))


def tap_files(
    folder: Path,
    config: dict[str, Any],
    state: dict[str, Any] | None,
    catalog: dict[str, Any] | None,
) -> list[str]:
    """Write what the tap is given, and name it on the command line."""
    arguments = []
    for name, content in (("config", config), ("state", state), ("catalog", catalog)):
        if content is not None:
            path = folder / f"{name}.json"
            path.write_text(json.dumps(content))
            arguments += [f"--{name}", str(path)]
    return arguments


def environment() -> dict[str, str]:
    """This process's environment without anything that would configure the tap."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("TAP_", "TARGET_"))}


def read_messages(stdout: str) -> list[dict[str, Any]]:
    """Singer messages; numbers keep their digits. Anything else on stdout fails here."""
    if stdout.lstrip().startswith("{\n"):
        return []  # a catalog
    return [json.loads(line, parse_float=Decimal) for line in stdout.splitlines() if line]


def is_company_check(request: Any) -> bool:
    """Whether a request only proves that a company can be read: one row, in no order."""
    return request.query.keys() <= {"$select", "$top"} and request.query.get("$top") == "1"


@dataclass
class Warehouse:
    """Upserts by key, as a loader does; counts nothing, forgives nothing."""

    keys: dict[str, list[str]] = field(default_factory=dict)
    tables: dict[str, dict[Key, dict[str, Any]]] = field(default_factory=dict)

    def load(self, result: Result) -> None:
        """Apply SCHEMA and RECORD messages in order."""
        for message in result.messages:
            stream = message.get("stream", "")
            if message["type"] == "SCHEMA":
                self.keys[stream] = message["key_properties"]
                self.tables.setdefault(stream, {})
            elif message["type"] == "RECORD":
                record = message["record"]
                self.tables[stream][tuple(record[k] for k in self.keys[stream])] = record

    def open_rows(self, stream: str, company: str) -> dict[Key, dict[str, Any]]:
        """Rows that are not marked, without the columns that the tap adds, numbers as Decimal."""
        return {
            key: {name: plain(value) for name, value in row.items() if name not in LINEAGE}
            for key, row in self.tables.get(stream, {}).items()
            if row["_sdc_deleted_at"] is None and row["_epicor_company"] == company
        }


def plain(value: Any) -> Any:
    """Numbers compare by value, whatever type carried them."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, float):
        return Decimal(repr(value))  # the shortest text that is this double, as JSON has it
    return Decimal(value) if isinstance(value, int | Decimal) else value


def expected_rows(tenant: Tenant, stream: str, company: str) -> dict[Key, dict[str, Any]]:
    """What the tenant shows as open, as the product page says that it is sent."""
    entity = tenant.entity(stream)
    types = {name: column.type for name, column in entity.columns.items()}
    rows = {}
    for row in tenant.rows(stream, company):
        if tenant.is_closed(stream, row):
            continue
        if stream == "companies" and row["Company1"] != company:
            continue
        sent = {
            name: plain(as_sent(value, types[name]))
            for name, value in row.items()
            if not is_sensitive(name, SENSITIVE_COLUMNS)
        }
        rows[tuple(as_sent(row[k], types[k]) for k in entity.key)] = sent
    return rows


def as_sent(value: Any, edm_type: str) -> Any:
    """UTC with every digit; a midnight keeps its calendar day; an empty id is null."""
    if edm_type == "Edm.Guid" and value == "":
        return None
    if edm_type != "Edm.DateTimeOffset" or value is None:
        return value
    day, clock, fraction, zone = re.fullmatch(
        r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)?", value
    ).groups(default="")
    if zone == "Z":
        return value
    if clock == "00:00:00" and not fraction.strip(".0"):
        return f"{day}T00:00:00Z"
    moment = datetime.fromisoformat(f"{day}T{clock}{zone or '+00:00'}").astimezone(timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def assert_equal(
    warehouse: Warehouse, tenant: Tenant, *, but: set[tuple[str, Key]] = frozenset()
) -> None:
    """Every open row of every stream and company, no more and no less, value by value.

    Args:
        warehouse: what was loaded.
        tenant: the truth.
        but: (stream, key) of rows that the tenant deleted outright, which stay until a key sweep.
    """
    for stream in tenant.streams:
        for company in tenant.companies:
            expected = expected_rows(tenant, stream, company)
            loaded = {
                key: row
                for key, row in warehouse.open_rows(stream, company).items()
                if (stream, key) not in but
            }
            assert loaded.keys() == expected.keys(), (stream, company)
            for key, row in expected.items():
                wrong = differences(loaded[key], row)
                assert not wrong, (stream, company, key, wrong)


def differences(loaded: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    """Column by column: (loaded, expected) where they are not the same."""
    names = loaded.keys() | expected.keys()
    return {
        name: (loaded.get(name, "absent"), expected.get(name, "absent"))
        for name in names
        if loaded.get(name, "absent") != expected.get(name, "absent")
    }


def deleted_rows(report: Any) -> set[tuple[str, Key]]:
    """(stream, key) of what a day deleted outright."""
    return {(stream, tuple(key)) for stream, rows in report.deleted.items() for _, key in rows}
