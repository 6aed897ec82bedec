"""What may happen to a tenant: days, changes, late commits, a restored copy, new columns, bulk."""

import time
from decimal import Decimal

import pytest
from kinetic_sandbox.kinetic import KineticServer, Tenant

VENDORS = "/Kinetic/api/v2/odata/EPIC06/Erp.BO.VendorSvc/Vendors"


def snapshot(tenant) -> dict:
    return {
        (stream, company, tuple(row[k] for k in tenant.entity(stream).key)): row
        for stream in tenant.streams
        for company in tenant.companies
        for row in tenant.rows(stream, company)
    }


def listed(listing) -> set:
    return {(stream, company, key) for stream, rows in listing.items() for company, key in rows}


@pytest.mark.parametrize("days", [1, 4])
def test_the_report_of_a_day_is_the_difference_that_it_made(tenant, days):
    before = snapshot(tenant)
    report = tenant.day_passes(days)
    after = snapshot(tenant)

    def is_closed(address, rows) -> bool:
        return tenant.is_closed(address[0], rows[address])

    both = before.keys() & after.keys()
    touched = {a for a in both if before[a] != after[a]}
    assert listed(report.added) == after.keys() - before.keys()
    assert listed(report.deleted) == before.keys() - after.keys()
    closed = {a for a in both if not is_closed(a, before) and is_closed(a, after)}
    reopened = {a for a in both if is_closed(a, before) and not is_closed(a, after)}
    assert listed(report.closed) == closed
    assert listed(report.reopened) == reopened
    assert listed(report.changed) == touched - closed - reopened


def test_a_day_has_something_of_everything():
    report = Tenant(profile="real", seed=7).day_passes()

    documents = {"purchase_orders", "ap_invoices", "ap_payments", "gl_transactions"}
    parts = {"purchase_order_lines", "ap_invoice_lines", "ap_payment_lines", "part_transactions"}
    assert documents | parts <= report.added.keys()
    assert {"vendors", "parts", "gl_accounts", "ap_payments"} <= report.closed.keys()
    assert {"purchase_orders", "purchase_order_lines"} <= report.closed.keys()
    assert report.reopened
    assert {"ap_invoices", "ap_invoice_lines", "part_warehouses"} <= report.deleted.keys()


def test_every_touched_row_takes_a_fresh_row_version(tenant):
    newest = max(row["SysRevID"] for row in snapshot(tenant).values())
    report = tenant.day_passes()
    after = snapshot(tenant)

    for listing in (report.added, report.changed, report.closed, report.reopened):
        for address in listed(listing):
            assert after[address]["SysRevID"] > newest


def test_change_columns_follow_the_clock(tenant):
    stream = "purchase_orders"
    (key,) = tenant.touch(stream, "EPIC06", 1)

    row = snapshot(tenant)[stream, "EPIC06", key]
    today = tenant.clock().astimezone(tenant_zone()).date().isoformat()
    column = "UpdatedOn" if tenant.profile.name == "documented" else "ChangeDate"
    assert row[column].startswith(today)


def tenant_zone():
    from kinetic_sandbox.kinetic.spelling import TENANT_ZONE  # noqa: PLC0415

    return TENANT_ZONE


def test_insert_update_and_delete_are_stamped(tenant):
    key = tenant.insert("vendors", "EPIC06", VendorNum=9999, Name="New")
    first = snapshot(tenant)["vendors", "EPIC06", key]
    tenant.update("vendors", "EPIC06", key, Name="Newer")
    second = snapshot(tenant)["vendors", "EPIC06", key]

    assert key == ("EPIC06", 9999)
    assert second["Name"] == "Newer"
    assert second["SysRevID"] > first["SysRevID"]
    tenant.delete("vendors", "EPIC06", key)
    assert ("vendors", "EPIC06", key) not in snapshot(tenant)


def test_what_cannot_be_is_refused(tenant):
    key = tenant.insert("vendors", "EPIC06", VendorNum=9999)

    with pytest.raises(ValueError, match="already"):
        tenant.insert("vendors", "EPIC06", VendorNum=9999)
    with pytest.raises(ValueError, match="Nope"):
        tenant.update("vendors", "EPIC06", key, Nope=1)
    with pytest.raises(ValueError, match="VendorNum"):
        tenant.update("vendors", "EPIC06", key, VendorNum=1)
    with pytest.raises(KeyError, match="no row"):
        tenant.delete("vendors", "EPIC06", ("EPIC06", 1))
    with pytest.raises(ValueError, match="nothing"):
        tenant.rows("nothing", "EPIC06")


def test_a_late_commit_shows_an_old_row_version_late(tenant):
    held = tenant.hold_back("vendors", "EPIC06", 3)
    hidden = snapshot(tenant)
    (touched,) = tenant.touch("vendors", "EPIC06", 1)
    newest = snapshot(tenant)["vendors", "EPIC06", touched]["SysRevID"]
    held.commit()
    shown = snapshot(tenant)

    for key in held_keys(hidden, shown, but=touched):
        assert hidden["vendors", "EPIC06", key]["SysRevID"] < newest
        assert shown["vendors", "EPIC06", key]["SysRevID"] < newest
        old = hidden["vendors", "EPIC06", key]["SysRevID"]
        assert shown["vendors", "EPIC06", key]["SysRevID"] > old


def held_keys(before: dict, after: dict, but) -> list:
    changed = [a[2] for a in before if a[0] == "vendors" and before[a] != after[a] and a[2] != but]
    assert changed
    return changed


def test_a_restored_copy_counts_from_low_and_looks_older():
    tenant = Tenant(profile="documented", scale=0.2)
    before = snapshot(tenant)
    tenant.restore()
    after = snapshot(tenant)

    assert after.keys() == before.keys()
    assert max(row["SysRevID"] for row in after.values()) < 2**32
    by_age = sorted(before, key=lambda address: before[address]["SysRevID"])
    assert by_age == sorted(after, key=lambda address: after[address]["SysRevID"])
    stamps = {a: row["UpdatedOn"] for a, row in before.items() if row["UpdatedOn"]}
    assert all(after[address]["UpdatedOn"] < stamp for address, stamp in stamps.items())


def test_a_column_appears_in_rows_and_metadata(server, own):
    server.tenant.add_column("vendors", "Zone_c", "Edm.String", value="north")

    assert {row["Zone_c"] for row in own.get(VENDORS).rows} == {"north"}
    metadata = own.get(VENDORS.replace("Vendors", "$metadata"))
    assert b'Name="Zone_c" Type="Edm.String"' in metadata.body
    server.tenant.insert("vendors", "EPIC07", VendorNum=9999, Zone_c="south")
    assert own.get(VENDORS, filter="Zone_c eq 'north'", top=1).status == 200


def test_a_decimal_column_gets_more_digits(server, own):
    server.tenant.add_column("vendors", "Weight_c", "Edm.Decimal", value=Decimal("1.5"))
    server.tenant.widen_decimal("vendors", "Weight_c", 28, 9)

    metadata = own.get(VENDORS.replace("Vendors", "$metadata"))
    assert b'Name="Weight_c" Type="Edm.Decimal" Precision="28" Scale="9"' in metadata.body
    assert {row["Weight_c"] for row in own.get(VENDORS).rows} == {Decimal("1.5")}


def test_a_column_disappears_from_rows_and_metadata_and_may_return(server, own):
    server.tenant.drop_column("vendors", "PlantRating_c")

    assert {row.get("PlantRating_c", "gone") for row in own.get(VENDORS).rows} == {"gone"}
    assert b"PlantRating_c" not in own.get(VENDORS.replace("Vendors", "$metadata")).body
    assert own.get(VENDORS, select="PlantRating_c").status == 400
    assert own.get(VENDORS, orderby="VendorNum", top=1).rows[0]["TIN"].startswith("sbxtin-")
    assert own.get("/Kinetic/api/v2/odata/EPIC06/BaqSvc/KIN-VendorSpend/Data").status == 200
    server.tenant.insert("vendors", "EPIC06", VendorNum=9999, PlantRating_c="B")
    server.tenant.add_column("vendors", "PlantRating_c", "Edm.String", value="A")
    assert {row["PlantRating_c"] for row in own.get(VENDORS).rows} == {"A"}


def test_days_go_on_without_a_column_that_they_used_to_fill(tenant):
    tenant.drop_column("purchase_orders", "CarbonScore_c")

    assert tenant.day_passes(2).added["purchase_orders"]
    assert not any("CarbonScore_c" in row for row in tenant.rows("purchase_orders", "EPIC06"))


@pytest.mark.parametrize("name", ["VendorNum", "Inactive", "SysRevID", "AccountRef", "Nope"])
def test_a_column_that_the_tenant_needs_or_lacks_cannot_disappear(tenant, name):
    with pytest.raises(ValueError, match=name):
        tenant.drop_column("vendors", name)


def test_some_rows_are_deleted_and_nothing_else_changes(tenant):
    before = snapshot(tenant)
    gone = tenant.delete_some("gl_transactions", "EPIC06", 40)
    after = snapshot(tenant)

    assert len(set(gone)) == 40
    assert before.keys() - after.keys() == {("gl_transactions", "EPIC06", key) for key in gone}
    assert all(before[address] == row for address, row in after.items())
    with pytest.raises(KeyError, match="no row"):
        tenant.delete("gl_transactions", "EPIC06", gone[0])


@pytest.mark.parametrize("stream", ["gl_transactions", "vendors", "part_warehouses", "parts",
                                    "purchase_order_lines", "ap_payment_lines", "ap_invoices",
                                    "part_transactions", "gl_segment_values"])  # fmt: skip
def test_bulk_rows_are_rows_like_any_other(stream, connect):
    tenant = Tenant(profile="documented", scale=0.1)
    already = len(tenant.rows(stream, "EPIC06"))
    tenant.load_bulk(stream, "EPIC06", 300)
    entity = tenant.entity(stream)
    with KineticServer(tenant) as server:
        path = f"/Kinetic/api/v2/odata/EPIC06/{entity.service}/{entity.entity_set}"
        rows = connect(server).get(path, top=2000).rows

    def by_key(rows) -> dict:
        return {tuple(row[k] for k in entity.key): row for row in rows}

    assert len(rows) == already + 300
    assert by_key(rows) == by_key(tenant.rows(stream, "EPIC06"))


def test_bulk_rows_are_read_at_40_000_a_second(connect):
    tenant = Tenant(profile="real", scale=0.05)
    started = time.process_time()
    tenant.load_bulk("gl_transactions", "EPIC06", 50_000)
    assert time.process_time() - started < 2.5
    path = "/Kinetic/api/v2/odata/EPIC06/Erp.BO.GLJrnDtlSvc/GLJrnDtls"
    with KineticServer(tenant) as server:
        client, last, count = connect(server), 0, 0
        started = time.process_time()
        while True:
            where = {"filter": f"SysRevID gt {last}", "orderby": "SysRevID", "top": 1000}
            body = client.get(path, **where).body
            if b"SysRevID" not in body:
                break
            count += body.count(b'"SysRevID"')
            last = int(body.rpartition(b'"SysRevID":')[2].rstrip(b"]}"))
        seconds = time.process_time() - started

    assert count > 50_000
    assert count / seconds > 40_000


def test_keys_of_bulk_rows_are_swept_fast_and_lack_what_was_deleted(connect):
    sweep_keys(connect, rows=100_000, gone=500, top=250)


@pytest.mark.full
def test_a_million_keys_are_swept_as_fast(connect):
    sweep_keys(connect, rows=1_000_000, gone=20_000, top=2000)


def sweep_keys(connect, rows: int, gone: int, top: int) -> None:
    """Walk by the composed key, keys alone, as a client does that looks for deleted rows."""
    tenant = Tenant(profile="real", scale=0.05)
    tenant.load_bulk("purchase_order_lines", "EPIC06", rows, spelt=False)
    deleted = {key[1:] for key in tenant.delete_some("purchase_order_lines", "EPIC06", gone)}
    path = "/Kinetic/api/v2/odata/EPIC06/Erp.BO.POSvc/PODetails"
    seen, where = [], {}
    with KineticServer(tenant) as server:
        client, started = connect(server), time.process_time()
        while True:
            page = client.get(path, select="PONUM,POLine", orderby="PONUM,POLine", top=top,
                              **where).rows  # fmt: skip
            if not page:
                break
            seen += [(row["PONUM"], row["POLine"]) for row in page]
            order, line = seen[-1]
            where = {"filter": f"PONUM gt {order} or (PONUM eq {order} and POLine gt {line})"}
        seconds = time.process_time() - started

    assert seen == sorted(set(seen))
    assert len(seen) == len(tenant.database.table("purchase_order_lines", "EPIC06"))
    assert not deleted & set(seen)
    assert len(seen) / seconds > 20_000


@pytest.mark.parametrize("scale", [0.02, 0.1])
def test_a_small_company_lives_through_two_months(scale):
    tenant = Tenant(profile="real", scale=scale)

    assert tenant.day_passes(60).added
