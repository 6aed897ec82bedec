"""Renders what follows from code into the files that repeat it: `--write`, or `--check` in CI.

Settings go into meltano.yml, .env.example and the READMEs; the table of business objects into
docs/streams.md. A test compares parsed YAML, because `meltano config set` rewrites
meltano.yml in its own way.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from tap_epicor_kinetic.business_objects import BUSINESS_OBJECTS, BusinessObject
from tap_epicor_kinetic.settings import SETTINGS
from target_looker_stage.settings import SETTINGS as STAGE_SETTINGS
from target_tableau_refresh.settings import SETTINGS as TABLEAU_SETTINGS

ROOT = Path(__file__).parent.parent
FIVE = ("api_url", "companies", "username", "password", "api_key")
_KINDS = {"integer": "integer", "boolean": "boolean", "array": "array", "object": "object"}

Schema = dict[str, Any]


def settings() -> dict[str, Schema]:
    """The tap's settings by name."""
    properties: dict[str, Schema] = SETTINGS["properties"]
    return properties


def meltano_settings(declared: Schema = SETTINGS) -> list[Schema]:
    """Settings as Meltano wants them, keys in the order in which Meltano writes them."""
    return [_meltano_setting(name, schema) for name, schema in declared["properties"].items()]


def _meltano_setting(name: str, schema: Schema) -> Schema:
    entry: Schema = {"name": name}
    if kind := _kind(schema):
        entry["kind"] = kind
    if "default" in schema:
        entry["value"] = schema["default"]
    entry["label"] = schema["title"]
    entry["description"] = schema["description"]
    if schema.get("secret"):
        entry["sensitive"] = True
    if kind == "options":
        entry["options"] = [{"value": value, "label": value} for value in schema["enum"]]
    return entry


def _kind(schema: Schema) -> str | None:
    if "enum" in schema:
        return "options"
    if schema.get("format") == "date-time":
        return "date_iso8601"
    types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    return next((kind for kind in map(_KINDS.get, types) if kind), None)


def _types(schema: Schema) -> str:
    return _kind(schema) or "string"


def render_meltano(text: str) -> str:
    """Meltano.yml with the settings between the markers of each plugin."""
    for plugin, declared in (
        ("tap-epicor-kinetic", SETTINGS),
        ("target-looker-stage", STAGE_SETTINGS),
        ("target-tableau-refresh", TABLEAU_SETTINGS),
    ):
        block = yaml.safe_dump(
            meltano_settings(declared), sort_keys=False, allow_unicode=True, width=100
        )
        text = _between(
            text,
            f"    # <rendered by `python3 dev.py render`: {plugin}>\n",
            "    # </rendered>",
            "".join(f"    {line}\n" for line in block.splitlines()),
        )
    return text


def render_tap_readme(text: str) -> str:
    """The tap's README with the table of settings."""
    return _with_table(text, SETTINGS)


def render_stage_readme(text: str) -> str:
    """The Looker stage's README with the table of settings."""
    return _with_table(text, STAGE_SETTINGS)


def render_tableau_readme(text: str) -> str:
    """The Tableau target's README with the table of settings."""
    return _with_table(text, TABLEAU_SETTINGS)


def _with_table(text: str, declared: Schema) -> str:
    rows = ["| setting | kind | default | meaning |", "|---|---|---|---|"]
    for name, schema in declared["properties"].items():
        required = ", required" if name in declared.get("required", ()) else ""
        secret = ", secret" if schema.get("secret") else ""
        default = f"`{_plain(schema['default'])}`" if "default" in schema else ""
        kind = " / ".join(f"`{v}`" for v in schema["enum"]) if "enum" in schema else _types(schema)
        meaning = schema["description"]
        rows.append(f"| `{name}` | {kind}{required}{secret} | {default} | {meaning} |")
    return _between(text, "<!-- settings -->\n", "<!-- /settings -->", "\n".join(rows) + "\n")


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def render_streams(text: str) -> str:
    """docs/streams.md with the table of business objects."""
    rows = [
        "| stream | service / entity set | closed when (the first that exists) |",
        "|---|---|---|",
    ]
    rows += [
        f"| `{o.name}` | `{o.service}/{o.entity_set}` | {_closed(o)} |" for o in BUSINESS_OBJECTS
    ]
    return _between(text, "<!-- streams -->\n", "<!-- /streams -->", "\n".join(rows) + "\n")


def _closed(facts: BusinessObject) -> str:
    return ", ".join(
        f"`{rule.column}`" if rule.closed_value else f"not `{rule.column}`"
        for rule in facts.closed_when
    )


def render_env(_: str) -> str:
    """.env.example: the five settings of a tenant, and where the rest stands."""
    lines = [
        "# Copy to .env (which git ignores) and fill in. All settings: tap-epicor-kinetic/README.md"
    ]
    for name in FIVE:
        schema = settings()[name]
        example = {"api_url": "https://host/instance", "companies": '["EPIC06"]'}.get(name, "")
        quoted = f"'{example}'" if '"' in example else example
        lines += [f"# {schema['description']}", f"TAP_EPICOR_KINETIC_{name.upper()}={quoted}"]
    lines += [
        "# For `meltano --environment=prod run tap-epicor-kinetic target-bigquery`",
        "BIGQUERY_PROJECT=",
        "BIGQUERY_DATASET=",
        "GOOGLE_APPLICATION_CREDENTIALS=",
        "# For `meltano --environment=prod run tap-epicor-kinetic target-snowflake`",
        "SNOWFLAKE_ACCOUNT=",
        "SNOWFLAKE_USER=",
        "SNOWFLAKE_PRIVATE_KEY_PATH=",
        "SNOWFLAKE_ROLE=",
        "SNOWFLAKE_WAREHOUSE=",
        "SNOWFLAKE_DATABASE=",
        "SNOWFLAKE_SCHEMA=",
        "# For `meltano --environment=prod run looker-hourly`",
        "LOOKER_STAGE_URL=",
        "LOOKER_URL=",
        "LOOKER_CLIENT_ID=",
        "LOOKER_CLIENT_SECRET=",
        "# For `tableau-refresh` behind a load: docs/tableau",
        "TABLEAU_SERVER_URL=",
        "TABLEAU_SITE=",
        "TABLEAU_TOKEN_NAME=",
        "TABLEAU_TOKEN_SECRET=",
    ]
    return "\n".join(lines) + "\n"


def render_constraints(_: str) -> str:
    """constraints.txt: what uv.lock pins, for the environments that Meltano makes."""
    uv = str(Path(sys.executable).with_name("uv"))  # Meltano brings it
    command = [uv, "export", "--quiet", "--frozen", "--all-packages", "--no-dev",
               "--extra=duckdb", "--extra=postgresql",
               "--no-emit-workspace", "--no-hashes", "--no-header", "--no-annotate"]  # fmt: skip
    exported = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return (
        "# Rendered from uv.lock: Meltano's plugin environments do not read it.\n" + exported.stdout
    )


RENDERED = {
    "meltano.yml": render_meltano,
    "tap-epicor-kinetic/README.md": render_tap_readme,
    "target-looker-stage/README.md": render_stage_readme,
    "target-tableau-refresh/README.md": render_tableau_readme,
    "docs/streams.md": render_streams,
    ".env.example": render_env,
    "constraints.txt": render_constraints,
}


def _between(text: str, start: str, end: str, content: str) -> str:
    head, found, rest = text.partition(start)
    _, closing, tail = rest.partition(end)
    if not found or not closing:
        raise SystemExit(f"a marker is missing: {start.strip()} ... {end.strip()}")
    return head + start + content + end + tail


def stale(*, write: bool) -> list[str]:
    """The files that are not what the code says; with `write` they are brought up to date."""
    changed = []
    for name, render in RENDERED.items():
        path = ROOT / name
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        after = render(before)
        if after != before:
            changed.append(name)
            if write:
                path.write_text(after, encoding="utf-8")
    return changed


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--write", action="store_true")
    mode.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    changed = stale(write=arguments.write)
    for name in changed:
        print(f"{'rendered' if arguments.write else 'stale'}: {name}")
    if arguments.check and changed:
        print("run `python3 dev.py render`")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
