"""What loaders share of settings: variables win, and each mistake is told with its setting."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as some
from kinetic_batches import declare
from kinetic_batches.settings import ConfigError, Settings, address, existing_file, of_file

RULE = declare.record(("name",), name={"type": "string"}, streams=declare.TEXTS)
DECLARED = {
    "host": declare.text("Host", "Where", default="here"),
    "password": declare.secret("Password", "Of the user"),
    "rows": declare.whole("Rows", "At once", 5),
    "how": declare.choice("How", "It is done", "well", "badly"),
    "is_dry": declare.switch("Dry", "Nothing is done"),
    "rules": declare.several("Rules", "What is done", RULE),
    "sites": declare.by_name("Sites", "Where it is done", declare.TEXTS),
}
PLUGIN = Settings("target-of-ours", {"type": "object", "properties": DECLARED})
NAMES = "host, password, rows, how, is_dry, rules, sites"
DEFAULTS = {"host": "here", "password": None, "rows": 5, "how": "well", "is_dry": False,
            "rules": [], "sites": None}  # fmt: skip


def test_what_is_not_given_or_is_empty_has_its_default():
    assert PLUGIN.judged({}) == DEFAULTS
    assert PLUGIN.judged({"host": "", "rows": None, "is_dry": False}) == DEFAULTS


def test_what_is_given_is_taken_whatever_its_truth():
    given_values = {"host": "there", "password": "p", "rows": 1, "how": "badly", "is_dry": True,
                    "rules": [{"name": "a"}], "sites": {}}  # fmt: skip

    assert PLUGIN.judged(given_values) == given_values


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"hots": "x"},
         f"`hots` is no setting of target-of-ours; remove it, or correct it to one of {NAMES}"),
        ({"host": 7}, "`host`: 7 is not of type 'string', 'null'"),
        ({"rows": 0}, "`rows`: 0 is less than the minimum of 1"),
        ({"how": "oddly"}, "`how`: 'oddly' is not one of ['well', 'badly']"),
        ({"is_dry": "yes"}, "`is_dry`: 'yes' is not of type 'boolean', 'null'"),
        ({"rules": [{"name": "a"}, {"streams": []}]},
         "`rules`, rule 2: 'name' is a required property"),
        ({"rules": [{"name": "a", "streams": "x"}]}, "`rules`, rule a: 'x' is not of type 'array'"),
        ({"rules": ["a"]}, "`rules`, rule 1: 'a' is not of type 'object'"),
        ({"sites": {"one": "x"}}, "`sites`, one: 'x' is not of type 'array'"),
        ({"password": 4711}, "`password` is no text"),
        ({"password": ["s3cr3t"]}, "`password` is no text"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_setting_and_no_secret(wrong, words):
    with pytest.raises(ConfigError) as told:
        PLUGIN.judged(wrong)

    assert str(told.value) == words


def test_variables_are_read_by_the_kind_of_their_setting():
    assert PLUGIN.of_environment({
        "TARGET_OF_OURS_HOST": "7", "TARGET_OF_OURS_ROWS": "7", "TARGET_OF_OURS_IS_DRY": "True",
        "TARGET_OF_OURS_RULES": '[{"name": "a"}]', "TARGET_OF_OURS_SITES": '{"one": []}',
        "TARGET_OF_OURS_HOW": "", "TARGET_OF_OURS_NOT_OURS": "x", "ROWS": "9",
    }) == {
        "host": "7", "rows": 7, "is_dry": True, "rules": [{"name": "a"}], "sites": {"one": []},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("variable", "kind"), [("ROWS", "integer"), ("IS_DRY", "boolean"), ("RULES", "array")]
)
def test_a_variable_that_cannot_be_read_is_named_without_its_value(variable, kind):
    with pytest.raises(ConfigError) as told:
        PLUGIN.of_environment({f"TARGET_OF_OURS_{variable}": "s3cr3t"})

    assert str(told.value) == f"TARGET_OF_OURS_{variable} is no {kind} in JSON"


@given(some.text(min_size=1))
def test_a_text_of_a_variable_is_taken_as_it_is(value):
    assert PLUGIN.of_environment({"TARGET_OF_OURS_PASSWORD": value}) == {"password": value}


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "cannot be read: No such file"), ("{", "is no JSON: "), ("[]", "holds no JSON object")],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, content, words):
    file = tmp_path / "settings.json"
    if content is not None:
        file.write_text(content)

    with pytest.raises(ConfigError, match=f"^{re.escape(str(file))} {words}"):
        of_file(file)


def test_a_file_is_read(tmp_path):
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"rows": 3}))

    assert of_file(file) == {"rows": 3}


def test_a_file_that_a_setting_names_has_to_be_there(tmp_path):
    assert existing_file({"ca": None}, "ca") == ""
    assert existing_file({"ca": __file__}, "ca") == __file__
    with pytest.raises(ConfigError, match=f"`ca`: there is no file {tmp_path}"):
        existing_file({"ca": str(tmp_path)}, "ca")


@pytest.mark.parametrize(
    "url", ["https://h.example", "https://h.example:8443/x/", "http://127.0.0.1:1", "http://[::1]/"]
)
def test_an_address_may_be_https_or_on_this_machine(url):
    found = address({"url": f" {url} "}, "url")

    assert found is not None
    assert found.geturl() == url


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://h.example", "`url` has to begin with https:// and a host"),
        ("h.example", "`url` has to begin with https:// and a host"),
        ("ftp://localhost", "`url` has to begin with https:// and a host"),
        ("https://", "`url` has to begin with https:// and a host"),
        ("http://127.0.0.1.example", "`url` has to begin with https:// and a host"),
        ("https://u:s3cr3t@h.example", "`url` holds a login; give it with the settings of its own"),
        ("https://[::1", "`url` is no address: Invalid IPv6 URL"),
    ],
)
def test_an_address_that_would_show_what_is_sent_is_refused(url, words):
    with pytest.raises(ConfigError) as told:
        address({"url": url}, "url")

    assert str(told.value) == words


def test_no_address_is_none():
    assert address({"url": None}, "url") is None
    assert address({"url": " "}, "url") is None
