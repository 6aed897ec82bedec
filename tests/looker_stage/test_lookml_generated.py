"""What is generated from a tenant: keys, dates, money, joins, drills, tests, notes."""

import json
import re
from decimal import Decimal
from pathlib import Path

import lkml
import pytest
import yaml
from kinetic_sandbox.kinetic import Tenant
from lookml_tenant import SCHEMA, Modelled, named, stage

KINDS = [
    ("real", "snake_case"),
    pytest.param(("real", "source"), marks=pytest.mark.full),
    pytest.param(("documented", "snake_case"), marks=pytest.mark.full),
    pytest.param(("documented", "source"), marks=pytest.mark.full),
]
ZERO = Decimal(0)


@pytest.fixture(scope="module", params=KINDS, ids="-".join)
def modelled(request, tmp_path_factory) -> Modelled:
    profile, naming = request.param
    folder = tmp_path_factory.mktemp("modelled")
    url = f"duckdb:///{folder / 'stage.duckdb'}"
    tenant = Tenant(profile=profile, seed=7, scale=0.2)
    tenant.day_passes(2)
    made = stage(folder, tenant, url, naming).generated()
    made.naming = naming
    return made


def field(modelled: Modelled, source: str, snake: str) -> str:
    return source if modelled.naming == "source" else snake


def explores(modelled: Modelled) -> dict:
    text = (modelled.folder / "epicor_kinetic.explore.lkml").read_text()
    return {each["name"]: each for each in lkml.load(text)["explores"]}


def test_every_explore_runs_with_all_its_fields_and_every_key_is_unique(modelled):
    done = modelled.check()

    assert done.exit_code == 0, done.output
    said = re.search(r"(\d+) explores with (\d+) fields ran, (\d+) tests hold, 0", done.output)
    assert int(said[1]) == len(explores(modelled)) >= 20
    assert int(said[2]) > 4000
    assert int(said[3]) == len(modelled.views())


def test_generating_again_changes_no_byte(modelled):
    before = {path: path.read_bytes() for path in modelled.folder.rglob("*.lk*")}

    again = modelled.lookml()

    assert "0 of them written" in again.output
    assert {path: path.read_bytes() for path in modelled.folder.rglob("*.lk*")} == before
    assert modelled.lookml("--diff").exit_code == 0


def test_every_stream_of_the_catalog_is_a_view(modelled):
    streams = {each["stream"] for each in json.loads(modelled.catalog.read_text())["streams"]}

    assert modelled.views().keys() == streams | {"part_costs", "part_usage"}


def test_the_company_is_part_of_every_join(modelled):
    joins = [join for each in explores(modelled).values() for join in each.get("joins", ())]

    assert len(joins) > 40
    for join in joins:
        first, *_ = join["sql_on"].split(" AND ")
        assert re.fullmatch(r"\$\{\w+\.epicor_company\} = \$\{\w+\.epicor_company\}", first), join


def test_a_join_on_less_than_the_key_is_not_called_one(modelled):
    joins = named(explores(modelled)["payables"], "joins")

    assert joins["vendors"]["relationship"] == "many_to_one"
    assert joins["ap_invoice_lines"]["relationship"] == "one_to_many"
    assert joins["gl_accounts"]["relationship"] == "many_to_many"  # the chart is not part of it


def test_spend_by_supplier_is_the_sum_of_posted_invoices(modelled):
    names = {(v["_company"], v["VendorNum"]): v["Name"] for v in modelled.open_rows("vendors")}
    expected: dict = {}
    for invoice in modelled.open_rows("ap_invoices"):
        group = (invoice["_company"], names.get((invoice["_company"], invoice["VendorNum"])))
        expected.setdefault(group, None)
        if invoice["Posted"]:
            expected[group] = (expected[group] or ZERO) + invoice["InvoiceAmt"]

    rows = modelled.ask(
        "payables", "ap_invoices.epicor_company", "vendors.name", "ap_invoices.spend"
    )

    assert {row[:2]: row[2] for row in rows} == expected
    assert len([amount for amount in expected.values() if amount]) > 10


def test_an_invoice_counts_once_whatever_its_lines_are_grouped_by(modelled):
    posted = [row for row in modelled.open_rows("ap_invoices") if row["Posted"]]
    lines = modelled.open_rows("ap_invoice_lines")

    (row,) = modelled.ask(
        "payables", "ap_invoices.spend", "ap_invoices.count", "ap_invoice_lines.count",
        "ap_invoice_lines.line_spend",
    )  # fmt: skip

    heads = {(r["_company"], r["VendorNum"], r["InvoiceNum"]) for r in posted}
    invoiced = {
        (r["_company"], r["VendorNum"], r["InvoiceNum"]) for r in modelled.open_rows("ap_invoices")
    }
    of_posted = [r for r in lines if (r["_company"], r["VendorNum"], r["InvoiceNum"]) in heads]
    shown = [r for r in lines if (r["_company"], r["VendorNum"], r["InvoiceNum"]) in invoiced]
    assert row == (
        sum(r["InvoiceAmt"] for r in posted), len(invoiced), len(shown),
        sum(r["ExtCost"] for r in of_posted),
    )  # fmt: skip
    assert len(shown) > len(invoiced)


def test_open_payables_fall_into_ages_that_add_up(modelled):
    expected = sum(r["InvoiceBal"] for r in modelled.open_rows("ap_invoices") if r["Posted"])
    ages = ("not_due", "overdue_1_30", "overdue_31_60", "overdue_61_90", "overdue_over_90",
            "without_due_date")  # fmt: skip

    (row,) = modelled.ask(
        "payables", "ap_invoices.open_payables", *(f"ap_invoices.{each}" for each in ages)
    )
    by_age = modelled.ask("payables", "ap_invoices.age", "ap_invoices.open_payables")

    assert row[0] == expected != ZERO
    assert sum(each or ZERO for each in row[1:]) == expected
    assert sum(amount or ZERO for _, amount in by_age) == expected
    assert sum(1 for each in row[1:] if each) >= 2


def test_inventory_value_is_what_is_on_hand_at_the_latest_cost(modelled):
    latest = {}
    for row in sorted(
        modelled.open_rows("part_transactions"),
        key=lambda r: (r["SysDate"], r["SysTime"], r["TranNum"]),
    ):
        if row["MtlUnitCost"]:
            latest[row["_company"], row["PartNum"]] = row["MtlUnitCost"]
    expected: dict = {}
    for row in modelled.open_rows("part_warehouses"):
        cost = latest.get((row["_company"], row["PartNum"]))
        held = expected.setdefault(row["_company"], ZERO)
        expected[row["_company"]] = held + (row["OnHandQty"] * cost if cost else ZERO)

    rows = modelled.ask(
        "inventory", "part_warehouses.epicor_company", "part_warehouses.inventory_value",
        "part_warehouses.turns",
    )  # fmt: skip

    assert {row[0]: row[1] for row in rows} == expected
    assert all(row[2] > 0 for row in rows)


def test_received_stands_against_ordered(modelled):
    releases = modelled.open_rows("purchase_order_releases")
    orders = {(r["_company"], r["PONum"]) for r in modelled.open_rows("purchase_orders")}
    shown = [r for r in releases if (r["_company"], r["PONum"]) in orders]

    (row,) = modelled.ask(
        "purchasing", "purchase_order_releases.release_quantity",
        "purchase_order_releases.received_quantity", "purchase_order_releases.received_share",
        "purchase_orders.count", "purchase_order_lines.count",
    )  # fmt: skip

    ordered, received = sum(r["RelQty"] for r in shown), sum(r["ReceivedQty"] for r in shown)
    assert row[:2] == (ordered, received)
    assert abs(row[2] - received / ordered) < Decimal("0.000001")
    assert row[3] == len(orders)


def test_receipts_are_on_time_by_the_day_that_was_promised(modelled):
    releases = {
        (r["_company"], r["PONum"], r["POLine"], r["PORelNum"]): r
        for r in modelled.open_rows("purchase_order_releases")
    }
    receipts = [
        r for r in modelled.open_rows("part_transactions") if r["TranType"].startswith("PUR-")
    ]
    on_time = 0
    for row in receipts:
        release = releases.get((row["_company"], row["PONum"], row["POLine"], row["PORelNum"]), {})
        promised = release.get("PromiseDt") or release.get("DueDate")
        on_time += bool(promised) and row["TranDate"][:10] <= promised[:10]

    (row,) = modelled.ask(
        "stock_movements", "part_transactions.receipts", "part_transactions.on_time_receipts"
    )

    assert row == (len(receipts), on_time)
    assert on_time > 0


def test_the_journal_nets_to_nothing_and_splits_by_the_tenants_departments(modelled):
    names = {r["SegmentName"] for r in modelled.open_rows("gl_segments")}
    segments = {
        (r["_company"], r["SegmentCode"]): r["SegmentName"]
        for r in modelled.open_rows("gl_segment_values")
        if r["SegmentNbr"] == 2
    }
    expected: dict = {}
    for row in modelled.open_rows("gl_transactions"):
        name = segments.get((row["_company"], row["SegValue2"]))
        amount = row["BookDebitAmount"] - row["BookCreditAmount"]
        expected[name] = expected.get(name, ZERO) + amount

    rows = modelled.ask(
        "gl_journal", field(modelled, "gl_segment_2.segmentname", "gl_segment_2.segment_name"),
        "gl_transactions.net",
    )  # fmt: skip

    assert dict(rows) == expected
    assert sum(expected.values()) == ZERO
    assert len(expected) > 2
    labels = {j["view_label"] for j in explores(modelled)["gl_journal"]["joins"] if "from" in j}
    assert labels == names == {"Natural Account", "Department", "Cost Centre"}


def test_an_amount_shows_its_currency_and_says_where_there_are_several(modelled):
    view = modelled.views()["ap_invoices"]
    spend, paid = (named(view, "measures")[each] for each in ("spend", "document_amount"))
    code = field(modelled, "currencycode", "currency_code")

    assert spend["html"] == f"{{{{ rendered_value }}}} {{{{ companies.one_{code}._value }}}}"
    assert paid["html"] == f"{{{{ rendered_value }}}} {{{{ one_{code}._value }}}}"
    assert spend["value_format_name"] == "decimal_2"
    currencies = modelled.ask("payables", "ap_invoices.epicor_company", f"companies.one_{code}")
    assert sorted(currencies) == [("EPIC06", "USD"), ("EPIC07", "EUR")]
    assert modelled.ask("payables", f"companies.one_{code}") == [("several",)]


def test_a_day_is_no_moment_and_a_moment_is_no_day(modelled):
    groups = named(modelled.views()["ap_invoices"], "dimension_groups")

    assert groups["invoice"]["datatype"] == "date"
    assert groups["invoice"]["convert_tz"] == "no"
    assert "time" not in groups["invoice"]["timeframes"]
    assert groups["epicor_synced"]["datatype"] == "timestamp"
    assert "convert_tz" not in groups["epicor_synced"]
    days = modelled.ask("payables", "ap_invoices.invoice_date")
    told = {row["InvoiceDate"][:10] for row in modelled.open_rows("ap_invoices")}
    assert {str(day) for (day,) in days} == told


def test_a_document_leads_to_its_record_in_epicor(modelled):
    number = field(modelled, "invoicenum", "invoice_number")
    dimension = named(modelled.views()["ap_invoices"], "dimensions")[number]

    assert dimension["links"] == [
        {"label": "Open in Epicor Kinetic", "url": "{{ epicor_source_url._value }}"}
    ]
    for view in modelled.views().values():
        dimensions = named(view, "dimensions")
        if "epicor_source_url" in dimensions:
            assert any("links" in each for each in dimensions.values()), view["name"]
            assert dimensions["epicor_source_url"]["hidden"] == "yes"


def test_a_number_drills_into_department_project_and_supplier(modelled):
    view = modelled.views()["ap_invoice_lines"]

    sets = named(view, "sets")
    assert sets.keys() == {"attributes", "detail", "by_department", "by_project", "by_supplier"}
    assert sets["by_department"]["fields"][-1] == "invoiced_quantity"
    spend = named(view, "measures")["line_spend"]
    assert spend["drill_fields"] == ["detail*"]
    assert [each["label"] for each in spend["links"]] == [
        "By department", "By project", "By supplier",
    ]  # fmt: skip
    heads = named(modelled.views()["ap_invoices"], "sets")
    assert "ap_invoice_lines.line_spend" in heads["by_department"]["fields"]
    assert "spend" in heads["by_supplier"]["fields"]


def test_technical_columns_are_hidden_and_the_tenants_own_are_there(modelled):
    dimensions = named(modelled.views()["vendors"], "dimensions")

    hidden = {name for name, each in dimensions.items() if each.get("hidden") == "yes"}
    assert {"epicor_run_id", "epicor_source_id", "row_key", "company"} <= hidden
    assert field(modelled, "sysrevid", "sys_rev_id") in hidden
    own = dimensions[field(modelled, "plantrating_c", "plant_rating_c")]
    assert own["label"] == "Plant Rating"
    assert "hidden" not in own


def test_every_view_of_a_stream_leaves_retracted_rows_out(modelled):
    for name, view in modelled.views().items():
        if "epicor_run_id" in named(view, "dimensions"):
            assert view["derived_table"]["sql"].endswith('"_sdc_deleted_at" IS NULL'), name


def test_the_datagroup_watches_loads_that_changed_rows(modelled):
    model = lkml.load((modelled.folder / "epicor_kinetic.model.lkml").read_text())
    text = (modelled.folder / "epicor_kinetic.explore.lkml").read_text()
    (datagroup,) = lkml.load(text)["datagroups"]

    assert model["persist_with"] == datagroup["name"] == "epicor_kinetic"
    assert datagroup["max_cache_age"] == "24 hours"
    ((triggered,),) = modelled.query(datagroup["sql_trigger"])
    ((completed,),) = modelled.query(f"SELECT MAX(completed_at) FROM {SCHEMA}._sync_audit")
    assert triggered == completed is not None


def test_the_first_dashboard_asks_for_what_the_explores_have(modelled):
    (dashboard,) = yaml.safe_load((modelled.folder / "epicor_kinetic.dashboard.lookml").read_text())

    assert [each["title"] for each in dashboard["elements"]] == [
        "Spend by supplier", "Open payables by age", "Spend by month", "Received against ordered",
        "Receipts on time", "Inventory value by class", "GL by department",
    ]  # fmt: skip
    for element in dashboard["elements"]:
        assert modelled.ask(element["explore"], *element["fields"]), element["title"]


def test_what_is_left_out_stands_in_the_model_as_well_as_in_the_answer(modelled):
    notes = [line for line in modelled.lookml().output.splitlines() if line.startswith("note: ")]

    head = Path(modelled.folder / "epicor_kinetic.model.lkml").read_text()
    assert notes
    for note in notes:
        assert f"# - {note.removeprefix('note: ')}\n" in head
