"""The data is believable: sums agree, journals balance, and the seed decides."""

from collections import defaultdict
from datetime import date, datetime, timezone
from decimal import Decimal

import pytest
from kinetic_sandbox.kinetic import Tenant

NOON = datetime(2026, 5, 20, 17, tzinfo=timezone.utc)


@pytest.fixture(params=["at the start", "after five days"])
def lived(request, tenant) -> Tenant:
    if request.param == "after five days":
        tenant.day_passes(5)
    return tenant


def totals(rows, key, amount: str) -> dict:
    found = defaultdict(Decimal)
    for row in rows:
        found[tuple(row[name] for name in key)] += row[amount]
    return found


INVOICE = ("VendorNum", "InvoiceNum")
JOURNAL = ("BookID", "FiscalYear", "JournalCode", "JournalNum")


def test_an_invoice_is_the_sum_of_its_lines(lived):
    for company in lived.companies:
        lines = totals(lived.rows("ap_invoice_lines", company), INVOICE, "ExtCost")
        for invoice in lived.rows("ap_invoices", company):
            assert invoice["InvoiceAmt"] == lines.pop((invoice["VendorNum"], invoice["InvoiceNum"]))
        assert not lines


def test_a_balance_is_the_amount_less_what_was_paid(lived):
    for company in lived.companies:
        paid = totals(lived.rows("ap_payment_lines", company), INVOICE, "TranAmt")
        for invoice in lived.rows("ap_invoices", company):
            rest = invoice["InvoiceAmt"] - paid[invoice["VendorNum"], invoice["InvoiceNum"]]
            assert invoice["InvoiceBal"] == rest


def test_every_journal_balances_in_both_currencies(lived):
    for company in lived.companies:
        rows = lived.rows("gl_transactions", company)
        for debit, credit in (("DebitAmount", "CreditAmount"),
                              ("BookDebitAmount", "BookCreditAmount")):  # fmt: skip
            assert totals(rows, JOURNAL, debit) == totals(rows, JOURNAL, credit)


def test_payables_in_the_ledger_are_the_open_balances_of_posted_invoices(lived):
    for company in lived.companies:
        ledger = sum(
            row["BookCreditAmount"] - row["BookDebitAmount"]
            for row in lived.rows("gl_transactions", company)
            if row["GLAccount"].startswith("2000")
        )
        invoices = lived.rows("ap_invoices", company)
        assert ledger == sum(row["InvoiceBal"] for row in invoices if row["Posted"])


def test_a_payment_is_the_sum_of_its_lines_and_a_void_one_nets_to_zero(lived):
    for company in lived.companies:
        lines = lived.rows("ap_payment_lines", company)
        originals = totals([r for r in lines if not r["Voided"]], ("HeadNum",), "TranAmt")
        net = totals(lines, ("HeadNum",), "TranAmt")
        for payment in lived.rows("ap_payments", company):
            number = (payment["HeadNum"],)
            assert payment["CheckAmt"] == originals[number]
            assert net[number] == (0 if payment["Voided"] else payment["CheckAmt"])


def test_on_hand_is_the_sum_of_the_movements(lived):
    for company in lived.companies:
        moved = totals(lived.rows("part_transactions", company), ("PartNum",), "TranQty")
        for stock in lived.rows("part_warehouses", company):
            expected = moved[stock["PartNum"],] if stock["WarehouseCode"] == "MAIN" else 0
            assert stock["OnHandQty"] == expected


def test_invoiced_is_received_and_matched_by_invoice_lines(lived):
    release = ("PONum", "POLine", "PORelNum")
    for company in lived.companies:
        lines = [r for r in lived.rows("ap_invoice_lines", company) if r["PONum"]]
        matched = totals(lines, release, "OurQty")
        for row in lived.rows("purchase_order_releases", company):
            assert row["InvoicedQty"] == matched[tuple(row[name] for name in release)]
            assert row["InvoicedQty"] <= row["ReceivedQty"] <= row["RelQty"]


def test_every_reference_leads_somewhere(lived):
    for company in lived.companies:

        def keys(stream: str, *names: str, where=company) -> set:
            return {tuple(row[name] for name in names) for row in lived.rows(stream, where)}

        vendors = keys("vendors", "VendorNum")
        for stream in ("purchase_orders", "ap_invoices", "ap_payments"):
            assert keys(stream, "VendorNum") <= vendors
        assert keys("purchase_order_lines", "PONUM") == keys("purchase_orders", "PONum")
        assert keys("gl_transactions", "GLAccount") <= keys("gl_accounts", "GLAccount1")
        assert keys("part_transactions", "PartNum") <= keys("parts", "PartNum")
        assert keys("ap_payment_lines", *INVOICE) <= keys("ap_invoices", *INVOICE)


def test_it_is_as_large_as_told(shared_tenant):
    def size(stream: str) -> int:
        return len(shared_tenant.rows(stream, "EPIC06"))

    assert [size(s) for s in ("vendors", "customers", "parts", "projects", "gl_accounts",
                              "purchase_orders")] == [60, 40, 150, 12, 80, 220]  # fmt: skip
    assert 450 <= size("purchase_order_lines") <= 700
    assert 600 <= size("purchase_order_releases") <= 800
    assert 280 <= size("ap_invoices") <= 360
    matched = [r for r in shared_tenant.rows("ap_invoices", "EPIC06") if r["REFPONum"]]
    assert len(matched) > size("ap_invoices") / 2
    assert 0 < len(shared_tenant.rows("vendors", "EPIC07")) < size("vendors")


def test_the_first_company_keeps_dollars_the_second_euros(shared_tenant):
    money = [shared_tenant.rows("companies", c)[0]["CurrencyCode"] for c in ("EPIC06", "EPIC07")]

    assert money == ["USD", "EUR"]


def test_an_aging_of_payables_has_every_bucket(shared_tenant):
    today, buckets = datetime.now(timezone.utc).date(), set()
    for row in shared_tenant.rows("ap_invoices", "EPIC06"):
        if row["InvoiceBal"] > 0:
            late = (today - date.fromisoformat(row["DueDate"][:10])).days
            buckets.add(min(max(late, 0) // 30, 3) if late > 0 else "not due")

    assert buckets == {"not due", 0, 1, 2, 3}


def test_some_rows_are_closed_some_flags_and_change_dates_are_null(tenant):
    for stream in ("vendors", "parts", "projects", "gl_accounts", "customers",
                   "purchase_orders", "purchase_order_lines", "purchase_order_releases",
                   "ap_payments"):  # fmt: skip
        rows = [row for company in tenant.companies for row in tenant.rows(stream, company)]
        assert {tenant.is_closed(stream, row) for row in rows} == {True, False}, stream
    change = "UpdatedOn" if tenant.profile.name == "documented" else "ChangeDate"
    orders = tenant.rows("purchase_orders", "EPIC06")
    assert {row[change] is None for row in orders} == {True, False}
    flag = tenant.entity("vendors").closed
    assert None in {row[flag] for row in tenant.rows("vendors", "EPIC06")}


def test_dates_come_in_several_spellings(shared_tenant):
    endings = set()
    for stream in ("ap_invoices", "purchase_orders", "customers"):
        column = next(c.name for c in shared_tenant.entity(stream).changes if c.how == "day")
        endings |= {r[column][19:] for r in shared_tenant.rows(stream, "EPIC06") if r[column]}

    assert endings == {"Z", "-05:00", ""}


def test_each_vendor_has_secrets_that_are_recognised(tenant):
    for row in tenant.rows("vendors", "EPIC06"):
        number = row["VendorNum"]
        assert row["TaxPayerID"] == f"sbxtaxpayer-{number}"
        assert row["TIN"] == f"sbxtin-{number}"
        assert row["ElecRemittanceHostUserName"] == f"sbxremituser-{number}"
        assert row["ElecRemittanceHostPassword"] == f"sbxremitpass-{number}"


def test_row_versions_are_unique_and_beyond_32_bits(shared_tenant):
    versions = [
        row["SysRevID"]
        for stream in shared_tenant.streams
        for company in shared_tenant.companies
        for row in shared_tenant.rows(stream, company)
    ]

    assert len(set(versions)) == len(versions)
    assert min(versions) > 2**32


def test_the_seed_decides_and_nothing_else():
    def picture(seed: int) -> list:
        tenant = Tenant(seed=seed, scale=0.2, clock=lambda: NOON)
        tenant.day_passes()
        return [tenant.rows(stream, company)
                for stream in tenant.streams for company in tenant.companies]  # fmt: skip

    assert picture(1) == picture(1)
    assert picture(1) != picture(2)


def test_the_documented_profile_has_its_own_columns_and_none_of_the_real_ones():
    tenant = Tenant(profile="documented", scale=0.1)
    real = {"VoidOrder", "VoidLine", "VoidRelease", "InActive", "Active", "ActiveFlag",
            "ActiveProject", "ChangeDate", "ChangedOn", "UD_SysRevID"}  # fmt: skip
    for stream in tenant.streams:
        columns = tenant.entity(stream).columns
        assert "UpdatedOn" in columns
        assert "SysRevID" in columns
        assert not real & columns.keys()


def test_the_real_profile_has_the_flags_and_change_columns_of_its_tables():
    tenant = Tenant(profile="real", scale=0.1)
    facts = {
        stream: (entity.closed, entity.closed_when, [change.name for change in entity.changes])
        for stream in tenant.streams
        for entity in [tenant.entity(stream)]
    }

    assert facts["vendors"] == ("Inactive", True, [])
    assert facts["gl_accounts"] == ("Active", False, [])
    assert facts["gl_segment_values"] == ("ActiveFlag", False, [])
    assert facts["projects"] == ("ActiveProject", False, [])
    assert facts["parts"] == ("InActive", True, ["ChangedOn"])
    assert facts["customers"] == ("Inactive", True, ["ChangedBy", "ChangeDate", "ChangeTime"])
    assert facts["purchase_orders"] == ("VoidOrder", True, ["ChangedBy", "ChangeDate"])
    assert facts["purchase_order_releases"] == ("VoidRelease", True, [])
    assert facts["ap_invoices"] == (None, True, ["ChangedBy", "ChangeDate", "ChangedAt_c"])
    assert facts["ap_payments"] == ("Voided", True, ["ChangedBy", "ChangeDate"])
    assert facts["ap_payment_lines"] == (None, True, ["ChangedBy", "ChangeDate"])
    assert not any("UpdatedOn" in tenant.entity(s).columns for s in tenant.streams)


def test_without_row_versions_only_the_documented_time_stamp_is_left():
    tenant = Tenant(profile="documented", row_versions=False, scale=0.1)

    assert not any("SysRevID" in tenant.entity(s).columns for s in tenant.streams)
    with pytest.raises(ValueError, match="documented"):
        Tenant(profile="real", row_versions=False)
