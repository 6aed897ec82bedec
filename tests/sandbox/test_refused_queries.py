"""What some services do not take that others take: forms of $filter, $count, $select, length."""

import json

import pytest
from kinetic_sandbox.kinetic import KineticServer

EPIC06 = "/Kinetic/api/v2/odata/EPIC06"
ORDERS = f"{EPIC06}/Erp.BO.POSvc/POes"
LINES = f"{EPIC06}/Erp.BO.POSvc/PODetails"
VENDORS = f"{EPIC06}/Erp.BO.VendorSvc/Vendors"
SPEND = f"{EPIC06}/BaqSvc/KIN-VendorSpend/Data"
GUID = "e821a693-2d55-40cd-9435-e929b53a53d0"


@pytest.fixture
def server(shared_tenant):
    """The test's own vices before data that it only reads."""
    with KineticServer(shared_tenant) as running:
        yield running


@pytest.mark.parametrize(
    ("vice", "refused", "taken"),
    [
        ("refuse_or", "PONum eq 1 or PONum eq 2", "PONum ge 1 and PONum le 2"),
        ("refuse_or", "not (PONum eq 1 or PONum eq 2)", "PONum ne 1"),
        ("refuse_row_version_bounds", "SysRevID gt 5", "SysRevID eq 5"),
        ("refuse_row_version_bounds", "PONum gt 1 and 5 ge SysRevID", "PONum gt 1"),
        ("refuse_text_bounds", "BuyerID gt 'A'", "BuyerID eq 'A'"),
        ("refuse_text_bounds", "'A' le BuyerID", "startswith(BuyerID,'A')"),
        ("refuse_guid_bounds", f"SysRowID ge {GUID}", f"SysRowID eq {GUID}"),
    ],
)
def test_a_form_of_filter_is_refused_and_others_are_not(server, own, vice, refused, taken):
    assert own.get(ORDERS, filter=refused, top=1).status == 200
    server.vices.set(vice, "all")

    answer = own.get(ORDERS, filter=refused, top=1)
    assert answer.status == 400
    assert answer.json["ErrorType"] == "ODataException"
    assert own.get(ORDERS, filter=taken, top=1).status == 200
    assert own.get(f"{ORDERS}/$count", filter=refused).status == 400


def test_comparing_row_versions_may_fail_without_a_reason(server, own):
    server.vices.set("fail_row_version_bounds", "all")

    answer = own.get(ORDERS, filter="SysRevID lt 5")
    assert answer.status == 500
    assert answer.error.startswith("We apologize")
    assert own.get(ORDERS, orderby="SysRevID", top=1).status == 200


@pytest.mark.parametrize(
    ("scope", "orders", "lines", "vendors"),
    [
        ("all", 400, 400, 400),
        ("Erp.BO.POSvc", 400, 400, 200),
        ("Erp.BO.PO, Vendors", 400, 400, 400),
        ("Erp.BO.POSvc/PODetails", 200, 400, 200),
        ("POes", 400, 200, 200),
        ("Erp.BO.PartSvc", 200, 200, 200),
    ],
)
def test_a_scope_names_services_or_sets(server, own, scope, orders, lines, vendors):
    server.vices.set("refuse_or", scope)
    text = "SysRevID gt 5 or SysRevID lt 5"

    found = [own.get(path, filter=text, top=1).status for path in (ORDERS, LINES, VENDORS)]
    assert found == [orders, lines, vendors]


def test_a_scope_may_name_a_query(server, own):
    server.vices.set("refuse_text_bounds", "BaqSvc/KIN-VendorSpend")

    assert own.get(SPEND, filter="Vendor_Name gt 'A'").status == 400
    assert own.get(VENDORS, filter="Name gt 'A'").status == 200


def test_a_childs_filter_that_is_looked_up_on_its_parent_is_refused_all_the_same(server, own):
    server.vices.set("child_filter_on_parent", True)
    server.vices.set("refuse_row_version_bounds", "PODetails")

    assert own.get(LINES, filter="SysRevID gt 5").status == 400
    assert own.get(LINES, filter="PONum gt 5", top=1).status == 200


def test_count_is_what_the_filter_leaves_whatever_top_and_skip_say(own, server):
    void = sum(row["VoidOrder"] is True for row in server.tenant.rows("purchase_orders", "EPIC06"))

    for options in ({"top": 1}, {"top": 0}, {"top": 2, "skip": 1}, {"skip": 500}):
        answer = own.get(ORDERS, filter="VoidOrder eq true", count="true", **options)
        assert answer.json["@odata.count"] == void
    assert "@odata.count" not in own.get(ORDERS, count="false").json


def test_count_is_refused(server, own):
    server.vices.set("refuse_count", "Erp.BO.POSvc")

    answer = own.get(ORDERS, count="true")
    assert (answer.status, answer.json["ErrorType"]) == (400, "ODataException")
    assert own.get(ORDERS).status == 200
    assert own.get(f"{ORDERS}/$count").status == 200
    assert own.get(VENDORS, count="true").status == 200


def test_count_is_passed_over_in_silence(server, own):
    server.vices.set("count_ignored", "Erp.BO.POSvc")

    answer = own.get(ORDERS, count="true", top=3)
    assert len(answer.rows) == 3
    assert "@odata.count" not in answer.json
    assert own.get(VENDORS, count="true").json["@odata.count"] > 0


def test_select_is_passed_over_in_silence(server, own):
    server.vices.set("select_ignored", "POes")

    assert list(own.get(ORDERS, select="PONum", top=1).rows[0]) == list(
        server.tenant.entity("purchase_orders").columns
    )
    assert list(own.get(LINES, select="POLine", top=1).rows[0]) == ["POLine"]


@pytest.mark.parametrize("status", [404, 400])
def test_a_query_above_the_limit_is_refused_in_html(server, own, status):
    server.vices.set("query_limit", 120)
    server.vices.set("query_limit_400", status == 400)
    short = "$select=PONum&x=".ljust(120, "x")

    assert own.send("GET", f"{ORDERS}?{short}").status == 200
    answer = own.send("GET", f"{ORDERS}?{short}x")
    assert answer.status == status
    assert answer.headers["content-type"] == "text/html"


def test_reads_fail_while_methods_and_metadata_work(server, own):
    server.vices.set("fail_reads", "Erp.BO.GLAccountSvc")
    service = f"{EPIC06}/Erp.BO.GLAccountSvc"

    for path in ("GLAccounts", "GLAccounts/$count", "GLAccounts('EPIC06','MAIN','1000')"):
        answer = own.get(f"{service}/{path}")
        assert answer.status == 500
        assert answer.error.startswith("We apologize")
    asked = {"whereClauseGLAccount": "", "pageSize": 3, "absolutePage": 0}
    rows = own.send("POST", f"{service}/GetRows", json.dumps(asked))
    assert len(rows.json["returnObj"]["GLAccount"]) == 3
    assert own.get(f"{service}/$metadata").status == 200
    assert own.get(VENDORS).status == 200
