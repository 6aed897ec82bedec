"""The Python API: the tap's own rows, without Singer, and with the tap's proofs."""

import json
import logging
import pickle
import signal
import subprocess
import sys
import time
from decimal import Decimal
from threading import Timer

import pytest
from harness import Warehouse, expected_rows, plain, run_tap, settings
from kinetic_sandbox.kinetic import KineticServer, Tenant
from tap_epicor_kinetic import errors
from tap_epicor_kinetic.api import Kinetic
from tap_epicor_kinetic.sensitive import SENSITIVE_COLUMNS, is_sensitive

COMPANY = "EPIC06"


@pytest.fixture(params=["documented", "real"])
def tenant(request):
    return Tenant(profile=request.param, seed=7, scale=0.3)


@pytest.fixture(scope="module")
def calm():
    """For tests that change nothing."""
    with KineticServer(Tenant(profile="real", seed=7, scale=0.3)) as server:
        yield server


@pytest.fixture
def kinetic(calm):
    with Kinetic.from_settings(settings(calm)) as tenant:
        yield tenant


@pytest.fixture
def bulk():
    tenant = Tenant(profile="real", seed=7, scale=0.1, companies=(COMPANY,))
    tenant.load_bulk("gl_transactions", COMPANY, 2_000)
    with KineticServer(tenant) as server:
        yield server


def all_rows(rows, **more):
    return [row for page in rows.pages(**more) for row in page.rows()]


def by_key(rows, read):
    return {tuple(row[name] for name in rows.key): row for row in read}


def test_it_is_importable_without_the_sdk():
    program = (
        "import sys, tap_epicor_kinetic.api\n"
        "print([name for name in sys.modules if name.startswith(('singer', 'pyarrow'))])"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


def test_a_stream_has_the_rows_that_the_tap_would_send(tenant, server):
    kinetic = Kinetic.from_settings(settings(server, page_size=100))

    for stream in tenant.streams:
        rows = kinetic.stream(COMPANY, stream)
        read = all_rows(rows)
        found = by_key(rows, read)
        expected = expected_rows(tenant, stream, COMPANY)
        assert len(read) == len(found)
        assert found.keys() == expected.keys(), stream
        for key, row in found.items():
            assert {name: plain(value) for name, value in row.items()} == expected[key]
            assert row.keys() == rows.columns.keys()


def test_values_have_exact_types(kinetic, calm):
    rows = kinetic.stream(COMPANY, "ap_invoices")
    types = {name: column.edm_type for name, column in rows.columns.items()}

    (row, *_) = all_rows(rows)

    kinds = {"Edm.Decimal": Decimal, "Edm.Int32": int, "Edm.Int64": int, "Edm.Boolean": bool}
    for name, value in row.items():
        assert value is None or type(value) is kinds.get(types[name], str), name
    (original,) = [
        r for r in calm.tenant.rows("ap_invoices", COMPANY) if r["SysRowID"] == row["SysRowID"]
    ]
    assert row["InvoiceAmt"] == Decimal(str(original["InvoiceAmt"]))
    assert row["InvoiceDate"].endswith("Z")


def test_an_entity_set_has_all_rows_closed_ones_included(kinetic, calm):
    rows = kinetic.entity_set(COMPANY, "Erp.BO.VendorSvc", "Vendors")

    found = by_key(rows, all_rows(rows))

    every = calm.tenant.rows("vendors", COMPANY)
    assert len(found) == len(every)
    assert any(calm.tenant.is_closed("vendors", row) for row in every)
    hidden = {
        n for n in calm.tenant.entity("vendors").columns if is_sensitive(n, SENSITIVE_COLUMNS)
    }
    assert hidden
    assert not hidden & rows.columns.keys()


def test_select_filter_and_page_size_are_asked_of_the_server(kinetic, calm):
    number = calm.tenant.rows("vendors", COMPANY)[0]["VendorNum"]
    rows = kinetic.entity_set(
        COMPANY, "Erp.BO.VendorSvc", "Vendors",
        select=["Name", "TaxPayerID"], filter=f"VendorNum le {number + 9}", page_size=3,
    )  # fmt: skip
    calm.requests.clear()

    read = all_rows(rows)

    assert {row["VendorNum"] for row in read} <= set(range(number, number + 10))
    assert read[0].keys() == {"Company", "VendorNum", "SysRevID", "Name", "TaxPayerID"}
    asked = [r.query for r in calm.requests if r.query.get("$top") == "3"]
    assert len(asked) >= len(read) // 3
    for query in asked:
        assert f"VendorNum le {number + 9}" in query["$filter"]
        assert {"Name", "TaxPayerID"} <= set(query["$select"].split(","))


def test_a_baq_is_read_by_its_keys(kinetic, calm):
    rows = kinetic.baq(COMPANY, "KIN-VendorSpend", primary_keys=["Vendor_VendorNum"])

    found = by_key(rows, all_rows(rows))

    assert rows.key == ("Vendor_VendorNum",)
    assert {key[0] for key in found} <= {
        r["VendorNum"] for r in calm.tenant.rows("vendors", COMPANY)
    }
    assert found
    assert "RowIdent" not in rows.columns


def test_a_page_keeps_the_servers_bytes(kinetic):
    page = next(kinetic.stream(COMPANY, "vendors").pages())

    raw = json.loads(page.raw, parse_float=Decimal)["value"]

    assert [row["VendorNum"] for row in raw] == [row["VendorNum"] for row in page.rows()]


def test_with_state_a_second_read_has_what_changed_and_tells_what_closed(real_server):
    truth, kinetic = real_server.tenant, Kinetic.from_settings(settings(real_server))
    rows, state = kinetic.stream(COMPANY, "vendors"), {}
    loaded = by_key(rows, all_rows(rows, state=state))
    touched = truth.touch("vendors", COMPANY, 2)
    closed = truth.close_some("vendors", COMPANY, 2)
    state = json.loads(json.dumps(state))

    sent = 0
    for page in rows.pages(state=state):
        for index, row in enumerate(page.rows()):
            sent += 1
            key = tuple(row[name] for name in rows.key)
            if index in page.closed:
                loaded.pop(key, None)
            else:
                loaded[key] = row

    assert sent <= len({*touched, *closed}) + 1
    assert loaded.keys() == expected_rows(truth, "vendors", COMPANY).keys()
    touched_open = [key for key in touched if key in loaded]
    newest = {r["VendorNum"]: r["SysRevID"] for r in truth.rows("vendors", COMPANY)}
    assert all(loaded[key]["SysRevID"] == newest[key[-1]] for key in touched_open)


def test_a_read_that_was_cut_goes_on_behind_the_last_page_that_was_handled(bulk):
    rows = Kinetic.from_settings(settings(bulk)).stream(COMPANY, "gl_transactions", page_size=100)
    state, first = {}, []
    for number, page in enumerate(rows.pages(state=state)):
        if number == 3:
            break  # not handled
        first += page.rows()

    rest = all_rows(rows, state=state)

    assert len(first) == 300
    keys = [*by_key(rows, first), *by_key(rows, rest)]
    assert len(keys) == len(first) + len(rest)
    assert set(keys) == expected_rows(bulk.tenant, "gl_transactions", COMPANY).keys()


def test_ranges_hold_every_row_once_between_them(bulk):
    rows = Kinetic.from_settings(settings(bulk)).stream(COMPANY, "gl_transactions", page_size=100)

    ranges = rows.ranges(5)

    assert len(ranges) == 5
    assert [r.until for r in ranges[:-1]] == [r.after for r in ranges[1:]]
    assert (ranges[0].after, ranges[-1].until) == (None, None)
    keys = []
    for each in ranges:
        # As on another machine: a tenant of its own, and a range out of a pickle.
        other = Kinetic.from_settings(settings(bulk))
        part = other.stream(COMPANY, "gl_transactions", page_size=100)
        keys += [*by_key(part, all_rows(part, within=pickle.loads(pickle.dumps(each))))]
    assert len(keys) == len(set(keys))
    assert set(keys) == expected_rows(bulk.tenant, "gl_transactions", COMPANY).keys()
    asked = {r.query.get("$filter") for r in bulk.requests if r.query.get("$top") == "100"}
    assert {f"SysRevID gt {each.after}" for each in ranges[1:]} <= asked


def test_a_range_asks_for_one_page_more_than_it_has_at_most(bulk):
    rows = Kinetic.from_settings(settings(bulk, max_concurrency=1)).stream(
        COMPANY, "gl_transactions", page_size=100
    )
    third = rows.ranges(5)[2]
    bulk.requests.clear()

    read = all_rows(rows, within=third)

    pages = [r for r in bulk.requests if r.query.get("$top") == "100"]
    assert len(pages) <= len(read) // 100 + 2


def test_the_tap_goes_on_from_where_ranges_were_planned(bulk, tmp_path):
    rows = Kinetic.from_settings(settings(bulk)).stream(COMPANY, "gl_transactions")
    state = {}
    ranges = rows.ranges(3, state=state)
    touched = bulk.tenant.touch("gl_transactions", COMPANY, 4)  # while ranges are being read
    loaded = {}
    for each in ranges:
        loaded.update(by_key(rows, all_rows(rows, within=each)))
    partition = {"context": {"_epicor_company": COMPANY}, **state}
    given = {"bookmarks": {"gl_transactions": {"partitions": [partition]}}}

    warehouse = Warehouse()
    warehouse.load(run_tap(tmp_path, settings(bulk), state=given))

    sent = warehouse.open_rows("gl_transactions", COMPANY)
    assert set(touched) <= sent.keys()
    assert len(sent) <= len(touched) + 1
    loaded.update(sent)
    newest = {
        tuple(row[name] for name in rows.key): row["SysRevID"]
        for row in bulk.tenant.rows("gl_transactions", COMPANY)
    }
    assert {key: row["SysRevID"] for key, row in loaded.items()} == newest


def test_of_a_time_the_state_of_ranges_reads_changes_and_not_everything(tenant, server):
    rows = Kinetic.from_settings(settings(server)).stream(COMPANY, "parts")
    state = {}
    rows.ranges(3, state=state)
    every = len(tenant.rows("parts", COMPANY))

    assert len(all_rows(rows, state=state)) < every / 2


def test_a_set_without_a_whole_number_is_one_range_with_a_warning(caplog):
    tenant = Tenant(profile="documented", seed=7, scale=0.1, row_versions=False)
    with KineticServer(tenant) as server:
        rows = Kinetic.from_settings(settings(server)).stream(COMPANY, "parts")

        (only,) = rows.ranges(4)

        assert "one range" in caplog.text
        expected = expected_rows(tenant, "parts", COMPANY)
        assert by_key(rows, all_rows(rows, within=only)).keys() == expected.keys()


def test_a_child_set_whose_filter_cannot_be_used_is_one_range_and_whole(real_server, caplog):
    real_server.vices.set("child_filter_on_parent", value=True)
    rows = Kinetic.from_settings(settings(real_server)).stream(COMPANY, "purchase_order_lines")

    (only,) = rows.ranges(4)

    assert "one range" in caplog.text
    expected = expected_rows(real_server.tenant, "purchase_order_lines", COMPANY)
    assert by_key(rows, all_rows(rows, within=only)).keys() == expected.keys()


def test_a_tenant_that_does_not_compare_row_versions_gives_one_range(real_server, caplog):
    real_server.vices.set("refuse_row_version_bounds", "all")
    rows = Kinetic.from_settings(settings(real_server)).stream(COMPANY, "parts", page_size=20)

    ranges = rows.ranges(4)

    assert len(ranges) == 1
    expected = expected_rows(real_server.tenant, "parts", COMPANY)
    assert by_key(rows, all_rows(rows, within=ranges[0])).keys() == expected.keys()


def test_a_range_of_another_filter_is_refused(bulk):
    kinetic = Kinetic.from_settings(settings(bulk))
    ranges = kinetic.stream(COMPANY, "gl_transactions").ranges(3)
    other = kinetic.stream(COMPANY, "gl_transactions", filter="JournalNum gt 0")

    with pytest.raises(errors.WalkError, match="plan ranges anew"):
        all_rows(other, within=ranges[1])


def test_pages_that_cannot_be_trusted_end_in_an_error(real_server):
    real_server.vices.set("child_filter_on_parent", value=True)
    real_server.vices.set("skip_ignored", value=True)
    rows = Kinetic.from_settings(settings(real_server)).stream(
        COMPANY, "purchase_order_lines", page_size=10
    )

    with pytest.raises(errors.WalkError, match="cannot be trusted"):
        all_rows(rows)


@pytest.mark.parametrize("vice", ["fail_500", "drop", "half_body", "throttle"])
def test_what_passes_by_itself_is_sat_out(vice, real_server):
    real_server.vices.set(vice, 5)
    rows = Kinetic.from_settings(settings(real_server, page_size=20)).stream(COMPANY, "parts")

    expected = expected_rows(real_server.tenant, "parts", COMPANY)
    assert by_key(rows, all_rows(rows)).keys() == expected.keys()


def test_columns_go_by_the_names_of_column_naming(real_server):
    kinetic = Kinetic.from_settings(settings(real_server, column_naming="snake_case"))

    rows = kinetic.stream(COMPANY, "vendors")
    row = all_rows(rows)[0]

    assert rows.key == ("company", "vendor_num") or set(rows.key) <= row.keys()
    assert "vendor_id" in row
    assert "VendorID" not in row
    assert rows.replication_key == "sys_rev_id"


def test_columns_that_are_not_declared_are_told(real_server, caplog):
    rows = Kinetic.from_settings(settings(real_server)).stream(COMPANY, "vendors")
    real_server.tenant.add_column("vendors", "Added_c", "Edm.String", "x")
    real_server.vices.set("select_ignored", "all")

    all_rows(rows)

    assert "Added_c" in caplog.text


@pytest.mark.parametrize(
    ("settings_", "words"),
    [
        ({"password": 5}, "`password` has the wrong type"),
        ({"page_size": 0}, "`page_size`"),
        ({"pagesize": 5}, "pagesize"),
        ({"baqs": [{"id": "x"}]}, "`baqs`"),
        ({"auth_method": "oauth2"}, "`oauth_token_url`"),
    ],
)
def test_a_wrong_setting_is_named_without_its_secret(settings_, words):
    given = {"username": "reader", "password": "s3cret-word", "api_key": "k3y-of-mine", **settings_}

    with pytest.raises(errors.SettingsError) as caught:
        Kinetic("https://host/instance", **given)

    assert words in str(caught.value)
    assert "s3cret-word" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"page_size": 0}, "page_size"),
        ({"select": ["Nam"]}, "Nam"),
        ({"closed": "Inactive"}, "closed"),
    ],
)
def test_a_wrong_option_is_named(options, words, kinetic):
    with pytest.raises(errors.SettingsError, match=words):
        kinetic.stream(COMPANY, "vendors", **options)


def test_nothing_shows_a_secret(kinetic, calm, caplog):
    caplog.set_level(logging.DEBUG)
    rows = kinetic.stream(COMPANY, "vendors")
    shown = [repr(kinetic), repr(rows), repr(rows.ranges(2)), str(vars(rows))]
    refused = Kinetic.from_settings(settings(calm, password="not-the-password"))

    with pytest.raises(errors.LoginRefused) as caught:
        refused.stream(COMPANY, "vendors")

    told = " ".join([*shown, str(caught.value), caplog.text])
    for secret in (calm.password, calm.api_key, "not-the-password"):
        assert secret not in told


def test_a_service_whose_sets_end_in_errors_is_read_by_its_method(real_server):
    real_server.vices.set("fail_reads", "Erp.BO.GLJrnDtlSvc")
    kinetic = Kinetic.from_settings(settings(real_server, page_size=50))
    rows = kinetic.stream(COMPANY, "gl_transactions", read_method="GetRows")

    read = [row for each in rows.ranges(3) for row in all_rows(rows, within=each)]

    expected = expected_rows(real_server.tenant, "gl_transactions", COMPANY)
    assert len(read) == len(expected)
    assert by_key(rows, read).keys() == expected.keys()


def test_an_unknown_stream_is_told_with_those_that_there_are(kinetic):
    with pytest.raises(errors.SettingsError, match=r"no stream vendorz; there are .*vendors"):
        kinetic.stream(COMPANY, "vendorz")


def test_after_close_nothing_is_asked_for(kinetic, calm):
    rows = kinetic.stream(COMPANY, "vendors")
    kinetic.close()
    calm.requests.clear()

    with pytest.raises(errors.Interrupted, match="closed"):
        all_rows(rows)

    assert not calm.requests


def test_a_read_that_is_interrupted_does_not_wait_and_another_may_follow(real_server):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # not the SDK's
    kinetic = Kinetic.from_settings(settings(real_server, retry_deadline_seconds=600))
    rows = kinetic.stream(COMPANY, "vendors")
    real_server.vices.set("throttle", 1)
    real_server.vices.set("throttle_retry_after", 300)
    Timer(0.7, signal.raise_signal, [signal.SIGINT]).start()
    began_at = time.monotonic()

    with pytest.raises(KeyboardInterrupt):
        all_rows(rows)

    real_server.vices.clear()
    assert (
        by_key(rows, all_rows(rows)).keys()
        == expected_rows(real_server.tenant, "vendors", COMPANY).keys()
    )
    assert time.monotonic() - began_at < 60


def test_a_read_has_state_or_a_range(kinetic):
    rows = kinetic.stream(COMPANY, "vendors")

    with pytest.raises(ValueError, match="one of the two"):
        all_rows(rows, within=rows.ranges(1)[0], state={})
