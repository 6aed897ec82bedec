"""Looker through Meltano: the commands of docs/looker/README.md, as they stand there."""

import re
import subprocess
from pathlib import Path

import duckdb
import psycopg
import pytest
from community import Database, postgres
from looker_instance import serving
from project import ROOT, Project, install

PAGE = (ROOT / "docs" / "looker" / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^ +(\.venv/bin/meltano .*)$", PAGE, re.MULTILINE)
RUN = ".venv/bin/meltano --environment=prod run looker-hourly"
SCHEMA = "epicor_stage"


def test_the_pages_rights_let_looker_read_tables_that_are_made_later_and_write_nothing():
    (block,) = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    with postgres() as server, psycopg.connect(address(server, "postgres")) as admin:
        admin.execute("CREATE ROLE kinetic_loader LOGIN; CREATE ROLE looker LOGIN")
        admin.execute(block)
        admin.commit()
        with psycopg.connect(address(server, "kinetic_loader")) as loader:
            loader.execute(f"CREATE TABLE {SCHEMA}.vendors AS SELECT 1 AS vendor_number")

        with psycopg.connect(address(server, "looker")) as looker:
            assert looker.execute(f"SELECT * FROM {SCHEMA}.vendors").fetchall() == [(1,)]
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                looker.execute(f"DELETE FROM {SCHEMA}.vendors")


def address(server: Database, user: str) -> str:
    return f"host=127.0.0.1 port={server.port} dbname={server.name} user={user}"


@pytest.mark.full
def test_the_pages_commands_lead_from_an_empty_schema_to_a_told_looker(
    small_project: Project, tmp_path
):
    folder = small_project.folder
    for plugin in ("target-looker-stage", "looker-refresh", "proof-looker-stage"):
        install(plugin, folder)
    if not (folder / ".venv").exists():
        (folder / ".venv").symlink_to(ROOT / ".venv")
    (folder / "output").mkdir(exist_ok=True)
    warehouse = tmp_path / "looker.duckdb"
    with serving() as server:
        variables = small_project.environment(
            LOOKER_STAGE_URL=f"duckdb:///{warehouse}",
            LOOKER_URL=server.url,
            LOOKER_CLIENT_ID=server.looker.users[0].client_id,
            LOOKER_CLIENT_SECRET=server.looker.users[0].client_secret,
            TARGET_LOOKER_STAGE_LOOKML_FOLDER=str(tmp_path / "lookml"),
        )

        def perform(command: str) -> str:
            done = subprocess.run(
                command, shell=True, cwd=folder, env=variables, check=False, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout[-5000:]
            return done.stdout

        first, *others = COMMANDS
        assert first == RUN
        output = perform(first)
        assert re.search(r"vendors +EPIC06 +\d+ +0 +\d+ +0 +0 +0 +equal", output)
        assert "differs" not in output
        assert [each for each in server.asked if each.startswith("PATCH")] == [
            "PATCH /datagroups/1"
        ]

        looker_sees(server.looker, warehouse)
        for command in others:
            perform(command)
        told = len(server.asked)

        output = perform(".venv/bin/meltano --environment=prod invoke looker-refresh:status")
        assert "nothing" in output
        assert [e for e in server.asked[told:] if e.startswith("PATCH")] == []
    assert list((tmp_path / "lookml").rglob("*.view.lkml"))
    assert "Kp7dQz2mWxV9tRb4Nc6H" not in output


def looker_sees(looker, warehouse: Path) -> None:
    """The rights of step 1: Looker's database user may read the schema."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        rows = connection.execute(
            "select table_name, column_name from information_schema.columns where table_schema = ?",
            [SCHEMA],
        ).fetchall()
    tables: dict[str, list[str]] = {}
    for table, column in rows:
        tables.setdefault(table, []).append(column)
    looker.connections["epicor_kinetic"].schemas[SCHEMA] = tables
