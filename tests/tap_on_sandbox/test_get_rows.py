"""Tables through GetRows, over real HTTP, while every entity set ends in a content-free 500."""

import json
import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from kinetic_sandbox.kinetic import KineticServer, Tenant
from tap_epicor_kinetic.errors import (
    AccessDenied,
    NotFound,
    PageTooHeavy,
    QueryRefused,
    ServerFault,
    TapError,
    WalkError,
)
from tap_epicor_kinetic.kinetic.client import KineticClient
from tap_epicor_kinetic.kinetic.get_rows import GetRowsSet, Siblings
from tap_epicor_kinetic.kinetic.login import BasicLogin
from tap_epicor_kinetic.kinetic.redaction import Redactor
from tap_epicor_kinetic.kinetic.transport import Transport
from tap_epicor_kinetic.odata.metadata import Column
from tap_epicor_kinetic.odata.query import Query, compare
from tap_epicor_kinetic.odata.timestamps import parse_timestamp

PO_SERVICE, ORDERS = "Erp.BO.POSvc", "POHeader"
TENANT_ZONE = timezone(timedelta(hours=-5))
TIME = r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)?"
VERSION = Column("SysRevID", "Edm.Int64")
CHANGED_ON = Column("ChangedOn", "Edm.DateTimeOffset")


@pytest.fixture(scope="module")
def tenant():
    """For all; who deletes rows does it in a company of his own."""
    companies = ("EPIC06", "EPIC07", "EPIC08", "EPIC09")
    return Tenant(profile="real", seed=7, scale=0.3, companies=companies)


@pytest.fixture
def server(tenant):
    """Its entity sets cannot be read."""
    with KineticServer(tenant) as running:
        running.vices.set("heavy_above", 0)
        yield running


@pytest.fixture
def client(server):
    client = KineticClient(
        server.url,
        transport=Transport(server.url, timeout_seconds=5, ca_bundle=None, tls_verify=True),
        fixed_headers={"x-api-key": server.api_key},
        redactor=Redactor(server.api_key, server.password),
        deadline_seconds=20,
        sleep=lambda _: None,
    )
    client.login = BasicLogin(server.username, server.password)
    return client


@pytest.fixture
def opened(client):
    """Opens tables that share what is learnt, as those of one run do."""
    siblings = Siblings()

    def open_set(service=PO_SERVICE, table=ORDERS, company="EPIC06"):
        return GetRowsSet(client, company, service, table, siblings)

    return open_set


def walk(table, size, between=lambda: None):
    """All rows, from row version to row version, until a page is empty."""
    rows, last = [], 0
    while True:
        query = Query((compare(VERSION, "gt", last),), ("SysRevID",), top=size)
        page = decoded(table.page(query))
        if not page:
            return rows
        versions = [row["SysRevID"] for row in page]
        assert versions == sorted(versions)
        assert versions[0] > last
        rows, last = rows + page, versions[-1]
        between()


def decoded(page):
    return [json.loads(bytes(row), parse_float=Decimal) for row in page.value]


def as_shown(value):
    """Dates as the tenant's clock on the wall shows them, doubles as their shortest text."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if not isinstance(value, str) or not re.fullmatch(TIME, value):
        return value
    if value[10:19] == "T00:00:00" and "." not in value:
        return value[:19]
    return datetime.fromisoformat(value).astimezone(TENANT_ZONE).isoformat()[:23]


def truth(server, stream, company="EPIC06"):
    """The tenant's rows by row version, dates as methods show them."""
    rows = sorted(server.tenant.rows(stream, company), key=lambda row: row["SysRevID"])
    return [{name: as_shown(value) for name, value in row.items()} for row in rows]


@pytest.mark.parametrize("base", [0, 1])
@pytest.mark.parametrize(
    ("stream", "service", "table"),
    [
        ("gl_accounts", "Erp.BO.GLAccountSvc", "GLAccount"),
        ("gl_transactions", "Erp.BO.GLJrnDtlSvc", "GLJrnDtl"),
        ("purchase_orders", PO_SERVICE, ORDERS),
        ("parts", "Erp.BO.PartSvc", "Part"),
        ("purchase_order_releases", "Erp.BO.PORelSearchSvc", "PORel"),
    ],
)
def test_a_whole_table_comes_row_by_row_as_the_tenant_has_it(
    server, opened, stream, service, table, base
):
    server.vices.set("get_rows_base", base)
    expected = truth(server, stream)

    assert walk(opened(service, table), max(2, len(expected) // 4)) == expected


def test_only_get_rows_is_asked_and_only_for_one_table(server, opened):
    table = opened()
    table.page(Query(("SysRevID gt 5", "Inactive ne true"), ("SysRevID",), ("PONum",), top=7))

    paths = {(request.method, request.path, request.raw_query) for request in server.requests}
    assert paths == {("POST", "/Kinetic/api/v2/odata/EPIC06/Erp.BO.POSvc/GetRows", "")}
    sent = json.loads(server.requests[-1].body)
    assert sent.pop("whereClausePOHeader") == "SysRevID > 5 BY SysRevID"
    assert (sent.pop("pageSize"), sent.pop("absolutePage")) == (7, 0)
    assert len(sent) == 7
    assert set(sent.values()) == {"1=0"}


def test_the_tables_of_a_service_are_learnt_once_in_a_run(server, opened):
    query = Query(("SysRevID gt 0",), ("SysRevID",), top=2)
    opened().page(query)
    assert [request.status for request in server.requests] == [400] * 7 + [200]

    opened(company="EPIC07").page(query)
    opened().page(query)
    assert [request.status for request in server.requests[8:]] == [200, 200]


def test_what_is_not_sent_is_told(opened):
    since = "ChangeDate ge 2024-01-01T00:00:00Z or ChangeDate eq null"
    conditions = ("SysRevID gt 5", "VoidOrder ne true", since)

    assert opened().left_out(conditions) == conditions[1:]


@pytest.mark.parametrize(
    "query",
    [
        Query(top=5, skip=5),
        Query(("contains(Name,'x')",), top=5),
        Query(("SysRevID gt 5 and VoidOrder ne true",), top=5),
    ],
)
def test_what_cannot_be_said_is_refused_before_anything_is_sent(server, opened, query):
    with pytest.raises(QueryRefused, match=r"^Erp\.BO\.POSvc/GetRows POHeader .*stream_options"):
        opened().page(query)

    assert server.requests == []


def test_a_count_is_refused(opened):
    with pytest.raises(QueryRefused, match="count"):
        opened().count(Query())


def test_rows_that_change_under_the_walk_come_again_and_none_is_missed(server, tenant, opened):
    before = {row["PONum"] for row in truth(server, "purchase_orders")}
    left = iter(range(3))

    def meddle():
        if next(left, None) is not None:
            tenant.touch("purchase_orders", "EPIC06", 4)

    rows = walk(opened(), 5, meddle)

    assert {row["PONum"]: row for row in rows} == {
        row["PONum"]: row for row in truth(server, "purchase_orders")
    }
    assert {row["PONum"] for row in rows} == before
    assert len(rows) > len(before)


def test_a_child_table_that_needs_its_parents_is_an_error_and_not_an_empty_table(opened):
    with pytest.raises(WalkError, match=r"PODetail.*BAQ"):
        walk(opened(table="PODetail"), 10)


LINES = ("purchase_order_releases", "purchase_order_lines")


def delete_all(tenant, company, *streams):
    for stream in streams:
        for row in tenant.rows(stream, company):
            tenant.delete(stream, company, tuple(row[n] for n in tenant.entity(stream).key))


def test_an_empty_table_is_empty_and_proved_once(server, tenant, opened):
    delete_all(tenant, "EPIC08", *LINES, "purchase_orders")

    for name in (ORDERS, "PODetail"):
        table = opened(table=name, company="EPIC08")
        assert walk(table, 10) == []
        asked = len(server.requests)
        assert walk(table, 10) == []
        assert len(server.requests) == asked + 1


def test_a_child_table_is_not_taken_for_empty_before_all_parents_were_seen(tenant, opened):
    delete_all(tenant, "EPIC09", *LINES)
    tenant.load_bulk("purchase_orders", "EPIC09", 150)

    with pytest.raises(WalkError, match="there are more"):
        walk(opened(table="PODetail", company="EPIC09"), 10)


def test_nothing_new_is_no_reason_for_doubt(server, opened):
    newest = truth(server, "purchase_orders")[-1]["SysRevID"]
    table = opened()

    def found(condition):
        return decoded(table.page(Query((f"SysRevID {condition} {newest}",), top=5)))

    assert found("gt") == []
    assert len(found("ge")) == 1
    asked = len(server.requests)
    assert found("gt") == []
    assert len(server.requests) == asked + 1


def test_a_row_that_was_seen_is_proof_enough(server, opened):
    table = opened()
    assert len(decoded(table.page(Query(top=5)))) == 5
    asked = len(server.requests)

    assert decoded(table.page(Query(("SysRevID lt 0",), top=5))) == []
    assert len(server.requests) == asked + 1


class Insatiable(BaseHTTPRequestHandler):
    """Misses a parameter whatever it is given: always the same, or each time another."""

    missing = ("POHeader",)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        number = self.server.answered = getattr(self.server, "answered", 0) + 1
        name = self.missing[number % len(self.missing)]
        words = f"Parameter whereClause{name} is not found in the input object"
        body = json.dumps({"ErrorMessage": words}).encode()
        self.send_response(400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("missing", [("POHeader",), tuple(f"Table{n}" for n in range(1000))])
def test_a_server_that_is_never_content_is_not_asked_for_ever(client, missing):
    handler = type("Handler", (Insatiable,), {"missing": missing})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        client.root = f"http://127.0.0.1:{server.server_port}"
        with pytest.raises(QueryRefused, match="is not found in the input object"):
            GetRowsSet(client, "EPIC06", PO_SERVICE, ORDERS, Siblings()).page(Query(top=5))
        server.shutdown()
        assert server.answered <= 101


def test_the_highest_row_version_can_be_asked_for(server, opened):
    (row,) = decoded(opened().page(Query((), ("SysRevID desc",), ("SysRevID",), top=1)))

    assert row == truth(server, "purchase_orders")[-1]


def test_a_table_that_the_service_does_not_have_is_named_with_those_that_it_has(opened):
    with pytest.raises(ServerFault, match=r"no table GLAccounts.*GLAccount"):
        opened("Erp.BO.GLAccountSvc", "GLAccounts").page(Query(top=5))


def test_a_time_out_of_a_row_finds_that_row_again(server, opened):
    parts = opened("Erp.BO.PartSvc", "Part")
    rows = [row for row in decoded(parts.page(Query(top=1000))) if row["ChangedOn"]]
    texts = sorted(row["ChangedOn"] for row in rows)
    middle = texts[len(texts) // 2]

    condition = compare(CHANGED_ON, "ge", parse_timestamp(middle))
    found = sorted(row["ChangedOn"] for row in decoded(parts.page(Query((condition,), top=1000))))

    assert found == [text for text in texts if text >= middle[:19]]
    assert all(len(text) == len("2026-01-01T00:00:00.000") for text in texts)


@pytest.mark.parametrize("vice", ["throttle", "fail_502", "fail_503", "drop", "half_body"])
def test_what_passes_by_itself_is_waited_out(server, opened, vice):
    server.vices.set(vice, 2)

    assert walk(opened(), 5) == truth(server, "purchase_orders")


def test_a_page_that_the_server_cannot_make_may_be_asked_for_in_smaller_pieces(server, opened):
    server.vices.set("fail_500", 1)

    with pytest.raises(PageTooHeavy, match="page_size"):
        opened().page(Query(top=100))
    with pytest.raises(PageTooHeavy):
        opened().probe(Query(top=1))


def test_refusals_keep_their_meaning(server, opened):
    with pytest.raises(NotFound):
        opened("Erp.BO.NoSvc", "No").page(Query(top=5))
    server.vices.set("deny_service", PO_SERVICE)
    with pytest.raises(AccessDenied, match="right"):
        opened().page(Query(top=5))
    server.vices.clear("deny_service")
    server.vices.set("refuse_key", True)
    with pytest.raises(TapError) as refused:
        opened().page(Query(top=5))
    assert server.api_key not in str(refused.value)
