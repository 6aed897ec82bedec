"""Promises that only the record of requests can show, each in a run of the console program."""

import json
import re
import subprocess
from datetime import datetime, timedelta, timezone
from itertools import groupby, pairwise

import pytest
from harness import (
    AUDIT,
    TAP,
    Warehouse,
    assert_equal,
    environment,
    expected_rows,
    is_company_check,
    run_tap,
    settings,
    tap_files,
)
from kinetic_sandbox.kinetic import KineticServer, Tenant

CHANGES = {"id": "KIN-InvoiceChanges", "name": "invoice_changes", "bookmark_parameter": "Since",
           "primary_keys": ["APInvHed_VendorNum", "APInvHed_InvoiceNum"],
           "replication_key": "Calculated_ChangedAt"}  # fmt: skip


class Clock:
    """The tenant's time, moved by hand."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 8, tzinfo=timezone.utc)

    def __call__(self) -> datetime:
        return self.now

    def text(self) -> str:
        return self.now.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(scope="module")
def untouched():
    """Read by many tests and changed by none."""
    return Tenant(profile="real", seed=11, scale=0.25, companies=["EPIC06"])


@pytest.fixture
def reader(untouched):
    with KineticServer(untouched) as running:
        yield running


@pytest.fixture
def small():
    with KineticServer(Tenant(profile="real", seed=11, scale=0.25)) as running:
        yield running


@pytest.fixture(params=["documented", "real"])
def either(request, clock):
    """A tenant of each kind, at rest for an hour."""
    tenant = Tenant(profile=request.param, seed=11, scale=0.25, clock=clock)
    clock.now += timedelta(hours=1)
    with KineticServer(tenant) as running:
        yield running


def only(*streams):
    """A catalog that selects these streams and all of their columns."""
    entries = [{"tap_stream_id": s, "stream": s, "schema": {}, "metadata": []} for s in streams]
    return {"streams": entries}


def pages(server, entity_set=None):
    """Requests for rows, the proof of each company left out, in the order in which they came."""
    reads = [r for r in server.requests if r.kind == "rows" and not is_company_check(r)]
    reads = [r for r in reads if entity_set in {None, r.entity_set}]
    return sorted(reads, key=lambda request: request.started)


def overlap(one, other):
    return one.started < other.finished and other.started < one.finished


def partition(state, stream, company="EPIC06"):
    partitions = state["bookmarks"][stream]["partitions"]
    return next(p for p in partitions if p["context"] == {"_epicor_company": company})


def test_requests_in_flight_begin_at_one_and_never_pass_max_concurrency(tmp_path, reader):
    reader.vices.set("slow", 0.03)
    most = {}
    for ceiling in (1, 3):
        reader.requests.clear()
        config = settings(reader, page_size=20, max_concurrency=ceiling)
        result = run_tap(tmp_path, config, catalog=only("part_transactions", "gl_transactions"))
        assert result.code == 0, result.stderr
        most[ceiling] = max(request.in_flight for request in reader.requests)
        reads = [request for request in reader.requests if request.kind == "rows"]
        proof, one, other, *_ = sorted(reads, key=lambda request: request.started)
        assert not overlap(proof, one)
        assert not overlap(one, other)

    assert most == {1: 1, 3: 3}


def test_a_tenant_that_throttles_is_asked_by_fewer_at_once(tmp_path, reader):
    reader.vices.set("throttle_above", 2)
    reader.vices.set("slow", 0.02)
    warehouse = Warehouse()

    result = run_tap(tmp_path, settings(reader, page_size=10, max_concurrency=8))

    assert result.code == 0, result.stderr[-2000:]
    warehouse.load(result)
    assert_equal(warehouse, reader.tenant)
    asked = sorted(reader.requests, key=lambda request: request.started)
    refused = [n for n, request in enumerate(asked) if request.status == 429]
    assert 0 < len(refused) < len(asked) / 20
    assert max(request.in_flight for request in asked[refused[0] + 5 :]) <= 3


def test_one_large_stream_is_read_in_ranges_side_by_side(tmp_path, small):
    small.tenant.load_bulk("vendors", "EPIC06", 3000)
    small.vices.set("slow", 0.03)
    config = settings(small, page_size=100, companies=["EPIC06"])

    result = run_tap(tmp_path, config, catalog=only("vendors"))

    assert result.code == 0, result.stderr
    sent = [row["VendorNum"] for row in result.records("vendors")]
    expected = expected_rows(small.tenant, "vendors", "EPIC06")
    assert sorted(sent) == sorted(number for _, number in expected)
    walked = [r for r in pages(small, "Vendors") if r.query["$top"] == "100"]
    assert any(overlap(one, other) for one, other in pairwise(walked))
    newest = max(row["SysRevID"] for row in result.records("vendors"))
    assert partition(result.state, "vendors")["replication_key_value"] == newest


def test_streams_are_read_side_by_side_and_written_one_after_the_other(tmp_path, reader):
    reader.vices.set("slow", 0.05)

    result = run_tap(tmp_path, settings(reader))

    asked = pages(reader)
    assert any(overlap(a, b) and a.entity_set != b.entity_set for a, b in pairwise(asked))
    written = [m["stream"] for m in result.messages if m["type"] == "RECORD"]
    blocks = [stream for stream, _ in groupby(written)]
    assert len(blocks) == len(set(blocks))
    assert blocks == [s for s in result.streams() if s in blocks]
    for message in result.messages:  # a stream's own SCHEMA stands before its rows
        if message["type"] == "SCHEMA":
            seen = message["stream"]
        elif message["type"] == "RECORD":
            assert message["stream"] == seen


def test_a_replay_of_times_sends_the_window_and_leaves_the_bookmark_alone(tmp_path, clock):
    with KineticServer(Tenant(profile="documented", seed=11, scale=0.1, clock=clock)) as server:
        state = run_tap(tmp_path, settings(server), state=None).state
        touched = []
        for _ in range(3):
            clock.now += timedelta(hours=1)
            touched.append(server.tenant.touch("vendors", "EPIC06", 1))
            clock.now += timedelta(minutes=1)
        state = run_tap(tmp_path, settings(server), state=state).state
        window = {
            "replay_since": (clock.now - timedelta(minutes=90)).isoformat(),
            "replay_until": (clock.now - timedelta(minutes=30)).isoformat(),
        }

        replayed = run_tap(tmp_path, settings(server, **window), state=state)

        assert replayed.code == 0, replayed.stderr
        keys = {("EPIC06", row["VendorNum"]) for row in replayed.records("vendors")}
        assert keys == set(touched[1]) - set(touched[2])
        for stream in server.tenant.streams:
            assert partition(replayed.state, stream) == partition(state, stream)


def test_a_replay_of_row_versions_goes_by_the_marks(tmp_path, clock):
    with KineticServer(Tenant(profile="real", seed=11, scale=0.1, clock=clock)) as server:
        tenant, state, touched = server.tenant, None, []
        for _ in range(3):
            state = run_tap(tmp_path, settings(server), state=state).state
            clock.now += timedelta(hours=1)
            touched += tenant.touch("vendors", "EPIC06", 1)
        clock.now += timedelta(hours=1)
        state = run_tap(tmp_path, settings(server), state=state).state
        marks = partition(state, "vendors")["marks"]
        server.requests.clear()

        since = clock.now - timedelta(hours=2)
        replayed = run_tap(tmp_path, settings(server, replay_since=since.isoformat()), state=state)

        assert replayed.code == 0, replayed.stderr
        value = max(v for at, v in marks if datetime.fromisoformat(at.replace("Z", "+00:00"))
                    <= since)  # fmt: skip
        filters = [r.query["$filter"] for r in pages(server, "Vendors") if r.company == "EPIC06"]
        assert filters[0] == f"SysRevID ge {value}"
        keys = {("EPIC06", r["VendorNum"]) for r in replayed.records("vendors")}
        assert touched[-1] in keys
        assert partition(replayed.state, "vendors") == partition(state, "vendors")


def test_a_replay_from_before_the_first_mark_reads_everything_and_says_so(tmp_path, small):
    state = run_tap(tmp_path, settings(small)).state
    config = settings(small, replay_since="2001-01-01T00:00:00Z")

    replayed = run_tap(tmp_path, config, state=state, catalog=only("vendors"))

    assert "`replay_since` lies before the first mark" in replayed.stderr
    every = [small.tenant.rows("vendors", company) for company in small.tenant.companies]
    assert len(replayed.records("vendors")) == sum(map(len, every))
    assert partition(replayed.state, "vendors") == partition(state, "vendors")


def test_a_child_set_that_cannot_be_filtered_is_read_from_its_search_twin(tmp_path, small):
    small.vices.set("child_filter_on_parent", value=True)
    warehouse = Warehouse()
    first = run_tap(tmp_path, settings(small))
    warehouse.load(first)
    small.tenant.touch("purchase_order_releases", "EPIC06", 3)
    small.requests.clear()

    second = run_tap(tmp_path, settings(small), state=first.state)

    assert "reading Erp.BO.PORelSearchSvc/PORelSearches in its place" in first.stderr
    warehouse.load(second)
    assert_equal(warehouse, small.tenant)
    assert not pages(small, "PORels")
    assert {r.query["$filter"].partition(" ge ")[0] for r in pages(small, "PORelSearches")} == {
        "SysRevID"
    }


def test_what_a_tenant_refuses_is_asked_for_once_and_kept_in_state(tmp_path, small):
    small.vices.set("refuse_row_version_bounds", "Erp.BO.VendorSvc")
    small.vices.set("refuse_count", "Erp.BO.CustomerSvc")
    warehouse, catalog = Warehouse(), only("vendors", "customers")
    config = settings(small, page_size=5, companies=["EPIC06"])
    first = run_tap(tmp_path, config, catalog=catalog)
    second = run_tap(tmp_path, config, catalog=catalog, state=first.state)
    small.tenant.touch("vendors", "EPIC06", 2)
    small.tenant.touch("customers", "EPIC06", 2)
    small.requests.clear()

    third = run_tap(tmp_path, config, catalog=catalog, state=second.state)

    for result in (first, second, third):
        assert result.code == 0, result.stderr
        warehouse.load(result)
    assert "this tenant does not take" in first.stderr
    assert partition(second.state, "vendors")["refused"].keys() >= {"SysRevID gt", "SysRevID ge"}
    assert partition(second.state, "customers")["refused"].keys() == {"$count"}
    assert "does not take" not in third.stderr
    assert not [r for r in small.requests if r.status == 400]
    for stream in ("vendors", "customers"):
        loaded = warehouse.open_rows(stream, "EPIC06")
        assert loaded == expected_rows(small.tenant, stream, "EPIC06")


def test_a_select_that_iis_would_refuse_is_left_out(tmp_path):
    tenant = Tenant(profile="real", seed=11, scale=0.1, wide=150, companies=["EPIC06"])
    with KineticServer(tenant) as server:
        result = run_tap(tmp_path, settings(server), catalog=only("vendors"))

        assert result.code == 0, result.stderr
        (page,) = [r for r in pages(server, "Vendors") if r.query["$top"] == "1000"]
        assert "$select" not in page.query
        assert not any("TIN" in row for row in result.records("vendors"))  # sensitive, so not sent


def test_every_answer_is_asked_for_compressed(tmp_path, reader):
    run_tap(tmp_path, settings(reader))

    assert {r.headers.get("accept-encoding") for r in reader.requests} == {"gzip"}


def discovered(folder, server):
    command = [*TAP, *tap_files(folder, settings(server), None, None), "--discover"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=True)
    return json.loads(done.stdout)


def settled(folder, server, catalog):
    """STATE of a run that found nothing new: the one before it also met what was closed."""
    state = None
    for _ in range(2):
        state = run_tap(folder, settings(server), catalog=catalog, state=state).state
    return state


def test_a_catalog_spares_metadata_and_a_run_without_news_is_one_request_per_stream_and_company(
    tmp_path, either
):
    catalog = discovered(tmp_path, either)
    state = settled(tmp_path, either, catalog)
    either.requests.clear()

    result = run_tap(tmp_path, settings(either), catalog=catalog, state=state)

    assert result.code == 0, result.stderr
    assert {r.kind for r in either.requests} == {"rows"}
    tenant = either.tenant
    assert len(either.requests) - len(pages(either)) == len(tenant.companies)
    asked = [(r.company, r.service, r.entity_set) for r in pages(either)]
    assert len(asked) == len(set(asked)) == len(tenant.streams) * len(tenant.companies)


def test_a_new_column_is_noticed_within_one_run_whatever_the_catalog_remembers(tmp_path, small):
    catalog = discovered(tmp_path, small)
    state = settled(tmp_path, small, catalog)
    small.tenant.add_column("vendors", "Rating_c", "Edm.String", value="A+")
    small.tenant.touch("vendors", "EPIC06", 1)
    small.requests.clear()

    result = run_tap(tmp_path, settings(small), catalog=catalog, state=state)

    assert result.code == 0, result.stderr
    (line,) = [text for text in result.stderr.splitlines() if "Rating_c" in text]
    assert "vendors" in line
    assert "run --discover again" in line
    assert [r.service for r in small.requests if r.kind == "metadata"] == ["Erp.BO.VendorSvc"]


VOLATILE = {"_epicor_run_id", "_epicor_synced_at", "_sdc_deleted_at", "run_id", "started_at",
            "finished_at", "time_extracted", "completed_at", "began_at", "marks",
            }  # fmt: skip


def without_run(value):
    """Without run ids and times, and the order of object members aside."""
    if isinstance(value, dict):
        return {k: (v is not None) if k in VOLATILE else without_run(v) for k, v in value.items()}
    return [without_run(each) for each in value] if isinstance(value, list) else value


def but_states(result):
    """Everything but STATE under way, which is written by the clock."""
    messages = [m for m in result.messages if m["type"] != "STATE"]
    return [without_run(message) for message in (*messages, result.state)]


def test_the_quick_start_sends_what_the_sdks_way_sends(tmp_path, small, monkeypatch):
    catalog = discovered(tmp_path, small)
    for entry in catalog["streams"]:
        for item in entry["metadata"]:
            if item["breadcrumb"] == ["properties", "Name"] or entry["stream"] == "parts":
                item["metadata"]["selected"] = False
    config = settings(small, max_concurrency=1)
    quick = [run_tap(tmp_path, config, catalog=catalog)]
    monkeypatch.setenv("LOGLEVEL", "INFO")
    slow = [run_tap(tmp_path, config, catalog=catalog)]
    small.tenant.close_some("vendors", "EPIC06", 2)
    slow.append(run_tap(tmp_path, config, catalog=catalog, state=quick[0].state))
    monkeypatch.delenv("LOGLEVEL")
    quick.append(run_tap(tmp_path, config, catalog=catalog, state=quick[0].state))

    for one, other in zip(quick, slow, strict=True):
        assert one.code == other.code == 0, one.stderr + other.stderr
        assert but_states(one) == but_states(other)
        assert len(one.markers) == len(other.markers) == 1
    assert any(row["_sdc_deleted_at"] for row in quick[1].records("vendors"))


def test_a_row_that_closes_is_retracted_in_every_stream_that_has_a_rule(tmp_path, either):
    tenant = either.tenant
    warehouse = Warehouse()
    first = run_tap(tmp_path, settings(either))
    warehouse.load(first)
    closed = {stream: tenant.close_some(stream, "EPIC06", 1) for stream in tenant.streams}

    second = run_tap(tmp_path, settings(either), state=first.state)

    warehouse.load(second)
    assert_equal(warehouse, tenant)
    with_rule = {stream for stream, keys in closed.items() if keys}
    assert with_rule >= {"gl_accounts", "gl_segment_values", "vendors", "customers", "parts",
                         "projects", "purchase_orders", "purchase_order_lines",
                         "purchase_order_releases", "ap_payments"}  # fmt: skip
    for stream in with_rule:
        (key,) = closed[stream]
        row = warehouse.tables[stream][key]
        assert row["_sdc_deleted_at"] is not None
        assert "_epicor_source_id" in row
        assert len(row) > len(tenant.entity(stream).key) + 7  # the full row as read


def test_both_rows_of_a_voided_payment_arrive(tmp_path, reader):
    result = run_tap(tmp_path, settings(reader), catalog=only("ap_payment_lines"))

    rows = result.records("ap_payment_lines")
    pairs = {}
    for row in rows:
        key = (row["HeadNum"], row["APTranNo"], row["InvoiceNum"])
        pairs.setdefault(key, {})[row["Voided"]] = row["TranAmt"]
    voided = [both for both in pairs.values() if len(both) == 2]
    assert voided
    assert all(both[True] + both[False] == 0 for both in voided)
    assert all(row["_sdc_deleted_at"] is None for row in rows)


def test_rows_without_a_change_date_are_read_by_the_first_sync(tmp_path):
    tenant = Tenant(profile="documented", seed=7, scale=0.3, companies=["EPIC06"])
    with KineticServer(tenant) as server:
        every = tenant.rows("ap_invoices", "EPIC06")
        dates = sorted(row["UpdatedOn"] for row in every if row["UpdatedOn"])
        undated = [row for row in every if not row["UpdatedOn"]]
        start = dates[len(dates) // 2]
        config = settings(server, start_date=start, closed_records="include")

        result = run_tap(tmp_path, config, catalog=only("ap_invoices"))

        sent = result.records("ap_invoices")
        assert undated
        assert len(undated) < len(sent) < len(every)
        assert sum(row["UpdatedOn"] is None for row in sent) == len(undated)


def test_the_whole_last_day_of_a_date_is_read_again(tmp_path, small):
    options = {"purchase_orders": {"replication_key": "ChangeDate"}}
    config = settings(small, stream_options=options, companies=["EPIC06"])
    catalog = only("purchase_orders")
    first = run_tap(tmp_path, config, catalog=catalog)
    newest = small.tenant.touch("purchase_orders", "EPIC06", 1)
    second = run_tap(tmp_path, config, catalog=catalog, state=first.state)
    also = small.tenant.touch("purchase_orders", "EPIC06", 1)  # on the same day

    third = run_tap(tmp_path, config, catalog=catalog, state=second.state)

    keys = {(row["Company"], row["PONum"]) for row in third.records("purchase_orders")}
    assert keys >= {*newest, *also}


def test_a_baq_is_asked_from_its_bookmark_through_its_parameter(tmp_path, reader):
    config = settings(reader, baqs=[CHANGES])
    first = run_tap(tmp_path, config, catalog=only("invoice_changes"))
    reader.requests.clear()

    second = run_tap(tmp_path, config, catalog=only("invoice_changes"), state=first.state)

    assert first.code == second.code == 0, first.stderr + second.stderr
    value = partition(first.state, "invoice_changes")["replication_key_value"]
    bookmark = datetime.fromisoformat(value.split(".")[0].rstrip("Z") + "+00:00")
    since = [r.query["Since"] for r in reader.requests if "Since" in r.query]
    assert since
    assert {datetime.fromisoformat(s.replace("Z", "+00:00")) for s in since} == {
        bookmark - timedelta(seconds=300)
    }


def test_an_answer_is_waited_for_no_longer_than_request_timeout_seconds(tmp_path, reader):
    reader.vices.set("hang", 3)  # for 30 seconds

    config = settings(reader, request_timeout_seconds=1, companies=["EPIC06"])
    result = run_tap(tmp_path, config, catalog=only("vendors", AUDIT), timeout=25)

    assert result.code == 0, result.stderr
    assert "no answer in time" in result.stderr


def test_nothing_but_get_is_sent_except_for_a_token(tmp_path, reader):
    tenant = reader.tenant
    before = {(s, c): tenant.rows(s, c) for s in tenant.streams for c in tenant.companies}

    result = run_tap(tmp_path, settings(reader, auth_method="token_resource"))

    assert result.code == 0, result.stderr
    sent = {(r.method, r.kind) for r in reader.requests}
    assert sent == {("GET", "rows"), ("GET", "count"), ("GET", "metadata"), ("POST", "token")}
    assert before == {(s, c): tenant.rows(s, c) for s in tenant.streams for c in tenant.companies}


@pytest.mark.full
def test_a_long_read_tells_how_far_it_is(tmp_path, reader):
    reader.vices.set("slow", 0.5)

    config = settings(reader, page_size=12, max_concurrency=1)
    result = run_tap(tmp_path, config, catalog=only("gl_transactions"))

    assert re.search(
        r"gl_transactions EPIC06: \d+ rows of [\d,]+ \(\d+%\), \d+ rows/s", result.stderr
    )
