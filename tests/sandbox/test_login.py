"""Who is let in, and what the others are told."""

import base64
import time
from decimal import Decimal

import pytest

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
