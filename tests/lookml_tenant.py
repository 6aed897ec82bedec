"""A tenant of the sandbox, staged by the tap and the loader, and LookML generated from it."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import lkml
from click.testing import CliRunner
from community import pipe
from harness import TAP, environment, plain, settings
from kinetic_sandbox.kinetic import KineticServer, Tenant
from target_looker_stage.config import Config
from target_looker_stage.lookml.command import lookml
from target_looker_stage.lookml.compile import Compiler
from target_looker_stage.lookml.parsed import read
from target_looker_stage.lookml.project import Staged
from target_looker_stage.lookml.sql import DIALECTS
from target_looker_stage.names import stored_name
from target_looker_stage.warehouse import open_warehouse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from click.testing import Result

SCHEMA = "epicor_stage"


@dataclass
class Modelled:
    """A staged tenant; each test generates into a folder of its own."""

    tenant: Tenant
    url: str
    catalog: Path
    folder: Path

    @property
    def config(self) -> Config:
        """The settings."""
        return Config.of({"sqlalchemy_url": self.url, "lookml_folder": str(self.folder)})

    def into(self, folder: Path) -> Modelled:
        """The same, with another folder for the LookML."""
        return Modelled(self.tenant, self.url, self.catalog, folder)

    def lookml(self, *arguments: str, catalog: bool = True) -> Result:
        """Run the command; `catalog` names the tenant's own."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        file = self.folder.with_suffix(".json")
        file.write_text(json.dumps({"sqlalchemy_url": self.url, "lookml_folder": str(self.folder)}))
        given = ["--catalog", str(self.catalog)] if catalog else []
        return CliRunner().invoke(lookml, [*arguments, *given, "--config", str(file)])

    def generated(self) -> Modelled:
        """Write the LookML."""
        done = self.lookml()
        assert done.exit_code == 0, done.output
        return self

    def check(self, *arguments: str) -> Result:
        """Check what is there."""
        return self.lookml("--check", *arguments, catalog=False)

    @cached_property
    def compiler(self) -> Compiler:
        """Of what was there when it was first asked for."""
        return Compiler(read([self.folder]), DIALECTS[self.config.warehouse])

    def compiled(self, explore: str, *fields: str) -> str:
        """The SELECT of these fields."""
        return self.compiler.select(explore, fields)

    def ask(self, explore: str, *fields: str) -> list[tuple[Any, ...]]:
        """What the explore answers, numbers as Decimal."""
        return self.query(self.compiled(explore, *fields))

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """What the warehouse answers, numbers as Decimal."""
        with closing(open_warehouse(self.config)) as warehouse:
            return [tuple(map(plain, row)) for row in warehouse.execute(sql)]

    def views(self) -> dict[str, dict[str, Any]]:
        """What stands in the view files, by view."""
        texts = [path.read_text() for path in sorted((self.folder / "views").glob("*.lkml"))]
        return {view["name"]: view for text in texts for view in lkml.load(text)["views"]}

    def open_rows(self, stream: str) -> list[dict[str, Any]]:
        """The tenant's own rows that are open, of all companies."""
        return [
            {name: plain(value) for name, value in {**row, "_company": company}.items()}
            for company in self.tenant.companies
            for row in self.tenant.rows(stream, company)
            if not self.tenant.is_closed(stream, row)
        ]


def named(view: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """The dimensions or measures of a view, by name."""
    return {each["name"]: each for each in view.get(kind, ())}


def stage(folder: Path, tenant: Tenant, url: str, naming: str) -> Modelled:
    """Discover, and load with the console programs."""
    with KineticServer(tenant) as server:
        catalog = discover(folder, server, naming)
        tap = [*TAP, "--config", str(folder / "config.json")]
        (folder / "target.json").write_text(json.dumps({"sqlalchemy_url": url}))
        loader = str(Path(sys.executable).with_name("target-looker-stage"))
        pipe([*tap, "--catalog", str(catalog)], [loader, "--config", str(folder / "target.json")],
             folder)  # fmt: skip
    return Modelled(tenant, url, catalog, folder / "lookml")


def discover(folder: Path, server: KineticServer, naming: str) -> Path:
    """The catalog of a tenant, and beside it the tap's settings."""
    config = settings(server, column_naming=naming, decimal_format="singer_decimal")
    (folder / "config.json").write_text(json.dumps(config))
    found = subprocess.run(
        [*TAP, "--config", str(folder / "config.json"), "--discover"],
        capture_output=True, text=True, check=True, env=environment(),
    )  # fmt: skip
    catalog = folder / "catalog.json"
    catalog.write_text(found.stdout)
    return catalog


_TYPES = {
    "postgresql": ("TEXT", "BIGINT", "NUMERIC(20,3)", "BOOLEAN", "TIMESTAMP WITH TIME ZONE"),
    "duckdb": ("VARCHAR", "BIGINT", "DECIMAL(20,3)", "BOOLEAN", "TIMESTAMP WITH TIME ZONE"),
    "redshift": ("CHARACTER VARYING(65535)", "BIGINT", "NUMERIC(20,3)", "BOOLEAN",
                 "TIMESTAMP WITH TIME ZONE"),
    "snowflake": ("TEXT", "NUMBER(19,0)", "NUMBER(20,3)", "BOOLEAN", "TIMESTAMP_TZ"),
    "databricks": ("STRING", "BIGINT", "DECIMAL(20,3)", "BOOLEAN", "TIMESTAMP"),
    "bigquery": ("STRING", "INT64", "NUMERIC(20, 3)", "BOOL", "TIMESTAMP"),
}  # fmt: skip


def as_staged(catalog: Path, dialect: str, segments: Sequence[tuple[int, str]] = ()) -> Staged:
    """A warehouse that holds every stream of a catalog, with the types that it would show."""
    text, whole, amount, truth, moment = _TYPES[dialect]
    tables = {}
    for stream in json.loads(catalog.read_text())["streams"]:
        types = {}
        for name, schema in stream["schema"]["properties"].items():
            form = schema.get("format", "")
            kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
            kind = next(each for each in kinds if each != "null")
            types[stored_name(name)] = (
                amount if form == "x-singer.decimal" or kind == "number"
                else moment if form == "date-time"
                else {"string": text, "integer": whole, "boolean": truth}[kind]
            )  # fmt: skip
        tables[stream["stream"]] = types

    def answer(sql: str) -> list[tuple[int, str]]:
        return list(segments) if "gl_segments" in sql.lower() else []

    return Staged(dialect, SCHEMA, tables, answer)


def staged_empty(folder: Path, catalog: Path, *streams: str) -> Modelled:
    """A DuckDB file with the tables of these streams and no rows, and a catalog of them alone."""
    chosen = json.loads(catalog.read_text())
    chosen["streams"] = [s for s in chosen["streams"] if not streams or s["stream"] in streams]
    own = folder / "catalog.json"
    own.write_text(json.dumps(chosen))
    file = folder / "stage.duckdb"
    with closing(duckdb.connect(str(file))) as database:
        database.execute(f"CREATE SCHEMA {SCHEMA}")
        for table, types in as_staged(own, "duckdb").tables.items():
            columns = ", ".join(f'"{name}" {kind}' for name, kind in types.items())
            database.execute(f'CREATE TABLE {SCHEMA}."{table}" ({columns})')
        database.execute(
            f"CREATE TABLE {SCHEMA}._sync_audit "
            "(completed_at TIMESTAMPTZ, rows_upserted BIGINT, rows_deleted BIGINT)"
        )
    return Modelled(None, f"duckdb:///{file}", own, folder / "lookml")


def insert(modelled: Modelled, table: str, **values: Any) -> None:
    """A row of a table; what is not given is null."""
    with closing(duckdb.connect(modelled.url.removeprefix("duckdb:///"))) as database:
        names, marks = ", ".join(f'"{name}"' for name in values), ", ".join("?" * len(values))
        database.execute(
            f"INSERT INTO {SCHEMA}.{table} ({names}) VALUES ({marks})", list(values.values())
        )
