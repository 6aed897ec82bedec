"""Every bad habit of a server: the tables are complete and exact, or the run says why not."""

import itertools

import pytest
from harness import AUDIT, Warehouse, assert_equal, run_tap, settings
from kinetic_sandbox.kinetic import KineticServer, Tenant

SURVIVED = {
    "a page cap of 100": {"page_cap": 100},
    "a page cap below the default": {"page_cap": 7},
    "$skip ignored": {"skip_ignored": True},
    "$count caps $top": {"count_caps_top": True},
    "429 with Retry-After": {"throttle": 7, "throttle_retry_after": 1},
    "429 without Retry-After": {"throttle": 7},
    "500 without content": {"fail_500": 5},
    "pages above 50 rows too heavy": {"heavy_above": 50},
    "502 as HTML": {"fail_502": 7},
    "503": {"fail_503": 7},
    "dropped connections": {"drop": 6},
    "half a body": {"half_body": 6},
    "half a body without length": {"half_body_chunked": 6},
    "slow answers": {"slow": 0.05},
    "an answer that never comes": {"hang": 40},
    "no licence for a while": {"licence_exhausted": 3},
    "rows that change between pages": {"change_between_pages": 2},
    "next links": {"next_link": True},
    "child sets filtered by their parent": {"child_filter_on_parent": True},
}


@pytest.fixture
def small():
    with KineticServer(Tenant(profile="real", seed=11, scale=0.25)) as running:
        yield running


@pytest.mark.parametrize(
    "vices",
    [
        *(pytest.param(vices, id=name) for name, vices in SURVIVED.items()),
        pytest.param({"hang": 9}, id="many answers that never come", marks=pytest.mark.full),
    ],
)
def test_tables_are_complete_and_exact_under(vices, tmp_path, small):
    for name, value in vices.items():
        small.vices.set(name, value)
    warehouse = Warehouse()

    first = run_tap(tmp_path, settings(small, page_size=40, request_timeout_seconds=2))
    assert first.code == 0, first.stderr[-2000:]
    warehouse.load(first)
    small.vices.clear()
    second = run_tap(tmp_path, settings(small), state=first.state)

    assert second.code == 0, second.stderr[-2000:]
    warehouse.load(second)
    assert_equal(warehouse, small.tenant)


def test_a_page_cap_is_found_out_with_the_default_page_size(tmp_path):
    with KineticServer(Tenant(profile="documented", seed=11)) as server:
        server.vices.set("page_cap", 100)
        result = run_tap(tmp_path, settings(server))

        assert result.code == 0
        warehouse = Warehouse()
        warehouse.load(result)
        assert_equal(warehouse, server.tenant)


def test_rows_that_close_while_the_first_sync_runs_are_retracted_by_the_next(tmp_path, small):
    small.vices.set("close_between_pages", 1)
    warehouse = Warehouse()
    first = run_tap(tmp_path, settings(small, page_size=10))
    warehouse.load(first)
    small.vices.clear()

    warehouse.load(run_tap(tmp_path, settings(small), state=first.state))

    assert_equal(warehouse, small.tenant)


def test_child_sets_that_cannot_be_filtered_are_read_whole_with_a_warning(tmp_path, small):
    small.vices.set("child_filter_on_parent", value=True)

    result = run_tap(tmp_path, settings(small))

    assert "PODetails of company EPIC06" in result.stderr
    assert "reading it whole" in result.stderr
    filters = {r.query.get("$filter") for r in small.requests
               if r.entity_set == "PODetails" and "$skip" in r.query}  # fmt: skip
    assert filters <= {None}


def test_a_child_set_that_the_user_names_himself_is_proved_as_well(tmp_path, small):
    small.vices.set("child_filter_on_parent", value=True)
    options = {"ap_invoice_lines": {"entity_set": "APInvDtls"}}
    warehouse = Warehouse()

    result = run_tap(tmp_path, settings(small, stream_options=options))

    assert result.code == 0, result.stderr[-2000:]
    warehouse.load(result)
    assert_equal(warehouse, small.tenant)


def test_changes_of_child_rows_arrive_although_they_cannot_be_filtered(tmp_path, small):
    small.vices.set("child_filter_on_parent", value=True)
    warehouse = Warehouse()
    first = run_tap(tmp_path, settings(small, page_size=20))
    warehouse.load(first)
    small.tenant.touch("purchase_order_lines", "EPIC06", 5)
    small.tenant.touch("ap_invoice_lines", "EPIC06", 5)

    warehouse.load(run_tap(tmp_path, settings(small, page_size=20), state=first.state))

    assert_equal(warehouse, small.tenant)


def test_a_child_set_that_can_neither_be_filtered_nor_skipped_fails_loudly(tmp_path, small):
    small.vices.set("child_filter_on_parent", value=True)
    small.vices.set("skip_ignored", value=True)

    result = run_tap(tmp_path, settings(small, page_size=10))

    assert result.code == 1
    assert "$skip is ignored" in result.error
    assert "stream_options" in result.error
    assert result.markers == []


def test_a_token_that_dies_in_mid_run_is_renewed(tmp_path, small):
    small.vices.set("token_ttl", 1)
    small.vices.set("slow", 0.03)

    result = run_tap(tmp_path, settings(small, auth_method="token_resource", page_size=40))

    assert result.code == 0, result.stderr[-2000:]
    warehouse = Warehouse()
    warehouse.load(result)
    assert_equal(warehouse, small.tenant)
    assert sum(r.kind == "token" for r in small.requests) > 1
    assert all("basic" not in r.headers["authorization"].lower()
               for r in small.requests if r.kind == "rows")  # fmt: skip


def test_oauth_client_credentials_open_the_tenant(tmp_path, small):
    basic = settings(small)
    config = {k: v for k, v in basic.items() if k not in {"username", "password"}} | {
        "auth_method": "oauth2",
        "oauth_token_url": small.token_url,
        "oauth_client_id": small.client_id,
        "oauth_client_secret": small.client_secret,
        "oauth_scope": "kinetic",
    }

    result = run_tap(tmp_path, config)

    assert result.code == 0, result.stderr[-2000:]
    warehouse = Warehouse()
    warehouse.load(result)
    assert_equal(warehouse, small.tenant)
    refused = run_tap(tmp_path, {**config, "oauth_client_secret": "nonsense"})
    assert refused.code == 2
    assert "`oauth_client_secret`" in refused.error


def test_a_column_that_appears_between_runs_arrives_with_the_next(tmp_path, small):
    first = run_tap(tmp_path, settings(small))
    small.tenant.add_column("vendors", "Rating_c", "Edm.String", value="A+")
    small.tenant.touch("vendors", "EPIC06", 3)

    second = run_tap(tmp_path, settings(small), state=first.state)

    (schema,) = [m for m in second.messages if m["type"] == "SCHEMA" and m["stream"] == "vendors"]
    assert schema["schema"]["properties"]["Rating_c"]["type"] == ["string", "null"]
    assert {row["Rating_c"] for row in second.records("vendors")} == {"A+"}


@pytest.mark.parametrize("profile", ["documented", "real"])
def test_a_restored_database_is_read_whole(tmp_path, profile):
    with KineticServer(Tenant(profile=profile, seed=11, scale=0.25)) as server:
        # The newest row is an open one, so that the bookmark is the tenant's highest time.
        for stream, company in itertools.product(server.tenant.streams, server.tenant.companies):
            rows = server.tenant.rows(stream, company)
            for row in [row for row in rows if not server.tenant.is_closed(stream, row)][:1]:
                key = tuple(row[name] for name in server.tenant.entity(stream).key)
                server.tenant.update(stream, company, key)
        warehouse = Warehouse()
        first = run_tap(tmp_path, settings(server))
        warehouse.load(first)
        server.tenant.restore()

        second = run_tap(tmp_path, settings(server), state=first.state)

        assert second.code == 0
        assert "restored from a copy" in second.stderr
        warehouse.load(second)
        assert_equal(warehouse, server.tenant)


@pytest.mark.parametrize("vice", ["missing_service", "deny_service"])
def test_a_service_that_is_missing_or_forbidden_is_left_out_with_a_warning(vice, tmp_path, small):
    small.vices.set(vice, "Erp.BO.ProjectSvc")

    result = run_tap(tmp_path, settings(small))

    assert result.code == 0
    assert "projects" not in result.streams()
    (line,) = [line for line in result.stderr.splitlines() if "Stream projects is left out" in line]
    assert "Erp.BO.ProjectSvc" in line
    assert "right" in line or "api_url" in line


def test_the_company_is_proved_on_another_stream_where_companies_cannot_be_read(tmp_path, small):
    small.vices.set("deny_service", "Erp.BO.CompanySvc")

    assert run_tap(tmp_path, settings(small)).code == 0


REFUSED = {
    "a wrong password": ({"password": "nonsense"}, ["`username`", "`password`"]),
    "a wrong key": ({"api_key": "nonsense-key"}, ["`api_key`"]),
    "a key that is not set": ({"api_key": None}, ["`api_key`"]),
    "a company that does not exist": ({"companies": ["EPIC06", "NOPE"]}, ["`companies`", "NOPE"]),
    "an instance that does not exist": ({"api_url": "{root}/Nowhere"}, ["`api_url`"]),
}


@pytest.mark.parametrize(("overrides", "names"), REFUSED.values(), ids=REFUSED.keys())
def test_a_setting_that_is_refused_is_named_with_exit_code_2(overrides, names, tmp_path, small):
    root = small.url.rsplit("/", 1)[0]
    filled = {k: v.format(root=root) if isinstance(v, str) else v for k, v in overrides.items()}

    result = run_tap(tmp_path, settings(small, **filled))

    assert result.code == 2, result.stderr
    for name in names:
        assert name in result.error
    assert "Traceback" not in result.stderr
    assert "nonsense" not in result.stderr
    assert result.markers == []


def test_a_host_that_is_out_of_reach_is_exit_code_1(tmp_path, small):
    config = settings(small, api_url="http://127.0.0.1:9/Kinetic", retry_deadline_seconds=1)

    result = run_tap(tmp_path, config)

    assert result.code == 1
    assert "`api_url`" in result.error
    assert "`retry_deadline_seconds`" in result.error


def test_a_server_that_dies_in_mid_run_fails_the_run_and_the_next_makes_it_good(tmp_path, small):
    small.vices.set("kill_after", 25)
    cut = run_tap(tmp_path, settings(small, page_size=10, retry_deadline_seconds=2))
    small.vices.clear()

    assert cut.code == 1
    assert cut.markers == []
    assert "retry_deadline_seconds" in cut.error
    statuses = {row["status"] for row in cut.records(AUDIT)}
    assert statuses == {"complete", "failed", "skipped"}
    (failed,) = [row for row in cut.records(AUDIT) if row["status"] == "failed"]
    assert failed["error"] in cut.error
    warehouse = Warehouse()
    warehouse.load(cut)
    warehouse.load(run_tap(tmp_path, settings(small, page_size=10), state=cut.state))
    assert_equal(warehouse, small.tenant)


def test_a_licence_that_never_comes_free_is_told_after_the_deadline(tmp_path, small):
    small.vices.set("licence_exhausted", 10_000)

    result = run_tap(tmp_path, settings(small, retry_deadline_seconds=2))

    assert result.code == 1
    assert "licence" in result.error
    assert "`retry_deadline_seconds`" in result.error
