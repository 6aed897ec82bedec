"""`--test`: one screen that says what works, what does not, and what to do about it."""

import asyncio
import re
import socket
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path
from time import monotonic

import pytest
from harness import TAP, Result, environment, settings, tap_files
from kinetic_sandbox.certificate import Authority
from kinetic_sandbox.kinetic import KineticServer, Tenant
from kinetic_sandbox.proxy import Proxy
from meltano.core.plugin_test_service import ExtractorTestService

DOCS = Path(__file__).parents[2] / "docs" / "connecting.md"
MASKS = [
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    (r"in \d+ ms", "in N ms"),
    (r"differ by \d+ s", "differ by N s"),
    (r" +[\d,]+ rows?  ", " N rows  "),  # the sandbox's books end today
]


@pytest.fixture(scope="module")
def tenant():
    """Only read, never changed."""
    return Tenant(profile="real", seed=7, scale=0.3)


@pytest.fixture
def server(tenant):
    with KineticServer(tenant) as running:
        yield running


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


def check_up(folder, config, *, catalog=None) -> Result:
    command = [*TAP, "--test", *tap_files(folder, config, None, catalog)]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment(), check=False, timeout=60
    )
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return Result(done.returncode, done.stderr, [])


def screen(result: Result) -> list[str]:
    """What was shown, without the log's lines; it has to fit."""
    lines = [line for line in result.stderr.splitlines() if not re.match(r"\d{4}-\d\d-\d\d ", line)]
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100
    return lines


def status(result: Result) -> dict[str, str]:
    """The verdict on each check, by its name."""
    found = [
        re.match(r"(ok|warning|left out|skipped|FAILED) +(\S+( \S+)?)", line)
        for line in screen(result)
    ]
    return {match[2]: match[1] for match in found if match}


def told(result: Result, name: str) -> str:
    """All words on one check."""
    lines = screen(result)
    start = next(i for i, line in enumerate(lines) if f" {name} " in f"{line} ")
    more = lines[start + 1 :]
    length = next((i for i, line in enumerate(more) if not line.startswith(" ")), len(more))
    return " ".join(" ".join(lines[start : start + 1 + length]).split())


def selecting(*streams: str) -> dict:
    selected = [{"breadcrumb": [], "metadata": {"selected": True}}]
    return {
        "streams": [
            {"tap_stream_id": s, "stream": s, "schema": {"properties": {}}, "metadata": selected}
            for s in streams
        ]
    }


def masked(text: str) -> str:
    for pattern, mask in MASKS:
        text = re.sub(pattern, mask, text)
    return text


def test_a_tenant_where_all_is_well_looks_as_the_docs_show(server, tmp_path):
    result = check_up(tmp_path, settings(server))

    assert result.code == 0, result.stderr
    (shown,) = re.findall(r"<!-- check-up -->\n```text\n(.*?)\n```", DOCS.read_text(), re.DOTALL)
    assert masked("\n".join(screen(result))) == masked(shown)


def test_each_stream_is_asked_for_one_row_and_its_keys_alone(server, tenant, tmp_path):
    assert check_up(tmp_path, settings(server)).code == 0

    reads = [r for r in server.requests if r.kind == "rows"]
    assert {(r.entity_set, r.company) for r in reads} == {
        (tenant.entity(stream).entity_set, company)
        for stream in tenant.streams
        for company in tenant.companies
    }
    for request in reads:
        assert request.query["$top"] == "1"
        assert len(request.query["$select"].split(",")) < 10
    counted = [r for r in server.requests if r.kind == "count"]
    assert len(counted) <= len(tenant.streams) * len(tenant.companies)


def test_a_refused_login_costs_one_request_and_skips_the_rest(server, tmp_path):
    result = check_up(tmp_path, settings(server, password="nonsense"))

    assert result.code == 2
    assert len(server.requests) == 1
    assert status(result) == {
        "reachable": "ok", "TLS": "ok", "login": "FAILED", "API key": "skipped",
        "company EPIC06": "skipped", "company EPIC07": "skipped", "clock": "skipped",
        "streams": "skipped",
    }  # fmt: skip
    assert "Check `username` and `password`" in told(result, "login")


def test_a_refused_key_is_told_apart_from_the_login_and_not_shown(server, tmp_path):
    result = check_up(tmp_path, settings(server, api_key="wrong-key-4711"))

    assert result.code == 2
    assert (status(result)["login"], status(result)["API key"]) == ("ok", "FAILED")
    assert "`api_key`" in told(result, "API key")
    assert "4711" not in result.stderr


@pytest.mark.parametrize("companies", [["NOPE", "EPIC06"], ["EPIC06", "NOPE"]])
def test_one_wrong_company_does_not_hide_the_others(server, tmp_path, companies):
    result = check_up(tmp_path, settings(server, companies=companies))

    found = status(result)
    assert result.code == 2
    assert (found["API key"], found["company NOPE"]) == ("ok", "FAILED")
    assert (found["company EPIC06"], found["vendors"]) == ("ok", "ok")
    assert "`companies`" in told(result, "company NOPE")


def test_what_a_tenant_lacks_is_left_out_unless_a_catalog_selects_it(server, tmp_path):
    server.vices.set("deny_service", "Erp.BO.VendorSvc")
    server.vices.set("missing_service", "Erp.BO.ProjectSvc")

    free = check_up(tmp_path, settings(server))
    chosen = check_up(tmp_path, settings(server), catalog=selecting("parts", "vendors"))

    assert free.code == 0
    assert (status(free)["vendors"], status(free)["projects"]) == ("left out", "left out")
    assert "the right to this service" in told(free, "vendors")
    assert chosen.code == 1
    assert status(chosen)["vendors"] == "FAILED"
    assert status(chosen)["parts"] == "ok"
    assert "customers" not in status(chosen)


def test_without_settings_it_says_which_are_missing():
    done = subprocess.run(
        [*TAP, "--test"], capture_output=True, text=True, env=environment(), check=False
    )

    assert done.returncode == 2
    assert "'api_url' is a required property" in done.stderr


def test_a_filter_that_is_refused_is_told_with_its_setting(server, tmp_path):
    options = {"vendors": {"filter": "Nonsense eq 1"}}

    result = check_up(tmp_path, settings(server, stream_options=options))

    assert result.code == 1
    assert [name for name, found in status(result).items() if found == "FAILED"] == ["vendors"]
    assert "Nonsense" in told(result, "vendors")
    assert "`stream_options.<stream>.replication_key`" in told(result, "vendors")


def test_content_free_errors_name_the_ways_round_on_one_screen(server, tmp_path):
    server.vices.set("heavy_above", 0)

    result = check_up(tmp_path, settings(server, retry_deadline_seconds=1))

    assert "`stream_options.<stream>.read_method: GetRows`" in told(result, "company EPIC06")
    assert "BAQ" in told(result, "company EPIC06")


def test_an_address_without_kinetic_is_told(server, tmp_path):
    result = check_up(tmp_path, settings(server, api_url=f"{server.origin}/nothing"))

    assert result.code == 2
    assert "`api_url`" in told(result, "login")


def test_a_closed_port_is_told(tmp_path, server):
    result = check_up(tmp_path, settings(server, api_url="http://127.0.0.1:9/Kinetic"))

    assert result.code == 1
    assert status(result)["reachable"] == "FAILED"
    assert "`api_url`, the network, VPN and proxy" in told(result, "reachable")


@pytest.mark.parametrize(
    ("scheme", "patience"), [("http", 1), pytest.param("https", 300, marks=pytest.mark.full)]
)
def test_a_silent_host_is_told_within_a_quarter_of_a_minute(server, tmp_path, scheme, patience):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/Kinetic"
        config = settings(server, api_url=url)
        config |= {"request_timeout_seconds": patience, "retry_deadline_seconds": patience}
        began = monotonic()
        result = check_up(tmp_path, config)

    assert result.code == 1
    assert monotonic() - began < 15
    assert status(result)["login" if scheme == "http" else "reachable"] == "FAILED"


def test_a_certificate_is_shown_with_its_end(tenant, authority, tmp_path):
    with KineticServer(tenant, certificate=authority.issue("good", days=30)) as server:
        config = settings(server, ca_bundle=str(authority.bundle))
        result = check_up(tmp_path, config)

    end = datetime.now(timezone.utc) + timedelta(days=30)
    assert result.code == 0
    assert re.search(rf"TLSv1\.\d, certificate valid until {end:%Y-%m-%d}", told(result, "TLS"))


@pytest.mark.parametrize(
    ("days", "change", "code", "verdict", "words"),
    [
        (30, {"ca_bundle": None}, 1, "FAILED", "`ca_bundle`"),
        (-1, {}, 1, "FAILED", "has expired"),
        (5, {}, 0, "warning", "valid until"),
        (30, {"ca_bundle": None, "tls_verify": False}, 0, "warning", "`tls_verify: false`"),
    ],
    ids=["private-authority", "expired", "ends-soon", "unverified"],
)
def test_a_certificate_that_needs_attention(
    tenant, authority, tmp_path, days, change, code, verdict, words
):
    with KineticServer(tenant, certificate=authority.issue(f"for{days}", days=days)) as server:
        result = check_up(tmp_path, settings(server, ca_bundle=str(authority.bundle)) | change)

    assert (result.code, status(result)["TLS"]) == (code, verdict), result.stderr
    assert words in told(result, "TLS")


@pytest.mark.parametrize(
    ("user", "verdict", "words"),
    [
        ("clerk", "ok", "through the proxy http://127.0.0.1:"),
        pytest.param("nobody", "FAILED", "https_proxy", marks=pytest.mark.full),
    ],
)
def test_the_way_through_a_proxy_is_told_without_its_password(
    tenant, authority, tmp_path, monkeypatch, user, verdict, words
):
    certificate = authority.issue("behind")
    with (
        KineticServer(tenant, certificate=certificate) as server,
        Proxy(("clerk", "p:w@4711")) as p,
    ):
        monkeypatch.setenv("https_proxy", p.url.replace("clerk", user))
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        result = check_up(tmp_path, settings(server, ca_bundle=str(authority.bundle)))

    assert status(result)["reachable"] == verdict
    assert words in told(result, "reachable")
    assert {seen.method for seen in p.passed} == {"CONNECT"}
    assert "4711" not in result.stderr


@pytest.mark.parametrize(("off", "verdict"), [(300, "warning"), (30, "ok")])
def test_clocks_that_differ_by_more_than_a_minute_are_told(tmp_path, off, verdict):
    def clock():
        return datetime.now(timezone.utc) + timedelta(seconds=off)

    with KineticServer(Tenant(seed=7, scale=0.05, clock=clock)) as server:
        result = check_up(tmp_path, settings(server))

    assert (result.code, status(result)["clock"]) == (0, verdict)
    assert re.search(r"by \d+ s" if verdict == "ok" else r"(299|300) s ahead", result.stderr)


def test_the_replication_key_is_shown_with_the_reason(server, tmp_path):
    options = {"vendors": {"replication_key": "SysRevID"}}

    result = check_up(tmp_path, settings(server, stream_options=options))

    assert "by SysRevID, for it has no UpdatedOn" in told(result, "parts")
    assert "by SysRevID, as `stream_options.vendors.replication_key` says" in told(
        result, "vendors"
    )


class Invoker:
    """What Meltano's test service needs of its invoker: a process that syncs."""

    def __init__(self, folder, config):
        self.arguments = [*TAP, *tap_files(folder, config, None, None)]
        self.plugin = type("Plugin", (), {"name": "tap-epicor-kinetic"})

    async def invoke_async(self, **pipes):
        return await asyncio.create_subprocess_exec(*self.arguments, env=environment(), **pipes)


def test_meltanos_own_test_of_a_plugin_passes_and_fails_with_our_last_line(server, tmp_path):
    good = ExtractorTestService(Invoker(tmp_path, settings(server)))
    assert asyncio.run(good.validate())[0] is True

    bad = ExtractorTestService(Invoker(tmp_path, settings(server, password="nonsense")))
    passed, detail = asyncio.run(bad.validate())
    assert not passed
    assert "Check `username` and `password`" in detail
