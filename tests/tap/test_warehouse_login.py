"""The login of `verify`: user, password and key arrive at the driver as they were given."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_epicor_kinetic.errors import SettingsError
from tap_epicor_kinetic.warehouse_login import address

URL = "snowflake://org-account/DB?warehouse=WH&role=LOADER"
secrets = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)


@given(secrets, secrets, secrets)
def test_a_login_beside_the_url_may_hold_any_characters(user, password, passphrase):
    variables = {
        "VERIFY_USER": user,
        "VERIFY_PASSWORD": password,
        "VERIFY_KEY_FILE": "/keys/a&b.p8",
        "VERIFY_KEY_PASSPHRASE": passphrase,
    }

    url = address(URL, variables)

    assert (url.username, url.password, url.host, url.database) == (
        user, password, "org-account", "DB",
    )  # fmt: skip
    assert dict(url.query) == {
        "warehouse": "WH", "role": "LOADER",
        "private_key_file": "/keys/a&b.p8", "private_key_file_pwd": passphrase,
    }  # fmt: skip


def test_a_url_with_its_own_login_is_taken_as_it_is():
    url = address("postgresql://me:p%40ss@host/db", {"VERIFY_USER": "", "PATH": "/bin"})

    assert url.render_as_string(hide_password=False) == "postgresql://me:p%40ss@host/db"


def test_a_password_with_an_at_sign_is_refused_before_its_end_becomes_a_host():
    with pytest.raises(SettingsError, match="more than one @") as refused:
        address("snowflake://me:S3cret@Tail9@org-account/DB", {})

    assert "Tail9" not in str(refused.value)
