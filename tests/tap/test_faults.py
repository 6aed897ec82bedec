"""What an unhappy server means, and what must not be said aloud about it."""

import pytest
from tap_epicor_kinetic.errors import (
    AccessDenied,
    HostUnreachable,
    LoginRefused,
    NotFound,
    QueryRefused,
    ServerFault,
)
from tap_epicor_kinetic.kinetic.faults import (
    Action,
    judge,
    judge_refused_connection,
    server_words,
)
from tap_epicor_kinetic.kinetic.redaction import Redactor


@pytest.mark.parametrize(
    ("status", "text", "action", "error"),
    [
        (401, "Invalid username or password.", Action.LOGIN, LoginRefused),
        (401, "Invalid API Key abc.\\r\\nCompany EPIC06.", Action.STOP, LoginRefused),
        (401, "Access denied (Erp.BO.Company.GetRows).", Action.STOP, AccessDenied),
        (403, "outside the access scope", Action.STOP, AccessDenied),
        (401, "", Action.LOGIN, LoginRefused),
        (401, "The API key is missing.", Action.STOP, LoginRefused),
        (401, '{"ErrorMessage":"x-api-key is required"}', Action.STOP, LoginRefused),
        (403, "API key has expired", Action.STOP, LoginRefused),
        (401, "User account manager is disabled.", Action.STOP, LoginRefused),
        (401, "The account is locked out.", Action.STOP, LoginRefused),
        (401, "Your password has expired.", Action.STOP, LoginRefused),
        (401, "The token has expired.", Action.LOGIN, LoginRefused),
        (401, "Company EPIC99 is not valid for this user.", Action.STOP, LoginRefused),
        (400, "Invalid company EPIC99", Action.STOP, LoginRefused),
        (403, "<html><title>403 - Forbidden</title></html>", Action.STOP, ServerFault),
        (401, "<html>401 - Unauthorized: Access is denied</html>", Action.LOGIN, LoginRefused),
        (407, "", Action.STOP, HostUnreachable),
        (404, "<html>The query string is too long.</html>", Action.STOP, QueryRefused),
        (414, "", Action.STOP, QueryRefused),
        (404, "Ice.Common.RecordNotFoundException", Action.STOP, NotFound),
        (404, "", Action.STOP, NotFound),
        (
            400,
            "Could not find a property named 'UpdatedOn' on type 'Erp.PO'",
            Action.STOP,
            QueryRefused,
        ),
        (
            400,
            "Could not find a property named 'Company9' on type 'Erp.PO'",
            Action.STOP,
            QueryRefused,
        ),
        (400, "A binary operator with incompatible types", Action.STOP, QueryRefused),
        (400, "We apologize, but an unexpected internal", Action.SHRINK, ServerFault),
        (400, "Ice.Common.BusinessObjectException", Action.STOP, ServerFault),
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
    ("status", "text", "settings"),
    [
        (500, "", ["stream_options.<stream>.read_method: GetRows", "`entity_set`", "BAQ"]),
        (400, "Could not find a property", ["stream_options.<stream>.replication_key", "`filter`"]),
        (400, "Maximum users exceeded", ["`claimed_license`", "`retry_deadline_seconds`"]),
        (401, "Invalid API Key x", ["`api_key`", "`companies`"]),
        (401, "User is disabled", ["`username`"]),
        (407, "", ["http_proxy", "https_proxy", "no_proxy"]),
    ],
)
def test_the_advice_names_what_can_be_set(status, text, settings):
    advice = judge(status, text).advice

    for setting in settings:
        assert setting in advice


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("certificate verify failed: unable to get local issuer certificate", "`ca_bundle`"),
        ("certificate verify failed: self-signed certificate", "`ca_bundle`"),
        ("certificate has expired", "renew"),
        ("Hostname mismatch, certificate is not valid for 'erp'.", "`api_url`"),
        ("IP address mismatch, certificate is not valid for '10.0.0.1'.", "`api_url`"),
        ("Tunnel connection failed: 407 Proxy Authentication Required", "https_proxy"),
    ],
)
def test_a_refused_connection_has_its_own_remedy(words, advice):
    fault = judge_refused_connection(words)

    assert fault.action is Action.STOP
    assert advice in fault.advice


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"ErrorMessage":"No.\\r\\n Company X.","ErrorType":"T"}', "No. Company X."),
        (b'{"error":{"code":"","message":"Syntax error"}}', "Syntax error"),
        (b"<html><h1>502</h1> Bad   Gateway</html>", "502 Bad Gateway"),
        (b'{"error":"invalid_client","error_description":"No."}', "invalid_client: No."),
        (b'{"error":{"code":"","message":{"lang":"en-US","value":"Odd"}}}', "Odd"),
        (b'{"Message":"Not so."}', "Not so."),
        (b'{"HttpStatus":500}', ""),
        (
            b"<Response><ErrorMessage>A &lt; B</ErrorMessage><ErrorType>T</ErrorType></Response>",
            "A < B",
        ),
        (b'<a:E xmlns:a="urn:x"><a:ErrorMessage>No.</a:ErrorMessage></a:E>', "No."),
        (b"<html><head><style>h1{x:y}</style></head><h2>404 &amp; gone</h2></html>", "404 & gone"),
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
        "http://user:pa55@wo:rd@proxy:3128 refused",
        "http://:pa55@proxy:3128 refused",
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


@pytest.mark.parametrize(
    "spelling", ['a/b"c<d>&e', 'a/b\\"c<d>&e', "a/b&quot;c&lt;d&gt;&amp;e", "a%2fb%22c%3cd%3e%26e"]
)
def test_a_secret_is_found_as_json_xml_and_addresses_spell_it(spelling):
    assert Redactor('a/b"c<d>&e')(f"said {spelling} aloud") == "said *** aloud"
