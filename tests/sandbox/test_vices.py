"""Each bad habit, switched on while the server runs."""

import http.client
import time
from pathlib import Path

import pytest
from kinetic_sandbox.kinetic import VICES, KineticServer, Tenant

EPIC06 = "/Kinetic/api/v2/odata/EPIC06"
ORDERS = f"{EPIC06}/Erp.BO.POSvc/POes"
LINES = f"{EPIC06}/Erp.BO.POSvc/PODetails"
VENDORS = f"{EPIC06}/Erp.BO.VendorSvc/Vendors"
LOST = (http.client.RemoteDisconnected, http.client.IncompleteRead, ConnectionError)


def statuses(client, count: int = 6) -> list[int]:
    """The statuses of some reads; 0 where the connection was lost."""
    found = []
    for _ in range(count):
        try:
            found.append(client.get(ORDERS, top=1).status)
        except LOST:
            found.append(0)
            client.close()
    return found


def test_an_unknown_vice_is_an_error_that_lists_the_known_ones(server):
    with pytest.raises(ValueError, match="page_cap"):
        server.vices.set("page_hat", 1)


@pytest.mark.parametrize(("name", "value"), [("page_cap", "many"), ("drop", True), ("slow", -1),
                                             ("deny_service", 1), ("next_link", 3)])  # fmt: skip
def test_a_value_of_the_wrong_kind_is_an_error(server, name, value):
    with pytest.raises(ValueError, match=name):
        server.vices.set(name, value)


def test_page_cap_holds_whatever_top_says(server, own):
    server.vices.set("page_cap", 7)

    assert len(own.get(ORDERS, top=50).rows) == 7
    assert len(own.get(ORDERS).rows) == 7
    server.vices.clear("page_cap")
    assert len(own.get(ORDERS, top=50).rows) == 50


def test_skip_ignored_answers_with_the_first_page_again(server, own):
    server.vices.set("skip_ignored", True)

    first, second = (own.get(ORDERS, orderby="PONum", top=5, skip=n).rows for n in (0, 5))
    assert first == second


def test_count_caps_top_only_where_both_are_sent(server, own):
    server.tenant.load_bulk("purchase_orders", "EPIC06", 60)
    server.vices.set("count_caps_top", True)

    assert len(own.get(ORDERS, top=120, count="true").rows) == 100
    assert len(own.get(ORDERS, top=120).rows) == 120


@pytest.mark.parametrize(("name", "status"), [("throttle", 429), ("fail_500", 500),
                                              ("fail_502", 502), ("fail_503", 503), ("drop", 0),
                                              ("half_body", 0)])  # fmt: skip
def test_every_nth_data_request_fails(server, own, name, status):
    server.vices.set(name, 3)
    own.get(f"{EPIC06}/Erp.BO.POSvc/$metadata")

    assert statuses(own) == [200, 200, status, 200, 200, status]


def test_n_of_one_fails_always(server, own):
    server.vices.set("fail_500", 1)

    assert statuses(own, 3) == [500, 500, 500]


def test_several_vices_never_fail_two_in_a_row(server, own):
    for name in ("throttle", "drop", "fail_502"):
        server.vices.set(name, 2)

    found = statuses(own, 12)
    assert {0, 429, 502} <= set(found)
    assert all(200 in found[place : place + 2] for place in range(11))


def test_a_429_names_its_seconds_only_if_told_to(server, own):
    server.vices.set("throttle", 1)
    assert "retry-after" not in own.get(ORDERS).headers

    server.vices.set("throttle_retry_after", 2)
    assert own.get(ORDERS).headers["retry-after"] == "2"


def test_fail_500_gives_no_reason_and_fail_503_does(server, own):
    server.vices.set("fail_500", 1)
    assert own.get(ORDERS).error.startswith("We apologize")
    server.vices.clear()
    server.vices.set("fail_503", 1)
    assert own.get(ORDERS).json["ErrorType"].endswith("ConversionsPendingException")


def test_heavy_above_fails_large_pages_only(server, own):
    server.vices.set("heavy_above", 50)

    assert own.get(ORDERS, top=51).status == 500
    assert own.get(ORDERS, top=50).status == 200


@pytest.mark.parametrize("packed", [{}, {"Accept_Encoding": "gzip"}])
def test_half_a_body_ends_before_its_promised_length(server, own, packed):
    server.vices.set("half_body", 1)

    with pytest.raises(http.client.IncompleteRead):
        own.send("GET", ORDERS, **packed)


def test_half_a_body_without_length_looks_complete_to_http_but_not_to_json(server, own):
    server.vices.set("half_body_chunked", 1)
    answer = own.get(ORDERS)

    assert answer.status == 200
    assert "content-length" not in answer.headers
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        answer.json  # noqa: B018


def test_slow_takes_its_time(server, own):
    server.vices.set("slow", 0.2)
    started = time.monotonic()
    own.get(ORDERS)

    assert time.monotonic() - started >= 0.2


def test_a_hanging_request_is_kept_waiting_until_the_server_stops(connect):
    with KineticServer(Tenant(scale=0.1)) as server:
        server.vices.set("hang", 1)
        connection = http.client.HTTPConnection(server.origin.removeprefix("http://"), timeout=0.3)
        connection.request("GET", ORDERS, headers=connect(server).headers)
        with pytest.raises(TimeoutError):
            connection.getresponse()
        connection.close()
        assert [r.status for r in server.requests] == [0]
        stopped = time.monotonic()
    assert time.monotonic() - stopped < 2


def test_after_kill_after_nothing_is_answered_any_more(server, own):
    server.vices.set("kill_after", 2)

    assert statuses(own, 4) == [200, 200, 0, 0]
    with pytest.raises(LOST):
        own.get(f"{EPIC06}/Erp.BO.POSvc/$metadata")
    own.close()
    server.vices.clear()
    assert own.get(ORDERS).status == 200


def test_an_exhausted_licence_recovers_after_n_requests(server, own):
    server.vices.set("licence_exhausted", 2)

    first = own.get(ORDERS)
    assert first.status == 400
    assert "Maximum users exceeded" in first.error
    assert "LicenseAccessException" in first.json["ErrorType"]
    assert statuses(own, 2) == [400, 200]


def test_a_denied_service_is_a_401_that_names_the_business_object(server, own):
    server.vices.set("deny_service", "Erp.BO.Vendor, Erp.BO.PartSvc")

    for path in (VENDORS, f"{EPIC06}/Erp.BO.VendorSvc/$metadata"):
        answer = own.get(path)
        assert answer.status == 401
        assert answer.error == "Access denied (Erp.BO.Vendor.GetRows)."
    assert own.get(f"{EPIC06}/Erp.BO.PartSvc/Parts").status == 401
    assert own.get(ORDERS).status == 200


def test_a_missing_service_is_a_404(server, own):
    server.vices.set("missing_service", "Erp.BO.VendorSvc")

    assert own.get(f"{EPIC06}/Erp.BO.VendorSvc/$metadata").status == 404


def test_rows_change_between_pages(server, own):
    server.vices.set("change_between_pages", 2)
    before = {row["VendorNum"]: row["SysRevID"] for row in own.get(VENDORS).rows}
    after = {row["VendorNum"]: row["SysRevID"] for row in own.get(VENDORS).rows}

    moved = [number for number in before if after[number] > before[number]]
    assert len(moved) == 2
    assert min(after[number] for number in moved) > max(before.values())


def test_rows_close_between_pages(server, own):
    def closed() -> int:
        return sum(row["Inactive"] is True for row in server.tenant.rows("vendors", "EPIC06"))

    before = closed()
    server.vices.set("close_between_pages", 3)
    own.get(VENDORS)

    assert closed() == before + 3


def test_a_childs_filter_is_looked_up_on_its_parent(server, own):
    server.vices.set("child_filter_on_parent", True)
    unknown = own.get(LINES, filter="VoidLine ne true")
    assert unknown.status == 400
    assert unknown.error == "Could not find a property named 'VoidLine' on type 'Erp.PO'"

    newest = max(server.tenant.rows("purchase_orders", "EPIC06"), key=lambda r: r["SysRevID"])
    rows = own.get(LINES, filter=f"SysRevID ge {newest['SysRevID']}", orderby="POLine",
                   select="PONUM,POLine").rows  # fmt: skip
    expected = [
        row["POLine"] for row in server.tenant.rows("purchase_order_lines", "EPIC06")
        if row["PONUM"] == newest["PONum"]
    ]  # fmt: skip
    assert [row["PONUM"] for row in rows] == [newest["PONum"]] * len(expected)
    assert [row["POLine"] for row in rows] == sorted(expected)
    assert own.get(ORDERS, filter="VoidOrder ne true").status == 200


def test_next_links_lead_through_all_rows(server, own):
    server.vices.set("next_link", True)
    server.vices.set("page_cap", 20)
    seen, answer = [], own.get(ORDERS, orderby="PONum")
    while True:
        seen += [row["PONum"] for row in answer.rows]
        link = answer.json.get("@odata.nextLink")
        if link is None:
            break
        answer = own.send("GET", link.removeprefix(server.origin))

    assert seen == sorted(r["PONum"] for r in server.tenant.rows("purchase_orders", "EPIC06"))


def test_next_links_end_where_top_does(server, own):
    server.vices.set("next_link", True)
    server.vices.set("page_cap", 20)
    first = own.get(ORDERS, top=30)
    second = own.send("GET", first.json["@odata.nextLink"].removeprefix(server.origin))

    assert (len(first.rows), len(second.rows)) == (20, 10)
    assert "@odata.nextLink" not in second.json


def test_every_vice_has_a_test_in_this_folder():
    tested = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))

    assert [name for name in VICES if f'"{name}"' not in tested] == []
