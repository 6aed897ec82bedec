"""Which proxy the environment names, and that its password is known as a secret."""

import pytest
from tap_epicor_kinetic.kinetic.proxies import proxy_for, proxy_secrets


@pytest.fixture
def proxies(monkeypatch):
    def named(**variables):
        for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            monkeypatch.delenv(name.upper(), raising=False)
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return named


@pytest.mark.parametrize(
    ("variables", "url", "proxy"),
    [
        ({}, "https://erp.example.com/K", None),
        ({"https_proxy": "http://p:1"}, "https://erp.example.com/K", "http://p:1"),
        ({"https_proxy": "p:1"}, "https://erp.example.com/K", "http://p:1"),
        ({"http_proxy": "http://p:1"}, "https://erp.example.com/K", None),
        ({"all_proxy": "http://p:1"}, "https://erp.example.com/K", "http://p:1"),
        ({"https_proxy": "http://p:1", "no_proxy": ".example.com"}, "https://e.example.com", None),
        ({"https_proxy": "http://p:1", "no_proxy": "e:444"}, "https://e:444/K", None),
        ({"https_proxy": "http://p:1", "no_proxy": "e:444"}, "https://e/K", "http://p:1"),
        ({"https_proxy": "http://p:1", "no_proxy": "*"}, "https://e/K", None),
    ],
)
def test_the_environment_names_the_proxy_of_each_address(proxies, variables, url, proxy):
    proxies(**variables)

    found = proxy_for(url)

    assert (found.url if found else None) == proxy


def test_a_proxys_login_is_decoded_and_known_as_a_secret(proxies):
    proxies(https_proxy="http://clerk:p%40ss@p:1")

    found = proxy_for("https://erp.example.com")

    assert found.url == "http://p:1"
    assert found.headers == {"Proxy-Authorization": "Basic Y2xlcms6cEBzcw=="}
    assert proxy_secrets() == {"p%40ss", "p@ss"}
