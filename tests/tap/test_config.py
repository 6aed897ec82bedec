"""Settings, judged at the edge."""

import pytest
from tap_epicor_kinetic.config import read_config
from tap_epicor_kinetic.errors import SettingsError
from tap_epicor_kinetic.settings import SETTINGS

DEFAULTS = {
    name: schema["default"]
    for name, schema in SETTINGS.to_dict()["properties"].items()
    if "default" in schema
}


def config(**overrides):
    given = {
        "api_url": "https://erp.example.com/Kinetic",
        "companies": ["EPIC06"],
        "username": "u",
        "password": "p",
        "api_key": "k",
    }
    return read_config({**DEFAULTS, **given, **overrides})


@pytest.mark.parametrize(
    ("pasted", "root"),
    [
        ("https://erp.example.com/Kinetic", "https://erp.example.com/Kinetic"),
        ("https://erp.example.com/Kinetic/", "https://erp.example.com/Kinetic"),
        (
            "https://erp.example.com:8443/a/b/api/v2/odata/EPIC06/",
            "https://erp.example.com:8443/a/b",
        ),
        (
            "https://erp.example.com/api/v2/odata/EPIC06/Erp.BO.POSvc/POes?$top=1",
            "https://erp.example.com",
        ),
        ("https://erp.example.com/K/api/help/v2/index.html", "https://erp.example.com/K"),
        ("  https://erp.example.com ", "https://erp.example.com"),
        ("http://127.0.0.1:8080/Kinetic", "http://127.0.0.1:8080/Kinetic"),
    ],
)
def test_the_root_is_cut_out_of_what_was_pasted(pasted, root):
    assert config(api_url=pasted).api_url == root


def test_a_company_in_a_pasted_address_must_be_among_companies():
    with pytest.raises(SettingsError, match=r"EPIC99.*`companies`"):
        config(api_url="https://erp.example.com/K/api/v2/odata/EPIC99/Erp.BO.POSvc")


def test_http_to_another_host_is_accepted_with_a_warning(caplog):
    config(api_url="http://erp.example.com/K")

    assert "unencrypted" in caplog.text


@pytest.mark.parametrize("url", ["http://localhost/K", "http://127.0.0.1/K", "http://[::1]/K"])
def test_http_on_loopback_needs_no_warning(url, caplog):
    config(api_url=url)

    assert caplog.text == ""


def test_a_login_in_the_address_is_refused_without_repeating_it():
    with pytest.raises(SettingsError) as refused:
        config(api_url="https://user:hunter22@erp.example.com/K")

    assert "hunter22" not in str(refused.value)


def test_unverified_tls_and_a_missing_key_are_warned_about(caplog):
    config(tls_verify=False, api_key=None)

    assert "`tls_verify: false`" in caplog.text
    assert "`api_key` is not set" in caplog.text


def test_secrets_do_not_show_in_the_config():
    shown = repr(config(password="hunter22", api_key="key-4711"))

    assert "hunter22" not in shown
    assert "key-4711" not in shown
