"""What an unhappy server means, and what must not be said aloud about it."""

import pytest
from tap_epicor_kinetic.errors import (
    AccessDenied,
    LoginRefused,
    NotFound,
    QueryRefused,
    ServerFault,
)
from tap_epicor_kinetic.kinetic.faults import Action, judge, server_words
from tap_epicor_kinetic.kinetic.redaction import Redactor


@pytest.mark.parametrize(
    ("status", "text", "action", "error"),
    [
        (401, "Invalid username or password.", Action.LOGIN, LoginRefused),
        (401, "Invalid API Key abc.\\r\\nCompany EPIC06.", Action.STOP, LoginRefused),
        (401, "Access denied (Erp.BO.Company.GetRows).", Action.STOP, AccessDenied),
        (403, "outside the access scope", Action.STOP, AccessDenied),
        (401, "", Action.LOGIN, LoginRefused),
        (404, "", Action.STOP, NotFound),
        (
            400,
            "Could not find a property named 'UpdatedOn' on type 'Erp.PO'",
            Action.STOP,
            QueryRefused,
        ),
        (400, "Maximum users exceeded on license type.", Action.WAIT, ServerFault),
        (400, "Ice.LicenseAccessException", Action.WAIT, ServerFault),
        (410, "InvalidSessionException", Action.LOGIN, ServerFault),
        (429, "", Action.WAIT, ServerFault),
        (
            500,
            "We apologize, but an unexpected internal problem occurred.",
            Action.SHRINK,
            ServerFault,
        ),
        (502, "<html>Bad Gateway</html>", Action.WAIT, ServerFault),
        (503, "ConversionsPendingException", Action.WAIT, ServerFault),
        (504, "", Action.SHRINK, ServerFault),
        (302, "", Action.STOP, ServerFault),
    ],
)
def test_each_answer_has_one_meaning(status, text, action, error):
    fault = judge(status, text)

    assert (fault.action, fault.error) == (action, error)
    assert fault.advice.endswith(".")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"ErrorMessage":"No.\\r\\n Company X.","ErrorType":"T"}', "No. Company X."),
        (b'{"error":{"code":"","message":"Syntax error"}}', "Syntax error"),
        (b"<html><h1>502</h1> Bad   Gateway</html>", "502 Bad Gateway"),
        (b"", ""),
        (b"[1]", "[1]"),
    ],
)
def test_the_servers_own_words_are_found_in_every_kind_of_body(body, words):
    assert server_words(body, Redactor()) == words


@pytest.mark.parametrize(
    "text",
    [
        "Invalid API Key s3cret-key-1.\r\nCompany X.",
        "Invalid API Key other.key.unknown.\r\nCompany X.",
        '{"ErrorMessage":"Invalid API Key s3cret-key-1.\\r\\nCompany X."}',
        "https://host/x?api-key=s3cret-key-1&$top=1",
        "https://host/x?api-key=another-secret&$top=1",
        "Authorization: Basic dXNlcjpwYXNzd29yZA==",
        "Authorization: Bearer eyJhbGciOi.J9.abc",
        "http://user:pa55word@proxy:3128 refused",
        "x-api-key: another-secret",
        "pa55%20word%21 and pa55 word!",
    ],
)
def test_no_spelling_of_a_secret_survives(text):
    cleaned = Redactor("s3cret-key-1", "pa55 word!")(text)

    for secret in ("s3cret", "pa55", "another-secret", "other.key", "dXNlcj", "eyJhbGci"):
        assert secret not in cleaned
    assert "***" in cleaned


def test_a_token_that_was_learned_later_is_masked():
    redact = Redactor()
    redact.learn("issued-token-9")

    assert redact("refused issued-token-9") == "refused ***"


def test_ordinary_words_are_left_alone():
    assert Redactor("key", None, "")("the key column Company") == "the key column Company"
