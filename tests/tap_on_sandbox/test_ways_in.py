"""Every way to a tenant, as the wire shows it: logins, keys, licences, certificates, proxies."""

from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep

import pytest
from harness import Warehouse, assert_equal, run_tap, settings
from kinetic_sandbox.certificate import Authority
from kinetic_sandbox.identity import Habits, IdentityProvider
from kinetic_sandbox.kinetic import KineticServer, Tenant
from kinetic_sandbox.kinetic.http.answers import Answer, html_answer, json_answer
from kinetic_sandbox.proxy import Proxy

INVALID_CLIENT = json_answer({"error": "invalid_client", "error_description": "Who are you?"}, 400)
UNAUTHORIZED = json_answer({"error": "invalid_client"}, 401)
PAGE = html_answer(200, "Sign in to continue.")
NOTHING = Answer(200)
full = pytest.mark.full


@pytest.fixture(scope="module")
def tenant():
    """Only read, never changed."""
    return Tenant(profile="real", seed=7, scale=0.05, companies=["EPIC06"])


@pytest.fixture
def server(tenant):
    with KineticServer(tenant) as running:
        yield running


@pytest.fixture
def provider(server):
    with IdentityProvider() as running:
        server.login.trusted.append(running.holds)
        yield running


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch):
    """Whatever this machine needs must not decide here."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def oauth2(server, provider, **overrides):
    return settings(
        server,
        auth_method="oauth2",
        username=None,
        password=None,
        oauth_token_url=provider.token_url,
        oauth_client_id=server.client_id,
        oauth_client_secret=server.client_secret,
        **overrides,
    )


def assert_complete(result, tenant):
    assert result.code == 0, result.stderr
    warehouse = Warehouse()
    warehouse.load(result)
    assert_equal(warehouse, tenant)


def assert_one_sentence(result, code, *names):
    assert result.code == code, result.stderr
    assert "Traceback" not in result.stderr
    for name in names:
        assert name in result.error


def tokens(server):
    return [r for r in server.requests if r.kind == "token"]


def reads(server):
    return [r for r in server.requests if r.kind != "token"]


def run_and_meanwhile(folder, config, server, after, act):
    """Run the tap, and act when the server has had so many requests for rows."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run_tap, folder, config)
        give_up = monotonic() + 30
        while sum(r.kind == "rows" for r in list(server.requests)) < after:
            assert monotonic() < give_up
            assert not running.done(), running.result().stderr
            sleep(0.005)
        act()
        return running.result()


def test_basic_sends_user_and_key_in_the_headers_of_each_request(server, tenant, tmp_path):
    result = run_tap(tmp_path, settings(server))

    assert_complete(result, tenant)
    login = b64encode(f"{server.username}:{server.password}".encode()).decode()
    for request in server.requests:
        assert request.headers["authorization"] == f"Basic {login}"
        assert request.headers["x-api-key"] == server.api_key
        assert "license" not in request.headers
        assert server.api_key not in request.path + request.raw_query


@pytest.mark.parametrize(
    "habits",
    [
        {},
        pytest.param({"life_field": "expires_in"}, marks=full),
        pytest.param({"life_field": ""}, marks=full),
        pytest.param({"always_xml": True}, marks=full),
        {"always_xml": True, "namespace": "http://schemas.epicor.com/token", "life_field": ""},
    ],
    ids=["json", "json-expires_in", "json-no-life", "xml", "xml-namespace"],
)
def test_one_token_serves_the_whole_run_whatever_its_form(server, tenant, tmp_path, habits):
    for name, value in habits.items():
        setattr(server.login.habits, name, value)

    result = run_tap(tmp_path, settings(server, auth_method="token_resource"))

    assert_complete(result, tenant)
    (bought,) = tokens(server)
    assert (bought.method, bought.path) == ("POST", "/Kinetic/TokenResource.svc/")
    assert bought.headers["x-api-key"] == server.api_key
    for request in reads(server):
        assert request.headers["authorization"].startswith("Bearer sbxtoken-0001")
        assert request.headers["x-api-key"] == server.api_key


@pytest.mark.parametrize("always_xml", [pytest.param(False, marks=full), True])
def test_a_token_is_renewed_before_its_end(server, tenant, tmp_path, always_xml):
    server.login.habits.always_xml = always_xml
    server.vices.set("token_ttl", 2)
    server.vices.set("slow", 0.07)

    result = run_tap(tmp_path, settings(server, auth_method="token_resource"))

    assert_complete(result, tenant)
    assert len(tokens(server)) > 1
    assert 401 not in {r.status for r in server.requests}


def test_a_token_that_the_server_expires_in_mid_run_is_replaced(server, tenant, tmp_path):
    server.vices.set("slow", 0.02)
    config = settings(server, auth_method="token_resource")

    result = run_and_meanwhile(
        tmp_path, config, server, 20, lambda: server.vices.set("expire_tokens", True)
    )

    assert_complete(result, tenant)
    assert 401 in {r.status for r in reads(server)}
    assert len(tokens(server)) == 2


@pytest.mark.parametrize(
    ("taken_from", "refusal", "cost"),
    [
        ("body or header", 401, 1),
        pytest.param("body", 401, 1, marks=full),
        pytest.param("header", 401, 2, marks=full),
        ("header", 400, 2),
    ],
)
def test_client_credentials_at_another_host_try_body_then_header_and_remember(
    server, provider, tenant, tmp_path, taken_from, refusal, cost
):
    provider.habits = Habits(credentials_in=taken_from, refusal_status=refusal)
    server.vices.set("slow", 0.02)

    result = run_and_meanwhile(tmp_path, oauth2(server, provider), server, 20, provider.revoke)

    assert_complete(result, tenant)
    assert len(provider.requests) == cost + 1  # a renewal costs one
    assert ["authorization" in r.headers for r in provider.requests[-2:]] == [cost == 2] * 2
    for request in reads(server):
        assert request.headers["authorization"].startswith("Bearer idptoken-")
        assert request.headers["x-api-key"] == server.api_key


def test_no_identity_provider_sees_the_api_key(server, provider, tmp_path):
    assert run_tap(tmp_path, oauth2(server, provider)).code == 0

    (request,) = provider.requests
    assert server.api_key not in repr(request)
    assert "license" not in request.headers


@pytest.mark.parametrize(
    "scope", [pytest.param(None, marks=full), "api://kinetic/.default offline"]
)
def test_the_scope_is_sent_where_it_is_set(server, provider, tmp_path, scope):
    provider.habits.scope = scope
    config = oauth2(server, provider, **({"oauth_scope": scope} if scope else {}))

    assert run_tap(tmp_path, config).code == 0
    assert provider.requests[0].form.get("scope") == scope


@pytest.mark.parametrize(
    "instead", [INVALID_CLIENT, pytest.param(UNAUTHORIZED, marks=full), PAGE, NOTHING]
)
def test_a_token_endpoint_that_refuses_at_the_start_is_a_matter_of_settings(
    server, provider, tmp_path, instead
):
    provider.habits.instead = instead

    result = run_tap(tmp_path, oauth2(server, provider))

    assert_one_sentence(result, 2, "`oauth_token_url`", "`oauth_client_secret`")
    assert ("HTTP 400: invalid_client: Who are you?" in result.error) == (instead is INVALID_CLIENT)
    assert reads(server) == []


@full
@pytest.mark.parametrize("instead", [json_answer({}, 401), NOTHING])
def test_the_same_holds_for_token_resource(server, tmp_path, instead):
    server.login.habits.instead = instead

    result = run_tap(tmp_path, settings(server, auth_method="token_resource"))

    assert_one_sentence(result, 2, "TokenResource.svc", "`username` and `password`")


@pytest.mark.parametrize(
    "instead",
    [
        INVALID_CLIENT,
        pytest.param(UNAUTHORIZED, marks=full),
        pytest.param(PAGE, marks=full),
        pytest.param(NOTHING, marks=full),
    ],
)
def test_a_token_endpoint_that_refuses_in_mid_run_is_not(server, provider, tmp_path, instead):
    server.vices.set("slow", 0.02)

    def break_it():
        provider.habits.instead = instead
        provider.revoke()

    result = run_and_meanwhile(tmp_path, oauth2(server, provider), server, 20, break_it)

    assert_one_sentence(result, 1, "`oauth_token_url`")
    assert result.markers == []


@full
def test_a_token_endpoint_out_of_reach_is_named(server, provider, tmp_path):
    config = oauth2(server, provider, retry_deadline_seconds=1)
    config["oauth_token_url"] = "http://127.0.0.1:9/token"

    assert_one_sentence(run_tap(tmp_path, config), 1, "`oauth_token_url`", "refused")


@pytest.mark.parametrize(
    ("claimed", "guid"),
    [
        pytest.param("default", "00000003-B615-4300-957B-34956697F040", marks=full),
        ("web_service", "00000003-9439-4B30-A6F4-6D2FD4B9FD0F"),
        pytest.param("data_collection", "00000003-B8EB-40C4-8897-248CB30C5D47", marks=full),
        pytest.param(*["00000003-B8EB-40C4-8897-248CB30C5D47"] * 2, marks=full),
    ],
)
def test_a_claimed_licence_goes_with_each_request(server, tenant, tmp_path, claimed, guid):
    result = run_tap(tmp_path, settings(server, claimed_license=claimed))

    assert_complete(result, tenant)
    sent = {r.headers.get("license") for r in server.requests}
    assert sent == {f'{{"ClaimedLicense": "{guid}"}}'}


def test_a_licence_seat_is_waited_for(server, tenant, tmp_path):
    server.vices.set("licence_exhausted", 2)

    result = run_tap(tmp_path, settings(server))

    assert_complete(result, tenant)
    assert "no licence free" in result.stderr
    assert sum(r.status == 400 for r in server.requests) == 2


@full
def test_a_seat_that_never_comes_free_ends_the_run_with_advice(server, tmp_path):
    server.vices.set("licence_exhausted", 10_000)

    result = run_tap(tmp_path, settings(server, retry_deadline_seconds=2))

    assert_one_sentence(result, 1, "Maximum users exceeded", "`claimed_license`")


@pytest.mark.parametrize(
    ("hosts", "days", "knows_authority", "told"),
    [
        (("IP:127.0.0.1",), 30, False, ("`ca_bundle`", "unable to get local issuer")),
        (("DNS:erp.example.com",), 30, True, ("`api_url`", "certificate is not valid for")),
        (("IP:127.0.0.1",), -1, True, ("renew", "expired")),
    ],
    ids=["private-authority", "other-host", "expired"],
)
def test_a_certificate_that_does_not_hold_is_told_at_once(
    tenant, authority, tmp_path, hosts, days, knows_authority, told
):
    certificate = authority.issue(f"server{days}{hosts[0][:3]}", hosts, days)
    with KineticServer(tenant, certificate=certificate) as server:
        bundle = {"ca_bundle": str(authority.bundle)} if knows_authority else {}
        result = run_tap(tmp_path, settings(server, **bundle))

        assert_one_sentence(result, 1, "certificate refused", *told)
        assert server.requests == []


def test_a_private_authority_is_trusted_by_its_bundle(tenant, authority, tmp_path):
    with KineticServer(tenant, certificate=authority.issue("trusted")) as server:
        result = run_tap(tmp_path, settings(server, ca_bundle=str(authority.bundle)))

        assert server.url.startswith("https://")
        assert_complete(result, tenant)


def test_any_certificate_passes_unverified_with_a_warning(tenant, authority, tmp_path):
    certificate = authority.issue("unverified", ("DNS:erp.example.com",), -1)
    with KineticServer(tenant, certificate=certificate) as server:
        result = run_tap(tmp_path, settings(server, tls_verify=False))

        assert_complete(result, tenant)
        assert "WARNING" in result.stderr
        assert "`tls_verify: false`" in result.stderr


@full
def test_a_bundle_that_is_no_bundle_is_a_matter_of_settings(server, tmp_path):
    (tmp_path / "bundle.pem").write_text("no certificate here")

    for path in (tmp_path / "bundle.pem", tmp_path / "absent.pem"):
        result = run_tap(tmp_path, settings(server, ca_bundle=str(path)))

        assert_one_sentence(result, 2, "`ca_bundle`", str(path))


PROXY_LOGIN = ("clerk", "pr@xy/pa:ss")


def test_plain_http_goes_through_the_proxy_with_its_login(server, tenant, tmp_path, monkeypatch):
    monkeypatch.setenv("TAP_EPICOR_KINETIC_LOGLEVEL", "DEBUG")
    with Proxy(PROXY_LOGIN) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        result = run_tap(tmp_path, settings(server))

    assert_complete(result, tenant)
    assert len(proxy.passed) == len(server.requests)
    assert {p.status for p in proxy.passed} == {200}
    assert_silent_about_the_proxys_password(result)


def test_tls_goes_through_a_tunnel_in_the_proxy(tenant, authority, tmp_path, monkeypatch):
    certificate = authority.issue("tunnelled")
    with KineticServer(tenant, certificate=certificate) as server, Proxy(PROXY_LOGIN) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        result = run_tap(tmp_path, settings(server, ca_bundle=str(authority.bundle)))

    assert_complete(result, tenant)
    host = server.origin.removeprefix("https://")
    assert {(p.method, p.target, p.status) for p in proxy.passed} == {("CONNECT", host, 200)}
    assert_silent_about_the_proxys_password(result)


@pytest.mark.parametrize("is_tls", [pytest.param(False, marks=full), True])
def test_a_proxy_that_wants_another_login_is_told_at_once(
    tenant, authority, tmp_path, monkeypatch, is_tls
):
    certificate = authority.issue("behind") if is_tls else None
    with KineticServer(tenant, certificate=certificate) as server, Proxy(PROXY_LOGIN) as proxy:
        address = proxy.url.replace("clerk", "nobody")
        monkeypatch.setenv("https_proxy" if is_tls else "http_proxy", address)
        result = run_tap(tmp_path, settings(server, ca_bundle=str(authority.bundle)))

        assert_one_sentence(result, 1, "proxy login refused", "407", "http_proxy")
        assert server.requests == []
        assert len(proxy.passed) == 1
    assert_silent_about_the_proxys_password(result)


def test_a_host_in_no_proxy_is_reached_directly(server, tmp_path, monkeypatch):
    with Proxy() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "example.com,127.0.0.1")
        result = run_tap(tmp_path, settings(server))

    assert result.code == 0, result.stderr
    assert server.requests
    assert proxy.passed == []


def test_the_token_url_may_need_the_proxy_where_the_instance_does_not(
    server, provider, tmp_path, monkeypatch
):
    config = oauth2(server, provider)
    with Proxy() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", server.origin.removeprefix("http://"))
        result = run_tap(tmp_path, config)

    assert result.code == 0, result.stderr
    assert [p.target for p in proxy.passed] == [provider.token_url]


def assert_silent_about_the_proxys_password(result):
    encoded = b64encode(":".join(PROXY_LOGIN).encode()).decode()
    for secret in (PROXY_LOGIN[1], "pr%40xy", encoded):
        assert secret not in result.stderr + repr(result.messages)


@pytest.mark.parametrize(
    "pasted",
    [
        "/api/v2/odata/EPIC06/Erp.BO.VendorSvc/Vendors?$top=1",
        pytest.param("/api/v2/odata/EPIC06/Erp.BO.POSvc/$metadata", marks=full),
        pytest.param("/api/help/v2/index.html", marks=full),
        pytest.param("/", marks=full),
    ],
)
def test_a_pasted_longer_address_leads_to_the_same_rows(server, tenant, tmp_path, pasted):
    result = run_tap(tmp_path, settings(server, api_url=server.url + pasted))

    assert_complete(result, tenant)
    assert {r.status for r in server.requests} == {200}
    instances = {row["_epicor_instance"] for row in result.records("vendors")}
    assert instances == {server.url}
