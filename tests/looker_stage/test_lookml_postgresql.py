"""The model on a real PostgreSQL, whose session is not in UTC."""

from decimal import Decimal

import psycopg
import pytest
from kinetic_sandbox.kinetic import Tenant
from lookml_tenant import stage
from stages import postgres_places

pytestmark = pytest.mark.full


@pytest.fixture(scope="module", params=[("real", "source"), ("documented", "snake_case")])
def modelled(request, tmp_path_factory):
    profile, naming = request.param
    with postgres_places() as make:
        place = make()
        database = place.url.rpartition("/")[2]
        with psycopg.connect(place.url, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {database} SET timezone = 'America/New_York'")
        folder = tmp_path_factory.mktemp("postgresql")
        tenant = Tenant(profile=profile, seed=7, scale=0.2)
        yield stage(folder, tenant, place.url, naming).generated()


def test_every_explore_runs_and_every_key_is_unique(modelled):
    done = modelled.check()

    assert done.exit_code == 0, done.output
    assert "21 explores with" in done.output
    assert "21 tests hold, 0 problems" in done.output


def test_totals_are_the_tenants(modelled):
    posted = [row for row in modelled.open_rows("ap_invoices") if row["Posted"]]

    ((spend, owed),) = modelled.ask("payables", "ap_invoices.spend", "ap_invoices.open_payables")

    assert spend == sum(row["InvoiceAmt"] for row in posted) != Decimal(0)
    assert owed == sum(row["InvoiceBal"] for row in posted) != Decimal(0)


def test_a_day_is_the_tenants_day_west_of_greenwich_too(modelled):
    zone = modelled.query("SHOW timezone")
    days = modelled.ask("payables", "ap_invoices.invoice_date", "ap_invoices.count")

    told: dict = {}
    for row in modelled.open_rows("ap_invoices"):
        told[row["InvoiceDate"][:10]] = told.get(row["InvoiceDate"][:10], 0) + 1
    assert zone == [("America/New_York",)]
    assert {str(day): count for day, count in days} == told


def test_the_check_names_the_field_that_the_database_refuses(modelled, tmp_path):
    own = modelled.into(tmp_path / "lookml").generated()
    file = own.folder / "views/vendors.view.lkml"
    file.write_text(file.read_text().replace('${TABLE}."name"', '${TABLE}."nome"'))

    done = own.check()

    assert done.exit_code == 1
    assert f"{file}: vendors.name: column vendors.nome does not exist" in done.output
    assert ", 1 problems" in done.output
