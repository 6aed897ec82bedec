"""A deployment to start with: two sites, one user for the pipeline, what finance looks at."""

from __future__ import annotations

from kinetic_sandbox.tableau.deployment import Tableau
from kinetic_sandbox.tableau.people import ConnectedApp, User
from kinetic_sandbox.tableau.sites import Site

SITE = "finance"
USERNAME = "kinetic.pipeline@example.com"
PASSWORD = "sbxPump4Valve"  # noqa: S105 - made up, as all below
TOKEN_NAME = "kinetic-pipeline"  # noqa: S105
TOKEN_SECRET = "sbxq3V9tRb4Nc6HKp7dQz2==:mWxLk3vJ8hTq5yFgZ2rDw7Mn"  # noqa: S105
CLIENT_ID = "7b1d2a40-52f0-4f0e-9a53-6f2f0d9f1c11"
SECRET_ID = "c0f7c2d8-1e57-4a53-8f0c-9a2f6d1b3e22"  # noqa: S105
SECRET_VALUE = "sbxT8kQ2yLr5WvB9nXc4JmZp7FhDs3Ga6Ue1Ro0i"  # noqa: S105


def sample_tableau() -> Tableau:
    """Each site has a "GL Balances"; on the first there are two of one name."""
    finance, plant = Site(SITE, "Finance"), Site("plant", "Plant")
    for path in (
        "Finance/AP Invoices", "Finance/GL Balances", "Finance/Payables/Vendors",
        "Finance/Payables/AP Invoices", "Operations/Open Orders",
    ):  # fmt: skip
        finance.add_datasource(path)
    finance.add_datasource("Operations/Live Orders", has_extracts=False)
    finance.add_workbook("Finance/Month End")
    finance.add_workbook("Finance/Live Month End", has_extracts=False)
    finance.add_task(finance.find("Finance/GL Balances"), "Each morning")
    plant.add_datasource("Plant/GL Balances")
    plant.add_datasource("Plant/Stock")
    user = User(USERNAME, PASSWORD, {TOKEN_NAME: TOKEN_SECRET})
    app = ConnectedApp(CLIENT_ID, {SECRET_ID: SECRET_VALUE})
    return Tableau([finance, plant], [user], [app])
