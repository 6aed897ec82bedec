"""A service account's key is read whatever a secret store did to its line breaks."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kinetic_target_bigquery.errors import GuardError
from kinetic_target_bigquery.key_file import read_key

BODIES = st.binary(min_size=40, max_size=400).map(lambda raw: base64.b64encode(raw).decode())
BREAKS = st.sampled_from(["\\n", "\\\\n", "\r\n", "\\r\\n", " ", "", "\n\n"])


def pem(body: str, line_break: str = "\n") -> str:
    lines = [body[n : n + 64] for n in range(0, len(body), 64)]
    parts = ["-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----"]
    return line_break.join(parts) + line_break


def key_file(private_key: str, **changed) -> dict:
    return {
        "type": "service_account", "project_id": "p", "private_key": private_key,
        "client_email": "loader@p.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token", **changed,
    }  # fmt: skip


@given(BODIES, BREAKS)
def test_line_breaks_of_any_kind_are_put_where_they_belong(body, line_break):
    mangled = json.dumps(key_file(pem(body, line_break)))

    assert read_key(mangled, "credentials_json") == key_file(pem(body))


@given(BODIES)
def test_line_breaks_that_a_store_made_real_are_no_harm(body):
    text = json.dumps(key_file(pem(body))).replace("\\n", "\n")

    assert read_key(text, "credentials_json")["private_key"] == pem(body)


@given(BODIES)
def test_json_within_json_is_read(body):
    text = json.dumps(json.dumps(key_file(pem(body))))

    assert read_key(text, "credentials_json") == key_file(pem(body))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not JSON"),
        ("/secrets/key.json", "is not JSON"),
        ("[]", "type"),
        (json.dumps({"type": "authorized_user"}), "service_account"),
        (json.dumps(key_file("")), "no private_key"),
        (
            json.dumps(key_file("x", client_email=None, token_uri="")),
            "client_email and no token_uri",
        ),
        (json.dumps(key_file(pem("QUJD")[:-10])), "no whole PEM"),
        (json.dumps(key_file(pem("QUJ*"))), "no whole PEM"),
    ],
)
def test_what_is_no_key_is_told_in_one_sentence_without_the_secret(text, said):
    with pytest.raises(GuardError, match="`credentials_json`") as caught:
        read_key(text, "credentials_json")

    assert said in str(caught.value)
    assert "QUJ" not in str(caught.value)
