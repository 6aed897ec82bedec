"""No secret leaves the tap: not in a log, an error, a URL, a row or STATE."""

from base64 import b64encode

import pytest
from harness import run_tap, settings
from kinetic_sandbox.identity import IdentityProvider
from kinetic_sandbox.kinetic import KineticServer, Tenant
from kinetic_sandbox.kinetic.http.answers import html_answer

full = pytest.mark.full


@pytest.fixture(scope="module")
def tenant():
    """Only read, never changed."""
    return Tenant(profile="real", seed=7, scale=0.05, companies=["EPIC06"])


@pytest.mark.parametrize("arguments", [(), pytest.param(("--test",), marks=full)])
@pytest.mark.parametrize(
    "vice",
    [
        None,
        "refuse_login",
        pytest.param("refuse_key", marks=full),
        pytest.param("licence_exhausted", marks=full),
    ],
)
@pytest.mark.parametrize("auth_method", ["basic", "token_resource", "oauth2"])
def test_nothing_that_the_tap_says_holds_a_secret(
    vice, auth_method, arguments, tenant, tmp_path, monkeypatch
):
    if vice is None:
        monkeypatch.setenv("TAP_EPICOR_KINETIC_LOGLEVEL", "DEBUG")
    with KineticServer(tenant) as server, IdentityProvider() as provider:
        server.login.trusted.append(provider.holds)
        if vice:
            server.vices.set(vice, 10_000 if vice == "licence_exhausted" else True)
        if vice == "refuse_login" and auth_method == "oauth2":
            server.login.trusted.clear()
        log = tmp_path / "runs.jsonl"
        config = settings(
            server,
            auth_method=auth_method,
            oauth_token_url=provider.token_url,
            oauth_client_id=server.client_id,
            oauth_client_secret=server.client_secret,
            run_log_path=str(log),
            retry_deadline_seconds=2,
        )
        result = run_tap(tmp_path, config, *arguments)

    said = result.stderr + repr(result.messages) + (log.read_text() if log.exists() else "")
    pairs = [(server.username, server.password), (server.client_id, server.client_secret)]
    logins = [b64encode(":".join(pair).encode()).decode() for pair in pairs]
    secrets = [server.password, server.api_key, server.client_secret, *logins]
    for secret in [*secrets, "sbxtoken-", "idptoken-"]:
        assert secret not in said
    for request in [*server.requests, *provider.requests]:
        for secret in secrets:
            assert secret not in request.path + getattr(request, "raw_query", "")
    assert (result.code == 0) == (vice is None)


def test_the_key_that_the_server_echoes_is_masked_in_the_message(tenant, tmp_path):
    with KineticServer(tenant) as server:
        result = run_tap(tmp_path, settings(server, api_key="wrong-key-4711-aaaa"))

        assert "Invalid API Key ***" in result.error
        assert "4711" not in result.stderr


def test_a_secret_that_an_identity_provider_echoes_is_masked(tenant, tmp_path):
    with KineticServer(tenant) as server, IdentityProvider() as provider:
        provider.habits.instead = html_answer(400, f"no client &lt;{server.client_secret}&gt;")
        config = settings(
            server,
            auth_method="oauth2",
            oauth_token_url=provider.token_url,
            oauth_client_id=server.client_id,
            oauth_client_secret=server.client_secret,
        )
        result = run_tap(tmp_path, config)

    assert "HTTP 400: no client <***>" in result.error
    assert server.client_secret not in result.stderr
