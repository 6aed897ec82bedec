"""Who is let in, and what the others are told."""

import base64
import http.client
import time
from decimal import Decimal
from urllib.parse import urlsplit

import pytest
from kinetic_sandbox.identity import Habits, IdentityProvider
from kinetic_sandbox.kinetic.http.answers import Answer, html_answer

SERVICES = "/Kinetic/api/v2/odata"
ORDERS = f"{SERVICES}/EPIC06/Erp.BO.POSvc/POes"
UNAUTHORIZED = "System.UnauthorizedAccessException"


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def refused(answer) -> str:
    assert answer.status == 401
    assert answer.json["ErrorType"] == UNAUTHORIZED
    return answer.error


@pytest.mark.parametrize("authorization", [basic("manager", "wrong"), "Basic !!!", "Bearer x", ""])
@pytest.mark.parametrize("path", [ORDERS, f"{SERVICES}/EPIC06/Erp.BO.POSvc/$metadata"])
def test_a_wrong_login_is_a_401(client, path, authorization):
    answer = client.send("GET", path, Authorization=authorization)

    assert refused(answer) == "Invalid username or password."


def test_a_wrong_key_is_a_401_that_echoes_it(client):
    answer = client.send("GET", ORDERS, x_api_key="stolen")

    assert refused(answer) == "Invalid API Key stolen.\r\nCompany EPIC06."


def test_an_unknown_company_is_told_as_a_bad_key_of_that_company(client, shared_server):
    answer = client.get(f"{SERVICES}/NOPE/Erp.BO.POSvc/POes")

    assert refused(answer) == f"Invalid API Key {shared_server.api_key}.\r\nCompany NOPE."


def test_the_key_may_stand_in_the_query(client, shared_server):
    del client.headers["x-api-key"]

    assert client.send("GET", ORDERS).status == 401
    assert client.send("GET", f"{ORDERS}?api-key={shared_server.api_key}").status == 200


@pytest.mark.parametrize("variant", ["basic", "headers"])
def test_user_and_password_buy_a_token(client, shared_server, variant):
    user, password = shared_server.username, shared_server.password
    login = {"Authorization": basic(user, password)}
    if variant == "headers":
        login = {"Authorization": "", "username": user, "password": password}
    answer = client.send("POST", "/Kinetic/TokenResource.svc/", **login)

    assert answer.json["TokenType"] == "Bearer"
    assert answer.json["ExpiresIn"] == 3600
    token = answer.json["AccessToken"]
    assert client.send("GET", ORDERS, Authorization=f"Bearer {token}").status == 200


def test_the_token_comes_as_xml_unless_json_is_asked_for(client):
    answer = client.send("POST", "/Kinetic/TokenResource.svc/", Accept="*/*")

    assert answer.body.startswith(b"<Token><AccessToken>")


@pytest.mark.parametrize("variant", ["body", "basic"])
def test_a_client_secret_buys_a_token(client, shared_server, variant):
    who, secret = shared_server.client_id, shared_server.client_secret
    body, login = "grant_type=client_credentials", basic(who, secret)
    if variant == "body":
        body, login = f"{body}&client_id={who}&client_secret={secret}", ""
    answer = client.send("POST", "/oauth2/token", body, Authorization=login)

    token = answer.json["access_token"]
    assert client.send("GET", ORDERS, Authorization=f"Bearer {token}").status == 200


def test_the_token_may_come_as_xml_in_a_namespace_whatever_was_asked_for(server, own):
    server.login.habits.always_xml = True
    server.login.habits.namespace = "urn:token"
    server.login.habits.life_field = "expires_in"

    body = own.send("POST", "/Kinetic/TokenResource.svc/").body

    assert body.startswith(b'<Token xmlns="urn:token"><AccessToken>')
    assert b"<expires_in>3600</expires_in>" in body


def test_both_token_endpoints_can_answer_something_else(server, own):
    server.login.habits.instead = html_answer(200, "Sign in.")
    for path in ("/Kinetic/TokenResource.svc/", "/oauth2/token"):
        assert b"Sign in." in own.send("POST", path).body
    server.login.habits.instead = Answer(200)
    assert own.send("POST", "/oauth2/token").body == b""


@pytest.fixture
def provider():
    with IdentityProvider() as running:
        yield running


@pytest.fixture
def at_provider(connect, provider, server):
    """Asks the provider for a token with the client's secret in the body or in the header."""
    client = connect(server)
    client._connection = http.client.HTTPConnection(urlsplit(provider.token_url).netloc)

    def asked(place, scope=""):
        who, secret = server.client_id, server.client_secret
        form = "grant_type=client_credentials" + (f"&scope={scope}" if scope else "")
        if place == "body":
            form += f"&client_id={who}&client_secret={secret}"
        login = basic(who, secret) if place == "header" else ""
        return client.send("POST", "/contoso/oauth2/v2.0/token", form, Authorization=login)

    return asked


@pytest.mark.parametrize("taken_from", ["body", "header"])
def test_a_provider_takes_the_secret_where_it_is_told_to(provider, at_provider, taken_from):
    provider.habits = Habits(credentials_in=taken_from, refusal_status=400)
    other = {"body": "header", "header": "body"}[taken_from]

    assert at_provider(taken_from).status == 200
    assert at_provider(other).json == {"error": "invalid_client"}
    assert at_provider(other).status == 400
    assert [r.status for r in provider.requests] == [200, 400, 400]


def test_a_provider_may_insist_on_a_scope(provider, at_provider):
    provider.habits.scope = "all"

    assert at_provider("body").json == {"error": "invalid_scope"}
    assert at_provider("body", "all").status == 200


def test_a_tenant_lets_tokens_of_a_trusted_provider_in_until_they_are_revoked(
    server, own, provider, at_provider
):
    bearer = "Bearer " + at_provider("body").json["access_token"]

    assert own.send("GET", ORDERS, Authorization=bearer).status == 401
    server.login.trusted.append(provider.holds)
    assert own.send("GET", ORDERS, Authorization=bearer).status == 200
    provider.revoke()
    assert own.send("GET", ORDERS, Authorization=bearer).status == 401


def test_a_wrong_secret_or_grant_buys_nothing(client):
    body = "grant_type=client_credentials&client_id=kinetic-elt&client_secret=wrong"

    assert client.send("POST", "/oauth2/token", body, Authorization="").status == 401
    assert client.send("POST", "/oauth2/token", "grant_type=password").status == 400


def test_tokens_live_as_long_as_the_vice_says(server, own):
    server.vices.set("token_ttl", 0.2)
    answer = own.send("POST", "/Kinetic/TokenResource.svc/").json
    bearer = f"Bearer {answer['AccessToken']}"

    assert answer["ExpiresIn"] == Decimal("0.2")
    assert own.send("GET", ORDERS, Authorization=bearer).status == 200
    time.sleep(0.25)
    assert own.send("GET", ORDERS, Authorization=bearer).status == 401


def test_expired_tokens_stay_expired_and_new_ones_work(server, own):
    def token() -> str:
        return "Bearer " + own.send("POST", "/Kinetic/TokenResource.svc/").json["AccessToken"]

    old = token()
    server.vices.set("expire_tokens", True)
    new = token()

    assert own.send("GET", ORDERS, Authorization=old).status == 401
    assert own.send("GET", ORDERS, Authorization=new).status == 200


def test_refuse_login_refuses_passwords_and_secrets(server, own):
    server.vices.set("refuse_login", True)

    assert refused(own.get(ORDERS)) == "Invalid username or password."
    assert own.send("POST", "/Kinetic/TokenResource.svc/").status == 401
    server.vices.clear()
    assert own.get(ORDERS).status == 200


def test_refuse_key_refuses_the_right_key(server, own):
    server.vices.set("refuse_key", True)

    assert refused(own.get(ORDERS)).startswith(f"Invalid API Key {server.api_key}.")
