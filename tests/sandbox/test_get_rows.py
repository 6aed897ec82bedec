"""The method GetRows: where clauses per table, children below their parents, local dates."""

import json
import re
from datetime import datetime, timedelta, timezone
from urllib.parse import quote

import pytest
from kinetic_sandbox.kinetic import KineticServer, Tenant
from kinetic_sandbox.kinetic.get_rows import TABLES

EPIC06 = "/Kinetic/api/v2/odata/EPIC06"
PO_TABLES = ("POHeader", "PODetail", "PORel", "POHeaderAttch", "PODetailAttch", "PORelAttch",
             "PODetailTax", "PORelTax")  # fmt: skip
APOLOGY = "We apologize, but an unexpected internal problem occurred"


@pytest.fixture(scope="module")
def tenant():
    """For all; whoever changes it leaves as many rows."""
    return Tenant(profile="real", seed=3, scale=0.3)


@pytest.fixture
def server(tenant):
    with KineticServer(tenant) as running:
        yield running


def asked(tables=PO_TABLES, *, size=0, page=0, **clauses):
    """Parameters that leave out every table that is not named."""
    where = {f"whereClause{table}": clauses.get(table, "1=0") for table in tables}
    return {**where, "pageSize": size, "absolutePage": page}


def call(client, service, parameters):
    return client.send("POST", f"{EPIC06}/{service}/GetRows", json.dumps(parameters))


def orders(client, **how):
    return call(client, "Erp.BO.POSvc", asked(**how)).json["returnObj"]["POHeader"]


def segments(client, where):
    answer = call(client, "Erp.BO.GLAccountSvc", asked(("GLAccount",), GLAccount=where))
    assert answer.status == 200, answer.error
    return answer.json["returnObj"]["GLAccount"]


def numbers(rows):
    return sorted(row["PONum"] for row in rows)


def truth(tenant, stream="purchase_orders"):
    return tenant.rows(stream, "EPIC06")


def test_every_entity_set_has_a_table_behind_it(tenant):
    assert {facts.entity_set for _, facts in tenant.database.sets()} <= TABLES.keys()


def test_without_a_condition_come_all_rows_of_that_table_and_of_no_other(client, shared_tenant):
    found = call(client, "Erp.BO.POSvc", asked(POHeader="")).json

    assert numbers(found["returnObj"]["POHeader"]) == numbers(truth(shared_tenant))
    assert found["returnObj"].keys() == {*PO_TABLES, "ExtensionTables"}
    assert all(rows == [] for name, rows in found["returnObj"].items() if name != "POHeader")
    assert found["parameters"] == {"morePages": False}


def test_a_get_with_a_query_string_asks_the_same(client):
    parameters = asked(POHeader="SysRevID > 0 BY PONum desc", size=3)
    query = "&".join(f"{name}={quote(str(value))}" for name, value in parameters.items())

    got = client.send("GET", f"{EPIC06}/Erp.BO.POSvc/GetRows?{query}")

    assert got.body == call(client, "Erp.BO.POSvc", parameters).body


@pytest.mark.parametrize("missing", ["whereClausePORelTax", "whereClausePOHeader", "pageSize"])
def test_each_table_wants_its_where_clause(client, missing):
    parameters = asked(POHeader="")
    del parameters[missing]

    answer = call(client, "Erp.BO.POSvc", parameters)

    assert answer.status == 400
    assert answer.error == f"Parameter {missing} is not found in the input object"


def test_a_body_that_is_no_object_and_an_unknown_service_are_refused(client):
    assert client.send("POST", f"{EPIC06}/Erp.BO.POSvc/GetRows", "[").status == 400
    assert client.send("POST", f"{EPIC06}/Erp.BO.POSvc/GetRows").status == 400
    assert call(client, "Erp.BO.NoSvc", {}).status == 404


def test_other_methods_and_other_addresses_still_take_no_post(client):
    assert client.send("POST", f"{EPIC06}/Erp.BO.POSvc/POes", "{}").status == 405
    assert client.send("DELETE", f"{EPIC06}/Erp.BO.POSvc/GetRows", "{}").status == 405


CONDITIONS = {
    "PONum = {one}": lambda row, one: row["PONum"] == one,
    "PONum <> {one}": lambda row, one: row["PONum"] != one,
    "PONum > {one}": lambda row, one: row["PONum"] > one,
    "PONum>={one}": lambda row, one: row["PONum"] >= one,
    "{one} > PONum": lambda row, one: one > row["PONum"],
    "PONum <= {one} AND OpenOrder = true": lambda row, one: (
        row["PONum"] <= one and row["OpenOrder"]
    ),
    "PONum = {one} or (PONum > {one} and OpenOrder=false)": lambda row, one: (
        row["PONum"] == one or (row["PONum"] > one and not row["OpenOrder"])
    ),
    "not PONum = {one}": lambda row, one: row["PONum"] != one,
    "Company = 'EPIC06' and CurrencyCode = 'USD'": lambda row, _: row["CurrencyCode"] == "USD",
    "CommentText LIKE '%e%'": lambda row, _: "e" in row["CommentText"],
    "CommentText = 'O''Brien'": lambda row, _: row["CommentText"] == "O'Brien",
    "TotalOrder > 1000.5": lambda row, _: row["TotalOrder"] > 1000.5,
}


@pytest.mark.parametrize("where", CONDITIONS)
def test_conditions_choose_rows(server, own, where):
    tenant = server.tenant
    one = numbers(truth(tenant))[5]
    tenant.update("purchase_orders", "EPIC06", ("EPIC06", one), CommentText="O'Brien")
    expected = [row for row in truth(tenant) if CONDITIONS[where](row, one)]

    found, in_order = (
        orders(own, POHeader=where.format(one=one) + order) for order in ("", " BY PONum")
    )

    assert numbers(found) == numbers(expected)
    assert [row["PONum"] for row in in_order] == numbers(expected)


def test_the_order_stands_behind_by(client, shared_tenant):
    every = truth(shared_tenant)

    by_version = orders(client, POHeader="BY SysRevID")
    backwards = orders(client, POHeader="SysRevID > 0 by VendorNum, PONum DESC")

    assert [row["SysRevID"] for row in by_version] == sorted(row["SysRevID"] for row in every)
    keys = sorted((row["VendorNum"], -row["PONum"]) for row in every)
    assert [(row["VendorNum"], -row["PONum"]) for row in backwards] == keys


@pytest.mark.parametrize("where", ["Nonsense = 1", "VendorName = 'x'", "PONum = 'x'", "PONum eq 1",
                                   "PONum = ", "(PONum = 1", "PONum = 1 BY", "OrderDate > 2024",
                                   "BY VendorName", "OrderDate > '2024-13-01'", "PONum = 1 BY 2",
                                   "OrderDate > '2024-01-01T00:00:00Z'", "PONum = null", "!",
                                   "Company = 'x"])  # fmt: skip
def test_what_is_wrong_is_refused_without_a_reason(client, where):
    answer = call(client, "Erp.BO.POSvc", asked(POHeader=where))

    assert answer.status in {400, 500}
    assert answer.error.startswith(APOLOGY)


def test_pages_are_counted_from_zero_or_where_the_server_says_so_from_one(server, own):
    def page(number):
        where = asked(POHeader="BY PONum", size=4, page=number)
        return numbers(call(own, "Erp.BO.POSvc", where).json["returnObj"]["POHeader"])

    every = numbers(truth(server.tenant))
    from_zero = [page(n) for n in range(3)]
    server.vices.set("get_rows_base", 1)
    from_one = [page(n) for n in range(3)]

    assert from_zero == [every[:4], every[4:8], every[8:12]]
    assert from_one == [every[:4], every[:4], every[4:8]]


def test_more_pages_are_announced_until_the_last(client, shared_tenant):
    count = len(truth(shared_tenant))

    def more(size):
        return call(client, "Erp.BO.POSvc", asked(POHeader="", size=size)).json["parameters"]

    assert [more(size)["morePages"] for size in (count - 1, count, 0)] == [True, False, False]


def test_children_come_with_the_parents_that_were_found_and_only_with_those(client, shared_tenant):
    lines = truth(shared_tenant, "purchase_order_lines")
    chosen = numbers({"PONum": line["PONUM"]} for line in lines)[0]

    def found(**clauses):
        answer = call(client, "Erp.BO.POSvc", asked(**clauses)).json["returnObj"]
        return sorted((row["PONUM"], row["POLine"]) for row in answer["PODetail"])

    every = sorted((line["PONUM"], line["POLine"]) for line in lines)
    below = [key for key in every if key[0] == chosen]
    assert found(POHeader="", PODetail="") == every
    assert found(POHeader=f"PONum = {chosen}", PODetail="") == below
    assert found(POHeader=f"PONum = {chosen}", PODetail="POLine = 1") == below[:1]
    assert found(POHeader="1=0", PODetail="") == []


def test_a_search_service_has_the_childs_table_for_itself(client, shared_tenant):
    answer = call(client, "Erp.BO.PORelSearchSvc", asked(("PORel",), PORel=""))

    found = answer.json["returnObj"]["PORel"]
    assert len(found) == len(truth(shared_tenant, "purchase_order_releases"))


def test_dates_are_the_tenants_wall_clock_without_a_zone(client, shared_tenant):
    odata = {row["PONum"]: row["OrderDate"] for row in truth(shared_tenant)}
    for row in orders(client, POHeader="", size=5):
        assert row["OrderDate"] == odata[row["PONum"]].removesuffix("-05:00")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT00:00:00", row["OrderDate"])

    parts = {row["PartNum"]: row["ChangedOn"] for row in truth(shared_tenant, "parts")}
    tables = ("Part", "PartWhse", "PartAttch", "PartPlant")
    answer = call(client, "Erp.BO.PartSvc", asked(tables, Part="", size=5))
    for row in answer.json["returnObj"]["Part"]:
        if parts[row["PartNum"]] is None:
            assert row["ChangedOn"] is None
            continue
        local = datetime.fromisoformat(row["ChangedOn"])
        assert local.tzinfo is None
        zone = timezone(timedelta(hours=-5))
        assert local.replace(tzinfo=zone) == datetime.fromisoformat(parts[row["PartNum"]])


def test_a_date_is_compared_by_the_wall_clock(client, shared_tenant):
    days = sorted(row["OrderDate"][:10] for row in truth(shared_tenant))
    middle = days[len(days) // 2]

    for where, expected in ((f"OrderDate >= '{middle}'", sum(day >= middle for day in days)),
                            (f"OrderDate > '{middle}T00:00:00'", sum(day > middle for day in days)),
                            (f"OrderDate = '{middle}'", days.count(middle))):  # fmt: skip
        assert len(orders(client, POHeader=where)) == expected, where


def test_null_is_neither_equal_nor_unequal(server, own):
    tenant = server.tenant
    tenant.add_column("purchase_orders", "Hidden", "Edm.Boolean")
    one = numbers(truth(tenant))[0]
    tenant.update("purchase_orders", "EPIC06", ("EPIC06", one), Hidden=True)

    assert numbers(orders(own, POHeader="Hidden = true")) == [one]
    assert orders(own, POHeader="Hidden <> true") == []
    assert orders(own, POHeader="not Hidden = true") == []
    assert len(orders(own, POHeader="Hidden = false or PONum > 0")) == len(truth(tenant))


@pytest.mark.parametrize("vice", [("heavy_above", 0), ("fail_reads", "Erp.BO.GLAccountSvc")])
def test_it_works_where_every_read_of_an_entity_set_ends_in_a_500(server, own, vice):
    server.vices.set(*vice)

    assert own.get(f"{EPIC06}/Erp.BO.GLAccountSvc/GLAccounts", top=1).status == 500
    assert len(segments(own, "")) == len(truth(server.tenant, "gl_accounts"))


def test_it_is_a_data_request_to_the_vices_and_kept_with_its_body(server, own):
    server.vices.set("throttle", 2)
    parameters = asked(("GLAccount",), GLAccount="", size=1)

    statuses = [call(own, "Erp.BO.GLAccountSvc", parameters).status for _ in range(2)]

    assert statuses == [200, 429]
    assert json.loads(server.requests[-1].body) == parameters
    assert (server.requests[-1].kind, server.requests[-1].method) == ("get_rows", "POST")


def test_a_right_that_is_missing_is_missing_here_too(server, own):
    server.vices.set("deny_service", "Erp.BO.GLAccountSvc")

    assert call(own, "Erp.BO.GLAccountSvc", {}).error == "Access denied (Erp.BO.GLAccount.GetRows)."
