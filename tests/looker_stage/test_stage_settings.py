"""Settings are judged by name, names are safe in every warehouse, and nothing secret shows."""

import hashlib
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as some
from kinetic_batches.errors import LoadError
from target_looker_stage.config import Config, Pdt
from target_looker_stage.errors import ConfigError
from target_looker_stage.explain import explain
from target_looker_stage.names import stored_name, stored_names
from target_looker_stage.settings import SETTINGS
from target_looker_stage.warehouse import open_warehouse

URL = "postgresql://loader:s3cr3t-one@db.example.com:5432/finance"
LOOKER = {
    "looker_url": "https://looker.example.com/",
    "looker_client_id": "id",
    "looker_client_secret": "s3cr3t-two",
}


def config(**settings) -> Config:
    return Config.of({"sqlalchemy_url": URL, **settings})


def test_what_is_not_set_is_what_the_declaration_says():
    found = config()

    assert (found.warehouse, found.schema, found.batch_size_rows) == (
        "postgresql", "epicor_stage", 50_000,
    )  # fmt: skip
    assert found.looker_datagroups == {"epicor_kinetic::epicor_kinetic": ("*",)}
    assert config(lookml_model="erp").looker_datagroups == {"erp::epicor_kinetic": ("*",)}
    assert (found.looker_url, found.hard_delete, found.on_looker_error) == ("", False, "fail")


def test_what_is_set_is_taken():
    found = config(
        **LOOKER,
        schema="Finance",
        looker_datagroups={"m::d": ["ap_*", "vendors"]},
        looker_pdts=[{"model": "m", "view": "v", "force_rebuild": True}],
        looker_schedules=[7, "8"],
    )

    assert (found.looker_url, found.schema) == ("https://looker.example.com", "finance")
    assert found.looker_datagroups == {"m::d": ("ap_*", "vendors")}
    assert found.looker_pdts == (Pdt("m", "v", force_rebuild=True),)
    assert found.looker_schedules == ("7", "8")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"sqlalchemy_url": ""}, "`sqlalchemy_url` is missing"),
        ({"sqlalchemy_url": "not a url"}, "`sqlalchemy_url` is no URL"),
        ({"sqlalchemy_url": "mysql://u:p@h/d"}, "there is no loader"),
        ({"sqlalchemy_url": "postgresql://u:p@h:port/d"}, "`sqlalchemy_url` is no URL"),
        ({"sqlalchemy_url": 5}, "`sqlalchemy_url` is no text"),
        ({"schema": "a.b"}, "`schema`: 'a.b'"),
        ({"schema": "drop table"}, "`schema`"),
        ({"batch_size_rows": 0}, "`batch_size_rows`"),
        ({"batch_size_rows": "many"}, "`batch_size_rows`"),
        ({"default_target_schema": "x"}, "`default_target_schema` is no setting"),
        ({"sqlalchemy_url": "databricks://token:t@h"}, "`databricks_volume`"),
        (
            {"sqlalchemy_url": "databricks://token:t@h", "databricks_volume": "a.b"},
            "catalog.schema",
        ),
        ({"sqlalchemy_url": "redshift://u:p@h/d"}, "`redshift_s3`"),
        ({"sqlalchemy_url": "redshift://u:p@h/d", "redshift_s3": "s3://b"}, "`redshift_iam_role`"),
        ({**LOOKER, "looker_url": "http://looker.example.com"}, "https://"),
        ({**LOOKER, "looker_url": "looker.example.com"}, "https://"),
        ({**LOOKER, "looker_client_secret": ""}, "`looker_client_secret` is missing"),
        ({"looker_url": "https://l.example.com"}, "`looker_client_id` is missing"),
        ({"looker_notice": "shout"}, "`looker_notice`"),
        ({"on_looker_error": "ignore"}, "`on_looker_error`"),
        ({"looker_pdts": [{"model": "m"}]}, "`looker_pdts`"),
        ({"looker_datagroups": {"m::d": "*"}}, "`looker_datagroups`"),
        ({"looker_ca_bundle": "/not/there.pem"}, "`looker_ca_bundle`: there is no file"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(settings, named):
    with pytest.raises(ConfigError, match=re.escape(named)):
        config(**settings)


def test_looker_may_be_on_this_machine_without_tls():
    assert config(**{**LOOKER, "looker_url": "http://127.0.0.1:9999"}).looker_url


def test_variables_win_over_the_file_and_are_read_by_their_kind(tmp_path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"sqlalchemy_url": URL, "schema": "one", "batch_size_rows": 1}))
    variables = {
        "TARGET_LOOKER_STAGE_SCHEMA": "two",
        "TARGET_LOOKER_STAGE_BATCH_SIZE_ROWS": "7",
        "TARGET_LOOKER_STAGE_HARD_DELETE": "True",
        "TARGET_LOOKER_STAGE_LOOKER_DATAGROUPS": '{"m::d": ["*"]}',
        "TARGET_LOOKER_STAGE_LOOKER_URL": "",
        "TARGET_LOOKER_STAGE_NOT_OURS": "x",
    }

    found = Config.read(file, variables)

    assert (found.schema, found.batch_size_rows, found.hard_delete) == ("two", 7, True)
    assert found.looker_datagroups == {"m::d": ("*",)}


@pytest.mark.parametrize(
    ("text", "variables", "named"),
    [
        (None, {}, "cannot be read"),
        ("{", {}, "is no JSON"),
        ("[]", {}, "holds no JSON object"),
        ("{}", {"TARGET_LOOKER_STAGE_BATCH_SIZE_ROWS": "x"}, "TARGET_LOOKER_STAGE_BATCH_SIZE_ROWS"),
    ],
)
def test_a_file_or_a_variable_that_cannot_be_read_is_named(tmp_path, text, variables, named):
    file = tmp_path / "config.json"
    if text is not None:
        file.write_text(text)

    with pytest.raises(ConfigError, match=named):
        Config.read(file, variables)


def test_secrets_do_not_show():
    found = config(**LOOKER)

    assert "s3cr3t" not in repr(found)
    error = ValueError("login of loader with s3cr3t-one and s3cr3t-two failed")
    assert "s3cr3t" not in explain(error, found)
    assert {"s3cr3t-one", "s3cr3t-two"} == set(found.secrets)


def test_a_driver_that_is_not_installed_is_named_with_what_to_install():
    with pytest.raises(ConfigError, match=r"install target-looker-stage\[snowflake\]"):
        open_warehouse(config(sqlalchemy_url="snowflake://u:p@account/db"))


def test_every_setting_has_a_title_a_description_and_a_kind():
    for name, schema in SETTINGS["properties"].items():
        assert schema["title"], name
        assert schema["description"], name
        assert schema["type"][0] in {"string", "integer", "boolean", "object", "array"}, name
    secret = {name for name, schema in SETTINGS["properties"].items() if schema.get("secret")}
    assert secret == {"sqlalchemy_url", "looker_client_secret"}


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("VendorID", "vendorid"), ("_epicor_run_id", "_epicor_run_id"), ("Group", "group"),
        ("a b-c.d", "a_b_c_d"), ("1st", "_1st"), ("PlantRating_c", "plantrating_c"),
        ("x" * 63, "x" * 63),
        ("X" * 64, f"{'x' * 54}_{hashlib.sha256(b'X' * 64).hexdigest()[:8]}"),
    ],
)  # fmt: skip
def test_each_name_has_one_in_the_warehouse(name, stored):
    assert stored_name(name) == stored


@given(some.text(min_size=1))
def test_any_name_is_safe(name):
    assert re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", stored_name(name))


def test_names_that_meet_are_refused_by_both():
    assert stored_names("columns of s", ["A", "b"]) == {"A": "a", "b": "b"}
    with pytest.raises(LoadError, match="columns of s: A and a are both a in the warehouse"):
        stored_names("columns of s", ["A", "b", "a"])
