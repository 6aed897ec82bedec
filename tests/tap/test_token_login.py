"""What a token endpoint's answer is worth, and for how long."""

import pytest
from tap_epicor_kinetic.errors import HostUnreachable, LoginLost, LoginRefused, ServerFault
from tap_epicor_kinetic.kinetic.login import TokenLogin
from tap_epicor_kinetic.kinetic.redaction import Redactor
from tap_epicor_kinetic.kinetic.transport import Answer


class Endpoint:
    """Answers with these in turn, the last one for ever; counts."""

    def __init__(self, *answers):
        self.answers = [a if isinstance(a, Exception) else Answer(a[0], {}, a[1]) for a in answers]
        self.asked = 0

    def __call__(self):
        self.asked += 1
        answer = self.answers[min(self.asked, len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer


def login(endpoint, redactor=None):
    return TokenLogin(endpoint, redactor or Redactor(), "The endpoint", "Check `it`.")


def json(token, life=3600):
    return (200, f'{{"access_token":"{token}","expires_in":{life}}}'.encode())


@pytest.mark.parametrize(
    "body",
    [
        b'{"AccessToken":"token-1","ExpiresIn":3600,"TokenType":"Bearer"}',
        b'{"access_token":"token-1","expires_in":"3600"}',
        b'{"AccessToken":"token-1","ExpiresIn":null}',
        b"<Token><AccessToken>token-1</AccessToken><ExpiresIn>3600</ExpiresIn></Token>",
        b'<Token xmlns="urn:x"><AccessToken>\n token-1 </AccessToken></Token>',
        b"<t:Token xmlns:t='urn:x'><t:access_token>token-1</t:access_token></t:Token>",
        b"<Token><AccessToken>token-1</AccessToken><ExpiresIn>an hour</ExpiresIn></Token>",
    ],
)
def test_the_token_is_found_kept_and_masked(body):
    redact = Redactor()
    endpoint = Endpoint((200, body))
    way_in = login(endpoint, redact)

    assert way_in.headers() == way_in.headers() == {"Authorization": "Bearer token-1"}
    assert endpoint.asked == 1
    assert redact("echo of token-1") == "echo of ***"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{}", b"[]", b"<html>Sign in</html>", b"<Token/>", b"<Token", b"\xff",
        b'{"access_token":""}',
        b'<!DOCTYPE x [<!ENTITY a "token-1">]><Token><AccessToken>&a;</AccessToken></Token>',
    ],
)  # fmt: skip
def test_an_answer_without_a_token_is_a_refusal(body):
    with pytest.raises(LoginRefused, match=r"without an access token. Check `it`."):
        login(Endpoint((200, body))).headers()


@pytest.mark.parametrize("life", [0.02, 0.0, -5, 100])
def test_a_token_without_much_life_is_still_used(life):
    endpoint = Endpoint(json("token-1", life))

    assert login(endpoint).headers() == {"Authorization": "Bearer token-1"}


def test_requests_that_are_refused_together_renew_once():
    endpoint = Endpoint(json("token-1"), json("token-2"), json("token-3"))
    way_in = login(endpoint)
    old = way_in.headers()

    assert way_in.renew(old)
    new = way_in.headers()
    assert way_in.renew(old)

    assert way_in.headers() == new == {"Authorization": "Bearer token-2"}


def test_a_refusal_is_a_matter_of_settings_at_the_start_and_a_loss_later():
    refusal = (401, b'{"error":"invalid_client"}')

    with pytest.raises(LoginRefused, match=r"HTTP 401: invalid_client. Check `it`."):
        login(Endpoint(refusal)).headers()
    later = login(Endpoint(json("token-1"), refusal))
    later.renew(later.headers())
    with pytest.raises(LoginLost):
        later.headers()


def test_an_endpoint_that_is_down_is_no_matter_of_settings():
    with pytest.raises(ServerFault, match="The endpoint answered HTTP 503"):
        login(Endpoint((503, b""))).headers()
    with pytest.raises(HostUnreachable, match="The endpoint: no route"):
        login(Endpoint(HostUnreachable("no route"))).headers()
