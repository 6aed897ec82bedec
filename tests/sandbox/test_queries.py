"""Business activity queries: what they tell of themselves, parameters, options, row identifiers."""

import xml.etree.ElementTree as ET
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from kinetic_sandbox.kinetic import KineticServer, Tenant

QUERIES = "/Kinetic/api/v2/odata/EPIC06/BaqSvc"
CHANGES = f"{QUERIES}/KIN-InvoiceChanges/Data"
SPEND = f"{QUERIES}/KIN-VendorSpend/Data"
EDM = "{http://docs.oasis-open.org/odata/ns/edm}"


def declared_type(document: bytes) -> dict[str, dict[str, str]]:
    (found,) = ET.fromstring(document).iter(f"{EDM}EntityType")
    return {p.get("Name"): p.attrib for p in found.iter(f"{EDM}Property")}


def test_a_query_without_data_is_only_described(client):
    assert client.get(f"{QUERIES}/KIN-VendorSpend").json["value"][0]["name"] == "Data"
    declared = declared_type(client.get(f"{QUERIES}/KIN-VendorSpend/$metadata").body)
    rows = client.get(SPEND, top=500).rows
    assert list(rows[0]) == list(declared)
    assert any(row["Calculated_Spend"] is None for row in rows) or len(rows) == 60


def test_a_query_identifies_its_rows_anew_on_each_run(client):
    path = SPEND
    first, second = (
        {row["Vendor_VendorNum"]: row["RowIdent"] for row in client.get(path, top=500).rows}
        for _ in range(2)
    )

    assert first.keys() == second.keys()
    assert not set(first.values()) & set(second.values())


def test_a_query_takes_its_parameter_once_or_several_times(client):
    path = f"{QUERIES}/KIN-PartStock/Data?$top=5000"

    def plants(query: str) -> set[str]:
        return {row["PartWhse_Plant"] for row in client.send("GET", path + query).rows}

    assert plants("&Plant=West") == {"West"}
    assert plants("&Plant=West&Plant=MfgSys") == {"West", "MfgSys"}
    refused = client.send("GET", path)
    assert refused.status == 400
    assert "Parameter Plant" in refused.error


def test_options_are_applied_after_the_query_has_run(client):
    whole = client.get(SPEND, top=500).rows
    large = [row for row in whole if (row["Calculated_Invoices"] or 0) > 2]
    names = sorted(row["Vendor_VendorID"] for row in large)

    answer = client.get(SPEND, filter="Calculated_Invoices gt 2", orderby="Vendor_VendorID",
                        select="Vendor_VendorID,Calculated_Spend", skip=1, top=3,
                        count="true")  # fmt: skip
    assert [row["Vendor_VendorID"] for row in answer.rows] == names[1:4]
    assert {tuple(row) for row in answer.rows} == {("Vendor_VendorID", "Calculated_Spend")}
    assert answer.json["@odata.count"] == len(names)


@pytest.fixture
def changing(connect):
    """Invoices under a clock that is set by hand: (tenant, client, clock)."""
    clock = [datetime(2026, 3, 1, 17, tzinfo=timezone.utc)]
    tenant = Tenant(profile="real", seed=3, scale=0.2, clock=lambda: clock[0])
    with KineticServer(tenant) as server:
        yield tenant, connect(server), clock


def test_a_query_filters_by_its_own_date(changing):
    tenant, client, clock = changing
    clock[0] += timedelta(hours=1, milliseconds=250)
    keys = tenant.touch("ap_invoices", "EPIC06", 3)

    rows = client.send("GET", f"{CHANGES}?Since=2026-03-01T18:00:00Z").rows
    found = {(row["APInvHed_VendorNum"], row["APInvHed_InvoiceNum"]) for row in rows}
    assert found == {key[1:] for key in keys}
    assert {row["Calculated_ChangedAt"] for row in rows} == {"2026-03-01T13:00:00.250-05:00"}
    same = client.send("GET", f"{CHANGES}?Since=2026-03-01T13:00:00.250-05:00").rows
    assert len(same) == 3
    assert client.send("GET", f"{CHANGES}?Since=2026-03-01T18:00:01Z").rows == []


def test_without_its_date_a_query_gives_all_rows_null_dates_included(changing):
    tenant, client, _ = changing
    rows = client.get(CHANGES, top=5000).rows

    assert len(rows) == len(tenant.rows("ap_invoices", "EPIC06"))
    assert {row["Calculated_ChangedAt"] is None for row in rows} == {True, False}
    old = client.send("GET", f"{CHANGES}?Since=2000-01-01&$top=5000").rows
    assert len(old) == sum(row["Calculated_ChangedAt"] is not None for row in rows)


@pytest.mark.parametrize("profile", ["real", "documented"])
def test_a_query_may_lack_the_company_and_has_exact_amounts(profile, connect):
    tenant = Tenant(profile=profile, scale=0.1)
    with KineticServer(tenant) as server:
        client = connect(server)
        declared = declared_type(client.get(CHANGES.replace("Data", "$metadata")).body)
        rows = client.get(CHANGES, top=5000).rows

    assert not [name for name in declared if "Company" in name]
    assert declared["APInvHed_InvoiceAmt"]["Type"] == "Edm.Decimal"
    assert declared["Calculated_ChangedAt"]["Type"] == "Edm.DateTimeOffset"
    total = sum(Decimal(row["APInvHed_InvoiceAmt"]) for row in rows)
    assert total == sum(row["InvoiceAmt"] for row in tenant.rows("ap_invoices", "EPIC06"))


def test_a_date_that_is_none_is_a_400(client):
    answer = client.send("GET", f"{CHANGES}?Since=yesterday")

    assert answer.status == 400
    assert answer.json["ErrorType"] == "Ice.Common.BusinessObjectException"
