"""Settings are judged by name, and stand in the README and in meltano.yml as they are."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from databricks_workspace import WORKSPACE, config
from environments import ROOT
from kinetic_batches.settings import ConfigError
from kinetic_target_databricks.settings import SETTINGS


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"host": ""}, "`host` is missing"),
        ({"http_path": None}, "`http_path` is missing"),
        ({"catalog": ""}, "`catalog` is missing"),
        ({"token": ""}, "no login"),
        ({"token": "", "client_id": "c"}, "no login"),
        ({"client_id": "c", "client_secret": "s"}, "`token` and `client_id` are both set"),
        ({"schema": "a.b"}, "cannot be `schema`"),
        ({"volume": "a b"}, "cannot be `volume`"),
        (
            {
                "host": "example.com",
                "token": "",
                "client_id": "c",
                "client_secret": "s",
                "account_id": "a",
            },
            "`account_host` is missing",
        ),
        ({"validate_records": False}, "`validate_records` is no setting"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(settings, named):
    with pytest.raises(ConfigError, match=re.escape(named)):
        config(**settings)


@pytest.mark.parametrize(
    ("host", "account"),
    [
        ("https://dbc-1.cloud.databricks.com/?o=1", "accounts.cloud.databricks.com"),
        ("adb-1.2.azuredatabricks.net", "accounts.azuredatabricks.net"),
        ("1.2.gcp.databricks.com/", "accounts.gcp.databricks.com"),
    ],
)
def test_tokens_of_an_account_come_from_the_clouds_account_host(host, account):
    found = config(host=host, token="", client_id="c", client_secret="s", account_id="a")

    assert found.login.token_host == account
    assert "/" not in found.host


def test_secrets_do_not_show():
    found = config(token="", client_id="c", client_secret="very-secret")

    assert "very-secret" not in repr(found)


def test_streams_are_appended_by_glob_and_upserted_otherwise():
    found = config(append_streams=["gl_*", "part_transactions"])

    assert [found.appends(s) for s in ("gl_transactions", "part_transactions", "vendors")] == [
        True,
        True,
        False,
    ]


def test_the_readme_lists_every_setting_as_it_is():
    text = (ROOT / "loaders" / "target-databricks" / "README.md").read_text()
    table = text.partition("## Settings")[2]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.MULTILINE))

    assert rows == {name: row_of(schema) for name, schema in SETTINGS["properties"].items()}


def row_of(schema) -> str:
    kind = "secret" if schema.get("secret") else schema["type"][0]
    default = f"`{json.dumps(schema['default'])}`" if "default" in schema else ""
    return f"{kind} | {default} | {schema['description']}"


def test_meltano_knows_every_setting_and_which_are_secret():
    plugins = yaml.safe_load((ROOT / "meltano.yml").read_text())["plugins"]["loaders"]
    block = next(each for each in plugins if each["name"] == "target-databricks")
    known = {setting["name"]: setting for setting in block["settings"]}

    assert known.keys() == SETTINGS["properties"].keys()
    for name, schema in SETTINGS["properties"].items():
        assert known[name].get("sensitive", False) == schema.get("secret", False), name
        assert known[name].get("kind", "string") == schema["type"][0], name


def test_a_setting_of_a_wrong_type_is_exit_2_and_named(tmp_path):
    program = Path(sys.executable).with_name("kinetic-target-databricks")
    given = {"host": "h", "http_path": "p", "catalog": "c", "token": "t", "batch_size_rows": "many"}
    (tmp_path / "config.json").write_text(json.dumps(given))

    done = subprocess.run(
        [program, "--config", str(tmp_path / "config.json")],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 2
    assert "the settings are wrong: `batch_size_rows`: 'many' is not of type" in done.stderr


def test_a_state_that_nobody_takes_is_exit_1_and_does_not_say_that_rows_are_missing(tmp_path):
    program = Path(sys.executable).with_name("kinetic-target-databricks")
    (tmp_path / "config.json").write_text(json.dumps(WORKSPACE))

    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [program, "--config", str(tmp_path / "config.json")],
            input='{"type": "STATE", "value": {"seen": 1}}\n',
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip

    assert done.returncode == 1
    assert "STATE cannot be written to stdout" in done.stderr.splitlines()[-1]
    assert "not loaded to the end" not in done.stderr
    assert "Traceback" not in done.stderr
