"""No secret leaves the tap: not in a log, an error, a URL, a row or STATE."""

from base64 import b64encode

import pytest
from harness import run_tap, settings
from kinetic_sandbox.kinetic import KineticServer, Tenant


@pytest.mark.parametrize("vice", [None, "refuse_login", "refuse_key", "licence_exhausted"])
@pytest.mark.parametrize("auth_method", ["basic", "token_resource"])
def test_nothing_that_the_tap_says_holds_a_secret(vice, auth_method, tmp_path):
    with KineticServer(Tenant(profile="real", seed=7, scale=0.1)) as server:
        if vice:
            server.vices.set(vice, 10_000 if vice == "licence_exhausted" else True)
        log = tmp_path / "runs.jsonl"
        config = settings(
            server, auth_method=auth_method, run_log_path=str(log), retry_deadline_seconds=2
        )
        result = run_tap(tmp_path, config)

        said = result.stderr + repr(result.messages) + (log.read_text() if log.exists() else "")
        login = b64encode(f"{server.username}:{server.password}".encode()).decode()
        for secret in (server.password, server.api_key, login):
            assert secret not in said
        for request in server.requests:
            assert server.api_key not in request.path + request.raw_query
            assert server.password not in request.path + request.raw_query
        assert (result.code == 0) == (vice is None)


def test_the_key_that_the_server_echoes_is_masked_in_the_message(tmp_path):
    with KineticServer(Tenant(profile="real", seed=7, scale=0.1)) as server:
        result = run_tap(tmp_path, settings(server, api_key="wrong-key-4711-aaaa"))

        assert "Invalid API Key ***" in result.error
        assert "4711" not in result.stderr
