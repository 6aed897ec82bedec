"""An instance to start with: one user for the pipeline, and what `looker-refresh` works on."""

from __future__ import annotations

from kinetic_sandbox.kinetic.catalog import STREAMS
from kinetic_sandbox.looker.instance import Looker, User
from kinetic_sandbox.looker.resources import (
    Commit,
    Connection,
    Datagroup,
    DerivedTable,
    LookmlTest,
    Model,
    Plan,
    Project,
)

CLIENT_ID = "Kp7dQz2mWxV9tRb4Nc6H"
CLIENT_SECRET = "sbxLk3vJ8hTq5yFgZ2rDw7Mn"  # noqa: S105 - made up
MODEL = "epicor_kinetic"
SCHEMA = "epicor_stage"
STAGED = (*STREAMS, "epicor_sync_runs", "_sync_audit")
"""What a load of the sandbox tenant brings; Looker's database user may read all of it."""
PERMISSIONS = (
    "see_datagroups", "update_datagroups", "see_pdts", "develop", "deploy",
    "manage_project_connections", "schedule_look_emails",
)  # fmt: skip


def sample_looker() -> Looker:
    """A model with two datagroups, its connection, a derived table, two schedules, a project."""
    user = User("11", "Kinetic pipeline", CLIENT_ID, CLIENT_SECRET, set(PERMISSIONS))
    looker = Looker([user])
    began = int(looker.now()) - 86_400
    looker.datagroups += [
        Datagroup("1", MODEL, "epicor_kinetic", began),
        Datagroup("2", "thelook", "orders_etl", began),
    ]
    looker.models[MODEL] = Model(MODEL, "epicor", [MODEL])
    seen: dict[str, list[str]] = {table: [] for table in STAGED}
    looker.connections[MODEL] = Connection(MODEL, schemas={"public": {}, SCHEMA: seen})
    looker.derived_tables.append(DerivedTable(MODEL, "ap_aging_rollup", MODEL))
    looker.plans["7"] = Plan("7", "AP aging, each morning", user.id, look_id="3")
    looker.plans["8"] = Plan("8", "Somebody else's", "99", dashboard_id="5")
    first = Commit(
        "a1f0c6e",
        tests=(LookmlTest("vendor_is_unique", MODEL, "vendors", "tests/vendors.lkml", 3),),
        datagroups=((MODEL, "epicor_kinetic"),),
    )
    looker.projects["epicor"] = Project("epicor", {"main": [first]}, production=first)
    return looker
