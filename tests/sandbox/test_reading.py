"""What the server answers: pages, order, null, numbers, metadata, single rows, queries."""

import gzip
import xml.etree.ElementTree as ET
from datetime import datetime, timezone
from urllib.parse import quote

import pytest
from kinetic_sandbox.kinetic import KineticServer, Tenant

SERVICES = "/Kinetic/api/v2/odata"
EPIC06 = f"{SERVICES}/EPIC06"
ORDERS = f"{EPIC06}/Erp.BO.POSvc/POes"
EDM = "{http://docs.oasis-open.org/odata/ns/edm}"


def address(tenant, stream: str, company: str = "EPIC06") -> str:
    entity = tenant.entity(stream)
    return f"{SERVICES}/{company}/{entity.service}/{entity.entity_set}"


def test_every_stream_arrives_whole_and_exact(client, shared_tenant):
    for stream in shared_tenant.streams:
        for company in shared_tenant.companies:
            answer = client.get(address(shared_tenant, stream, company), top=5000)
            own = [r for r in answer.rows if r.get("Company", r.get("Company1")) == company]
            key = shared_tenant.entity(stream).key
            expected = shared_tenant.rows(stream, company)
            assert len(own) == len(expected)
            by_key = {tuple(row[k] for k in key): row for row in own}
            for row in expected:
                assert by_key[tuple(row[k] for k in key)] == row


def test_only_the_company_service_shows_all_companies(client):
    rows = client.get(f"{EPIC06}/Erp.BO.CompanySvc/Companies").rows

    assert {row["Company1"] for row in rows} == {"EPIC06", "EPIC07"}
    assert {row["Company"] for row in client.get(ORDERS).rows} == {"EPIC06"}


def test_a_page_is_100_rows_unless_top_says_otherwise(client):
    assert len(client.get(ORDERS).rows) == 100
    assert len(client.get(ORDERS, top=150).rows) == 150
    assert client.get(ORDERS, top=0).rows == []
    assert "@odata.nextLink" not in client.get(ORDERS).json


def test_skip_moves_and_count_counts_what_the_filter_leaves(client, shared_tenant):
    orders = shared_tenant.rows("purchase_orders", "EPIC06")
    first = client.get(ORDERS, orderby="PONum", top=10)
    second = client.get(ORDERS, orderby="PONum", top=10, skip=10)
    counted = client.get(ORDERS, filter="VoidOrder eq true", count="true", top=1)

    assert [row["PONum"] for row in first.rows + second.rows] == list(range(4001, 4021))
    void = sum(row["VoidOrder"] is True for row in orders)
    assert counted.json["@odata.count"] == void
    bare = client.get(f"{ORDERS}/$count", filter="VoidOrder eq true")
    assert bare.body == str(void).encode()
    assert bare.headers["content-type"].startswith("text/plain")


def test_without_orderby_the_order_is_steady_but_not_that_of_the_key(client):
    numbers = [row["PONum"] for row in client.get(ORDERS).rows]

    assert numbers != sorted(numbers)
    assert numbers == [row["PONum"] for row in client.get(ORDERS).rows]


def test_a_walk_by_row_version_meets_every_row_once(client, shared_tenant):
    seen, last = [], 0
    while True:
        rows = client.get(ORDERS, filter=f"SysRevID gt {last}", orderby="SysRevID", top=50).rows
        if not rows:
            break
        seen += [row["PONum"] for row in rows]
        last = rows[-1]["SysRevID"]

    assert len(seen) == len(set(seen)) == len(shared_tenant.rows("purchase_orders", "EPIC06"))
    newest = client.get(ORDERS, orderby="SysRevID desc", top=1, select="SysRevID")
    assert newest.rows == [{"SysRevID": last}]


def test_a_walk_by_a_composed_key_meets_every_row_once(client, shared_tenant):
    path, seen, where = address(shared_tenant, "purchase_order_lines"), [], {}
    while True:
        rows = client.get(path, orderby="PONUM,POLine", top=40, **where).rows
        if not rows:
            break
        seen += [(row["PONUM"], row["POLine"]) for row in rows]
        last, line = seen[-1]
        where = {"filter": f"PONUM gt {last} or (PONUM eq {last} and POLine gt {line})"}

    assert seen == sorted(set(seen))
    assert len(seen) == len(shared_tenant.rows("purchase_order_lines", "EPIC06"))


@pytest.mark.parametrize("order", ["PONUM,POLine", "Company,PONUM,POLine", "POLine desc,PONUM",
                                   "POLine,PONUM desc", "DueDate,PONUM,POLine", "SysRevID desc",
                                   "SysRevID"])  # fmt: skip
@pytest.mark.parametrize(("text", "holds"), [
    ("POLine gt 1", lambda r: r["POLine"] > 1),
    ("POLine ge 2 and PONUM lt 4050", lambda r: r["POLine"] >= 2 and r["PONUM"] < 4050),
    ("PONUM eq 4010 or POLine eq 2", lambda r: r["PONUM"] == 4010 or r["POLine"] == 2),
    ("PONUM gt 4100 or (PONUM eq 4100 and POLine gt 1)",
     lambda r: (r["PONUM"], r["POLine"]) > (4100, 1)),
    ("not (PONUM gt 4020) and POLine le 2", lambda r: r["PONUM"] <= 4020 and r["POLine"] <= 2),
    ("PONUM gt 4100 and PONUM lt 4000", lambda _: False),
    ("(PONUM lt 4005 or PONUM gt 4200) and (POLine eq 1 or POLine eq 3)",
     lambda r: not 4005 <= r["PONUM"] <= 4200 and r["POLine"] in {1, 3}),
    ("DueDate eq null or PONUM le 4003", lambda r: r["DueDate"] is None or r["PONUM"] <= 4003),
])  # fmt: skip
def test_no_order_hides_what_a_filter_finds(client, shared_tenant, text, holds, order):
    lines = shared_tenant.rows("purchase_order_lines", "EPIC06")
    found = client.get(address(shared_tenant, "purchase_order_lines"), filter=text, orderby=order,
                       select="PONUM,POLine", top=5000).rows  # fmt: skip

    expected = {(row["PONUM"], row["POLine"]) for row in lines if holds(row)}
    assert {(row["PONUM"], row["POLine"]) for row in found} == expected
    assert len(found) == len(expected)


def test_null_is_not_true_and_not_greater(server, own):
    tenant = server.tenant
    key = tuple(tenant.rows("purchase_orders", "EPIC06")[0][k] for k in ("Company", "PONum"))
    tenant.update("purchase_orders", "EPIC06", key, VoidOrder=None, PromiseDate=None)
    this = f"PONum eq {key[1]}"
    early = "2000-01-01T00:00:00Z"

    def finds(text: str) -> bool:
        return len(own.get(ORDERS, filter=f"{this} and {text}").rows) == 1

    assert finds("VoidOrder ne true")
    assert finds("VoidOrder eq null")
    assert not finds("VoidOrder eq false")
    assert not finds("not VoidOrder")
    assert finds("not (VoidOrder eq true)")
    assert not finds(f"PromiseDate ge {early}")
    assert not finds(f"PromiseDate lt {early}")
    assert finds("PromiseDate eq null")


@pytest.mark.parametrize("text", [
    "PONum ge 4001 and PONum le 4003",
    "4003 ge PONum and not (PONum lt 4001)",
    "(PONum eq 4001) or (PONum eq 4002 or PONum eq 4003)",
])  # fmt: skip
def test_the_operators_compose(client, text):
    rows = client.get(ORDERS, filter=text, orderby="PONum desc").rows

    assert [row["PONum"] for row in rows] == [4003, 4002, 4001]


def test_text_tests_and_doubled_quotes(client, shared_tenant):
    vendors = address(shared_tenant, "vendors")

    def names(text: str) -> set[str]:
        return {row["Name"] for row in client.get(vendors, filter=text).rows}

    assert all(name.startswith("Zürich") for name in names("startswith(Name,'Zürich')"))
    assert names("contains(Name,'O''Malley')")
    assert names("endswith(Name,'Optik')") == {"Ångström Optik"}
    assert names("Name eq '東京精密シール'") == {"東京精密シール"}


def test_a_column_may_begin_with_a_keyword(client, shared_tenant):
    path = address(shared_tenant, "part_warehouses")

    assert client.get(path, filter="AllocatedQty eq 0").status == 200


def test_numbers_keep_every_digit(client, shared_tenant):
    body = client.get(address(shared_tenant, "parts"), top=500).body
    assert b'"CalibrationConstant_c":12345678901234567890.123456789' in body
    path = address(shared_tenant, "customers")
    assert b'"CreditLimit":12345678901234.56789' in client.get(path).body
    exact = client.get(path, filter="CreditLimit eq 12345678901234.56789").rows
    assert len(exact) == 1


def test_select_sends_these_columns_and_no_others(client):
    answer = client.get(ORDERS, select="PONum, VendorName", top=2)

    assert [list(row) for row in answer.rows] == [["PONum", "VendorName"]] * 2


@pytest.mark.parametrize("profile", ["real", "documented"])
def test_metadata_and_rows_have_the_same_columns(profile, connect):
    tenant = Tenant(profile=profile, scale=0.1, wide=12)
    with KineticServer(tenant) as server:
        client = connect(server)
        for stream in tenant.streams:
            entity = tenant.entity(stream)
            answer = client.get(f"{EPIC06}/{entity.service}/$metadata")
            declared = declared_type(answer.body, entity.type_name.removeprefix("Erp."))
            row = client.get(address(tenant, stream), top=1).rows[0]
            assert list(declared) == list(row)
            not_null = [n for n, p in declared.items() if p.get("Nullable") == "false"]
            assert set(not_null) == set(entity.key)


def declared_type(document: bytes, name: str) -> dict[str, dict[str, str]]:
    root = ET.fromstring(document)
    (found,) = (t for t in root.iter(f"{EDM}EntityType") if t.get("Name") == name)
    return {p.get("Name"): p.attrib for p in found.iter(f"{EDM}Property")}


def test_metadata_tells_lengths_precision_and_scale(client):
    declared = declared_type(client.get(f"{EPIC06}/Erp.BO.PartSvc/$metadata").body, "Part")

    assert declared["PartNum"]["MaxLength"] == "50"
    constant = declared["CalibrationConstant_c"]
    assert (constant["Type"], constant["Precision"], constant["Scale"]) == (
        "Edm.Decimal",
        "29",
        "9",
    )
    assert declared["NetWeight"]["Type"] == "Edm.Double"
    assert declared["UD_SysRevID"]["Type"] == "Edm.Binary"


@pytest.mark.parametrize("end", ["", "/"])
def test_a_service_document_lists_the_sets_of_one_service(client, end):
    listed = client.get(f"{EPIC06}/Erp.BO.POSvc{end}").json["value"]

    assert [entry["name"] for entry in listed] == ["POes", "PODetails", "PORels"]


def test_a_single_row_is_found_by_its_positional_key(client, shared_tenant):
    for stream in shared_tenant.streams:
        entity, row = shared_tenant.entity(stream), shared_tenant.rows(stream, "EPIC06")[-1]
        key = ",".join(literal(row[name], entity.columns[name].type) for name in entity.key)
        answer = client.get(f"{address(shared_tenant, stream)}({quote(key, safe='')})")
        found = answer.json
        found.pop("@odata.context")
        assert found == row


def literal(value, edm_type: str) -> str:
    if edm_type == "Edm.String":
        return "'" + value.replace("'", "''") + "'"
    return str(value).lower() if edm_type == "Edm.Boolean" else str(value)


TWINS = {
    "APInvSearchSvc/APInvSearches": "ap_invoices",
    "APInvDtlSearchSvc/APInvDtlSearches": "ap_invoice_lines",
    "APTranSearchSvc/APTranSearches": "ap_payment_lines",
    "PORelSearchSvc/PORelSearches": "purchase_order_releases",
    "PartWhseFullSearchSvc/PartWhseFullSearches": "part_warehouses",
}


@pytest.mark.parametrize("path", TWINS)
def test_search_twins_show_the_rows_of_other_sets_and_filter_them(shared_tenant, connect, path):
    path, stream = f"{EPIC06}/Erp.BO.{path}", TWINS[path]
    expected = {row["SysRevID"]: row for row in shared_tenant.rows(stream, "EPIC06")}
    middle = sorted(expected)[len(expected) // 2]
    with KineticServer(shared_tenant) as server:
        server.vices.set("child_filter_on_parent", True)
        rows = connect(server).get(path, top=5000).rows
        late = connect(server).get(path, filter=f"SysRevID gt {middle}", top=5000).rows

    assert {row["SysRevID"]: row for row in rows} == expected
    assert {row["SysRevID"] for row in late} == {each for each in expected if each > middle}


def test_a_thin_twin_shows_all_rows_but_few_columns(client, shared_tenant):
    service = f"{EPIC06}/Erp.BO.PartWhseSearchSvc"
    expected = {row["SysRevID"]: row for row in shared_tenant.rows("part_warehouses", "EPIC06")}
    rows = client.get(f"{service}/PartWhseSearches", top=5000).rows

    declared = declared_type(client.get(f"{service}/$metadata").body, "PartWhseSearch")
    assert {tuple(row) for row in rows} == {tuple(declared)}
    assert "OnHandQty" in declared
    assert "DemandQty" not in declared
    assert {row["SysRevID"] for row in rows} == expected.keys()
    assert all(row.items() <= expected[row["SysRevID"]].items() for row in rows)
    assert client.get(f"{service}/PartWhseSearches", filter="DemandQty eq 0").status == 400
    assert client.get(f"{service}/PartWhseSearches", select="DemandQty").status == 400


def test_gzip_is_sent_to_those_who_take_it(client):
    plain, packed = client.get(ORDERS), client.send("GET", ORDERS, Accept_Encoding="gzip")

    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body


def test_date_and_stamps_follow_the_tenants_clock(connect):
    noon = datetime(2026, 3, 1, 17, 0, 0, 250_000, tzinfo=timezone.utc)
    tenant = Tenant(profile="documented", scale=0.1, clock=lambda: noon)
    key = tenant.touch("vendors", "EPIC06", 1)[0]
    with KineticServer(tenant) as server:
        vendors = address(tenant, "vendors")
        answer = connect(server).get(vendors, filter=f"VendorNum eq {key[1]}")

    assert answer.headers["date"] == "Sun, 01 Mar 2026 17:00:00 GMT"
    assert answer.rows[0]["UpdatedOn"] == "2026-03-01T12:00:00.250-05:00"


def test_requests_are_kept_as_they_came(server, own):
    own.get(ORDERS, filter="PONum gt 5", top=2)
    own.get(f"{EPIC06}/Erp.BO.POSvc/$metadata")
    own.get(f"{ORDERS}('EPIC06',1)")
    own.get(f"{ORDERS}/$count")

    assert [(r.kind, r.status) for r in server.requests] == [
        ("rows", 200), ("metadata", 200), ("row", 404), ("count", 200),
    ]  # fmt: skip
    first = server.requests[0]
    assert first.query == {"$filter": "PONum gt 5", "$top": "2"}
    assert (first.company, first.service, first.entity_set) == ("EPIC06", "Erp.BO.POSvc", "POes")
    assert first.raw_query == "$filter=PONum%20gt%205&$top=2"
    assert first.headers["x-api-key"] == server.api_key
