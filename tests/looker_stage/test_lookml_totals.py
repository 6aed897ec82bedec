"""Totals of tenants with two charts, two books, two warehouses, or void documents."""

import json
from contextlib import closing
from datetime import datetime, timezone
from decimal import Decimal

import duckdb
import pytest
import yaml
from lookml_tenant import SCHEMA, Modelled, insert, named

TEXT, WHOLE, AMOUNT, TRUTH, MOMENT = (
    "VARCHAR", "BIGINT", "DECIMAL(20,3)", "BOOLEAN", "TIMESTAMPTZ",
)  # fmt: skip
TABLES = {
    "ap_invoices": (
        "VendorNum InvoiceNum",
        {"VendorNum": WHOLE, "InvoiceNum": TEXT, "InvoiceAmt": AMOUNT, "Posted": TRUTH,
         "Voided": TRUTH},
    ),
    "ap_invoice_lines": (
        "VendorNum InvoiceNum InvoiceLine",
        {"VendorNum": WHOLE, "InvoiceNum": TEXT, "InvoiceLine": WHOLE, "GLAccount": TEXT,
         "COACode": TEXT, "ExtCost": AMOUNT},
    ),
    "purchase_orders": ("PONum", {"PONum": WHOLE, "TotalOrder": AMOUNT, "VoidOrder": TRUTH}),
    "purchase_order_lines": (
        "PONum POLine",
        {"PONum": WHOLE, "POLine": WHOLE, "ExtCost": AMOUNT, "VoidLine": TRUTH},
    ),
    "purchase_order_releases": (
        "PONum POLine PORelNum",
        {"PONum": WHOLE, "POLine": WHOLE, "PORelNum": WHOLE, "RelQty": AMOUNT,
         "VoidRelease": TRUTH},
    ),
    "gl_accounts": (
        "COACode GLAccount1", {"COACode": TEXT, "GLAccount1": TEXT, "SegValue2": TEXT},
    ),
    "gl_segments": (
        "COACode SegmentNbr", {"COACode": TEXT, "SegmentNbr": WHOLE, "SegmentName": TEXT},
    ),
    "gl_segment_values": (
        "COACode SegmentNbr SegmentCode",
        {"COACode": TEXT, "SegmentNbr": WHOLE, "SegmentCode": TEXT, "SegmentName": TEXT},
    ),
    "gl_transactions": (
        "BookID JournalNum JournalLine",
        {"BookID": TEXT, "JournalNum": WHOLE, "JournalLine": WHOLE, "COACode": TEXT,
         "SegValue2": TEXT, "BookDebitAmount": AMOUNT, "BookCreditAmount": AMOUNT, "Posted": TRUTH,
         "PostedDate": MOMENT},
    ),
    "part_warehouses": (
        "PartNum WarehouseCode",
        {"PartNum": TEXT, "Plant": TEXT, "WarehouseCode": TEXT, "OnHandQty": AMOUNT},
    ),
    "part_transactions": (
        "SysDate TranNum",
        {"SysDate": "DATE", "TranNum": WHOLE, "PartNum": TEXT, "WareHouseCode": TEXT,
         "TranType": TEXT, "MtlUnitCost": AMOUNT, "ExtCost": AMOUNT},
    ),
}  # fmt: skip
CHART = "ap_invoice_lines.COACode"
DEPARTMENT = "gl_segment_2.segmentname"


@pytest.fixture
def staged(tmp_path):
    """Makes empty tables of these streams, without the columns that a tenant lacks."""

    def make(*streams: str, without: tuple[str, ...] = ()) -> Modelled:
        entries = []
        file = tmp_path / "stage.duckdb"
        with closing(duckdb.connect(str(file))) as database:
            database.execute(f"CREATE SCHEMA {SCHEMA}")
            for stream in streams:
                key, own = TABLES[stream]
                columns = {"_epicor_company": TEXT, "Company": TEXT, **own}
                columns = {n: columns[n] for n in columns if f"{stream}.{n}" not in without}
                declared = ", ".join(f'"{name.lower()}" {columns[name]}' for name in columns)
                database.execute(f"CREATE TABLE {SCHEMA}.{stream} ({declared})")
                entries.append(
                    {"stream": stream, "key_properties": ["Company", *key.split()],
                     "schema": {"properties": {name: {} for name in columns}}}
                )  # fmt: skip
        catalog = tmp_path / "catalog.json"
        catalog.write_text(json.dumps({"streams": entries}))
        return Modelled(None, f"duckdb:///{file}", catalog, tmp_path / "lookml")

    return make


def put(modelled: Modelled, table: str, *, company: str = "E", **values) -> None:
    insert(modelled, table, _epicor_company=company, company=company, **values)


def put_chart(modelled: Modelled, chart: str, department: str, company: str = "E") -> None:
    put(modelled, "gl_segments", company=company, coacode=chart, segmentnbr=2,
        segmentname="Department")  # fmt: skip
    put(modelled, "gl_segment_values", company=company, coacode=chart, segmentnbr=2,
        segmentcode="10", segmentname=department)  # fmt: skip
    put(modelled, "gl_accounts", company=company, coacode=chart, glaccount1="5000-10",
        segvalue2="10")  # fmt: skip


def put_invoice(modelled: Modelled, *, company: str = "E", **line) -> None:
    put(modelled, "ap_invoices", company=company, vendornum=1, invoicenum="I", invoiceamt=100,
        posted=True)  # fmt: skip
    put(modelled, "ap_invoice_lines", company=company, vendornum=1, invoicenum="I", invoiceline=1,
        glaccount="5000-10", extcost=100, **line)  # fmt: skip


PAYABLES = (
    "ap_invoices", "ap_invoice_lines", "gl_accounts", "gl_segments", "gl_segment_values",
)  # fmt: skip


def test_a_line_is_in_no_department_twice_where_accounts_are_of_two_charts(staged):
    modelled = staged(*PAYABLES, without=(CHART,))
    put_chart(modelled, "MAIN", "Sales")
    put_chart(modelled, "IFRS", "Vertrieb")
    put_invoice(modelled)

    done = modelled.generated().lookml()

    assert (
        "note: explore payables does not join gl_accounts: gl_accounts has several COACode in one "
        "company, and nothing tells which"
    ) in done.output
    text = (modelled.folder / "epicor_kinetic.explore.lkml").read_text()
    assert "join: gl_accounts" not in text
    assert "join: gl_segment_2" not in text
    assert modelled.ask("payables", "ap_invoice_lines.line_spend") == [(Decimal(100),)]


def test_a_line_that_tells_its_chart_is_in_that_charts_department(staged):
    modelled = staged(*PAYABLES)
    put_chart(modelled, "MAIN", "Sales")
    put_chart(modelled, "IFRS", "Vertrieb")
    put_invoice(modelled, coacode="IFRS")

    rows = modelled.generated().ask("payables", DEPARTMENT, "ap_invoice_lines.line_spend")

    assert rows == [("Vertrieb", Decimal(100))]


def test_companies_with_a_chart_each_keep_their_departments(staged):
    modelled = staged(*PAYABLES, without=(CHART,))
    put_chart(modelled, "MAIN", "Sales", company="E")
    put_chart(modelled, "IFRS", "Vertrieb", company="F")
    put_invoice(modelled, company="E")
    put_invoice(modelled, company="F")

    rows = modelled.generated().ask("payables", DEPARTMENT, "ap_invoice_lines.line_spend")

    assert sorted(rows) == [("Sales", Decimal(100)), ("Vertrieb", Decimal(100))]


GL = ("gl_transactions", "gl_segments", "gl_segment_values")


@pytest.mark.parametrize("without", [(), ("gl_transactions.BookID",)], ids=["books", "no book"])
def test_the_dashboard_sets_books_apart_where_the_tenant_has_them(staged, without):
    modelled = staged(*GL, without=without)
    has_books = not without
    put(modelled, "gl_segments", coacode="MAIN", segmentnbr=2, segmentname="Department")
    put(modelled, "gl_segment_values", coacode="MAIN", segmentnbr=2, segmentcode="10",
        segmentname="Sales")  # fmt: skip
    for book in ("MAIN", "TAX") if has_books else ("MAIN",):
        put(modelled, "gl_transactions", **({"bookid": book} if has_books else {}), journalnum=1,
            journalline=1, coacode="MAIN", segvalue2="10", bookdebitamount=100,
            bookcreditamount=0, posted=True)  # fmt: skip

    modelled.generated()

    (dashboard,) = yaml.safe_load((modelled.folder / "epicor_kinetic.dashboard.lookml").read_text())
    (tile,) = dashboard["elements"]
    books = ["gl_transactions.bookid"] if has_books else []
    assert tile["title"] == "GL by department"
    assert tile["fields"] == [DEPARTMENT, *books, "gl_transactions.net"]
    assert tile.get("pivots", []) == books
    assert sorted(modelled.ask(tile["explore"], *tile["fields"])) == (
        [("Sales", "MAIN", Decimal(100)), ("Sales", "TAX", Decimal(100))]
        if has_books
        else [("Sales", Decimal(100))]
    )
    measures = named(modelled.views()["gl_transactions"], "measures")
    for name in ("net", "debit", "credit"):
        told = "Filter or split by Book ID: several together are no total"
        assert (told in measures[name].get("description", "")) is has_books, name


STOCK = ("part_warehouses", "part_transactions")


def put_stock(modelled: Modelled, **used: int) -> None:
    today = datetime.now(timezone.utc).date()
    for number, (warehouse, cost) in enumerate(used.items()):
        put(modelled, "part_warehouses", partnum="P", plant=f"of {warehouse}",
            warehousecode=warehouse, onhandqty=5)  # fmt: skip
        if cost:
            put(
                modelled, "part_transactions", sysdate=today, trannum=number, partnum="P",
                warehousecode=warehouse, trantype="STK-MTL", mtlunitcost=10, extcost=cost,
            )  # fmt: skip


@pytest.mark.parametrize("by", ["warehousecode", "plant"])
def test_turns_of_a_warehouse_are_of_what_that_warehouse_used(staged, by):
    modelled = staged(*STOCK)
    put_stock(modelled, W1=100, W2=50, W3=0)

    modelled.generated()

    split = modelled.ask("inventory", f"part_warehouses.{by}", "part_warehouses.turns")
    assert [turns for _, turns in sorted(split)] == [2, 1, None]
    assert modelled.ask("inventory", "part_warehouses.turns") == [(1,)]


def test_turns_are_left_out_where_no_transaction_tells_its_warehouse(staged):
    modelled = staged(*STOCK, without=("part_transactions.WareHouseCode",))

    done = modelled.generated().lookml()

    assert "note: part_usage is left out: part_transactions has no column Ware" in done.output
    assert "turns" not in named(modelled.views()["part_warehouses"], "measures")
    assert "inventory_value" in named(modelled.views()["part_warehouses"], "measures")


def test_lines_of_a_void_invoice_count_as_little_as_the_invoice(staged):
    modelled = staged("ap_invoices", "ap_invoice_lines")
    for number, is_void in (("I", False), ("V", True)):
        put(modelled, "ap_invoices", vendornum=1, invoicenum=number, invoiceamt=100, posted=True,
            voided=is_void)  # fmt: skip
        put(modelled, "ap_invoice_lines", vendornum=1, invoicenum=number, invoiceline=1,
            extcost=100)  # fmt: skip

    (row,) = modelled.generated().ask(
        "payables", "ap_invoices.spend", "ap_invoice_lines.line_spend"
    )

    assert row == (Decimal(100), Decimal(100))


def test_lines_and_releases_of_a_void_order_count_as_little_as_the_order(staged):
    modelled = staged("purchase_orders", "purchase_order_lines", "purchase_order_releases")
    for order, is_void, is_line_void in ((1, False, False), (2, True, False), (3, False, True)):
        put(modelled, "purchase_orders", ponum=order, totalorder=100, voidorder=is_void)
        put(modelled, "purchase_order_lines", ponum=order, poline=1, extcost=100,
            voidline=is_line_void)  # fmt: skip
        put(modelled, "purchase_order_releases", ponum=order, poline=1, porelnum=1, relqty=10,
            voidrelease=False)  # fmt: skip

    (row,) = modelled.generated().ask(
        "purchasing", "purchase_orders.ordered", "purchase_order_lines.ordered_value",
        "purchase_order_releases.release_quantity",
    )  # fmt: skip

    assert row == (Decimal(200), Decimal(100), Decimal(10))


def test_a_posted_date_is_not_moved_to_the_day_before(staged):
    modelled = staged("gl_transactions").generated()

    groups = named(modelled.views()["gl_transactions"], "dimension_groups")

    assert groups["posted"]["convert_tz"] == "no"
    assert groups["posted"]["label"] == "Posted (UTC)"
