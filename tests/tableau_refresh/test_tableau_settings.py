"""Settings are judged once, and each mistake is told with the setting's name."""

from __future__ import annotations

import pytest
from kinetic_sandbox.tableau import sample
from tableau_load import LEDGER, PAYABLES
from target_tableau_refresh.clock import CLOCK
from target_tableau_refresh.config import Config
from target_tableau_refresh.errors import ConfigError, safe
from target_tableau_refresh.marks import Marks
from target_tableau_refresh.rules import refreshes
from target_tableau_refresh.settings import SETTINGS

GOOD = {
    "server_url": "https://eu.tableau.example", "site": "finance",
    "token_name": "pipeline", "token_secret": "of a token", "rules": [PAYABLES],
}  # fmt: skip
APP = {"client_id": "c", "secret_id": "s", "secret_value": "secret value", "username": "u"}


def without(*names: str, **more) -> dict:
    return {name: value for name, value in GOOD.items() if name not in names} | more


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"rulez": []}, "`rulez` is no setting"),
        ({"server_url": "eu.tableau.example"}, "`server_url` has to begin with https://"),
        ({"server_url": "http://eu.tableau.example"}, "`server_url` has to begin with https://"),
        ({"server_url": "https://a:b@eu.tableau.example"}, "`server_url` holds a login"),
        ({"server_url": "https://eu.tableau.example/#/site/finance/home"},
         "give https://eu.tableau.example, and finance as `site`"),
        ({"api_version": "3.9"}, "`api_version` has to be 3.13 or later"),
        ({"ca_bundle": "/no/file.pem"}, "`ca_bundle`: there is no file /no/file.pem"),
        ({"poll_seconds": 0}, "`poll_seconds`"),
        ({"token_secret": None}, "`token_secret` is missing, which `token_name` needs"),
        ({"token_name": None}, "`token_name` is missing, which `token_secret` needs"),
        ({"token_secret": 7}, "`token_secret` is no text"),
        ({"client_id": "x"}, "`token_name` and `client_id` are two logins"),
        ({"rules": [{**PAYABLES, "stream": "x"}]}, "`rules`, rule payables"),
        ({"rules": [{"streams": ["*"]}]}, "`rules`, rule 1: 'name' is a required property"),
        ({"rules": [PAYABLES, PAYABLES]}, "two are called payables"),
        ({"rules": [{**PAYABLES, "streams": []}]}, "`streams` is missing"),
        ({"rules": [{**PAYABLES, "target": None}]}, "give either `target`, a name, or `id`"),
        ({"rules": [{**PAYABLES, "id": "x"}]}, "give either `target`, a name, or `id`"),
        ({"rules": [{**PAYABLES, "project": None}]}, "`project` is missing"),
        ({"rules": [{**PAYABLES, "kind": "task"}]}, "a task needs its `id`"),
        ({"rules": [{**PAYABLES, "site": "x"}]}, "`site` names x, which is not in `sites`"),
        ({"rules": [{**PAYABLES, "after": ["x"]}]}, "`after` names x, which is no rule"),
        ({"sites": {"b": {"site": "b", "token_name": "n", "token_secret_env": "NOPE_X"}}},
         "the variable NOPE_X that `token_secret_env` names is not set"),
        ({"sites": {"b": {"site": "b"}}}, "one personal access token"),
        ({"sites": {"b": {"site": "b", "token_secret": "x"}}}, "`sites`, b"),
    ],
)  # fmt: skip
def test_a_mistake_names_its_setting(given, words):
    with pytest.raises(ConfigError) as told:
        Config.of({**GOOD, **given}, {})

    assert words in str(told.value)
    assert "of a token" not in str(told.value)


@pytest.mark.parametrize("missing", APP)
def test_a_connected_app_needs_each_of_its_parts(missing):
    part = {name: value for name, value in APP.items() if name != missing}
    with pytest.raises(ConfigError, match=f"`{missing}` is missing" if missing != "client_id"
                       else "`client_id` is missing"):  # fmt: skip
        Config.of(without("token_name", "token_secret", **part), {})


def test_without_a_login_or_a_server_nothing_is_asked():
    with pytest.raises(ConfigError, match="there is no login"):
        Config.of(without("token_name", "token_secret"), {}).need_server()
    with pytest.raises(ConfigError, match="`server_url` is missing"):
        Config.of(without("server_url"), {}).need_server()


def test_sites_take_their_secrets_from_variables_and_share_an_app():
    sites = {"plant": {"site": "plant", "token_name": "n", "token_secret_env": "T"},
             "shared": {"site": "shared"}}  # fmt: skip
    config = Config.of(without("token_name", "token_secret", **APP, sites=sites), {"T": "of plant"})

    assert config.sites["plant"].login.secret == "of plant"
    assert config.sites["shared"].login == config.sites[""].login
    assert set(config.secrets) == {"of plant", "secret value"}
    assert "of plant" not in repr(config)
    assert "secret value" not in repr(config)


def test_variables_win_over_the_file(tmp_path):
    file = tmp_path / "settings.json"
    file.write_text('{"server_url": "https://a.example", "poll_seconds": 3}')
    config = Config.read(file, {
        "TARGET_TABLEAU_REFRESH_POLL_SECONDS": "7",
        "TARGET_TABLEAU_REFRESH_CANCEL_ON_STOP": "True",
        "TARGET_TABLEAU_REFRESH_RULES": '[{"name": "a", "always": true, "id": "x"}]',
    })  # fmt: skip

    assert (config.server_url, config.poll_seconds) == ("https://a.example", 7)
    assert config.cancel_on_stop
    assert [rule.name for rule in config.rules] == ["a"]


def test_a_circle_of_rules_is_told():
    config = Config.of({**GOOD, "rules": [
        {**PAYABLES, "after": ["ledger"]}, {**LEDGER, "after": ["payables"]},
    ]}, {})  # fmt: skip
    with pytest.raises(ConfigError, match=r"`after` runs in a circle: .*payables after ledger"):
        refreshes(config.rules, Marks(), CLOCK.wall())


@pytest.mark.parametrize("name", SETTINGS["properties"])
def test_a_setting_has_a_title_and_a_description(name):
    schema = SETTINGS["properties"][name]

    assert schema["title"]
    assert schema["description"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Uid=a;Pwd=b c;Server=d", "Uid=a;Pwd=*** c;Server=d"),
        ('password: "b c" and', "password: *** and"),
        ("postgres://user:b@host/x", "postgres://user:***@host/x"),
        ("access_token=b, else", "access_token=***, else"),
        (f"bad {sample.TOKEN_SECRET}\nhere", "bad *** here"),
        ("x" * 400, "x" * 300 + "..."),
    ],
)
def test_a_servers_words_lose_their_secrets(text, expected):
    assert safe(text, [sample.TOKEN_SECRET]) == expected
