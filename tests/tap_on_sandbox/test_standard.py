"""The SDK's own test classes for taps, and the switches of its command line."""

import json
import subprocess

import pytest
from harness import TAP, environment, settings, tap_files
from kinetic_sandbox.kinetic import KineticServer, Tenant
from singer_sdk.testing import SuiteConfig, get_tap_test_class
from tap_epicor_kinetic.tap import TapEpicorKinetic

# The class below discovers streams while it is made, at import: the tenant has to be there.
SERVER = KineticServer(Tenant(profile="real", seed=7, scale=0.2))
SERVER.__enter__()

TestStandard = get_tap_test_class(
    TapEpicorKinetic,
    config=settings(SERVER),
    suite_config=SuiteConfig(
        max_records_limit=10, ignore_no_records_for_streams=["epicor_sync_runs"]
    ),
)


@pytest.fixture(scope="module", autouse=True)
def _stop_the_server():
    yield
    SERVER.__exit__(None, None, None)


def tap(folder, *arguments: str) -> subprocess.CompletedProcess:
    command = [*TAP, *tap_files(folder, settings(SERVER), None, None), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)


def test_about_names_every_setting(tmp_path):
    done = subprocess.run(
        [*TAP, "--about", "--format=json"], capture_output=True, text=True, check=True
    )

    assert set(json.loads(done.stdout)["settings"]["properties"]) >= {
        "api_url",
        "companies",
        "api_key",
    }


def test_discover_tells_key_and_replication_key_of_each_stream(tmp_path):
    catalog = json.loads(tap(tmp_path, "--discover").stdout)

    streams = {entry["stream"]: entry for entry in catalog["streams"]}
    assert set(streams) == {*SERVER.tenant.streams, "epicor_sync_runs"}
    assert streams["purchase_order_lines"]["key_properties"] == ["Company", "PONUM", "POLine"]
    assert streams["purchase_order_lines"]["replication_key"] == "SysRevID"
    assert streams["companies"]["key_properties"] == ["Company1"]


def test_test_reads_a_row_of_every_stream(tmp_path):
    done = tap(tmp_path, "--test")

    assert done.returncode == 0, done.stderr
    assert not done.stdout
    assert all(stream in done.stderr for stream in SERVER.tenant.streams)


def test_test_fails_with_code_2_where_the_login_is_refused(tmp_path):
    config = settings(SERVER, password="nonsense")
    command = [*TAP, *tap_files(tmp_path, config, None, None), "--test"]

    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)

    assert done.returncode == 2
    assert "`password`" in done.stderr


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"api_uri": "https://x/y"}, ["api_uri", "api_url"]),
        ({"page_size": 0}, ["page_size"]),
        ({"auth_method": "magic"}, ["auth_method"]),
        ({"api_url": "erp.example.com/x"}, ["`api_url`", "https://host/instance"]),
        ({"companies": []}, ["`companies`"]),
        ({"start_date": "yesterday"}, ["start_date"]),
        ({"auth_method": "oauth2"}, ["`oauth_token_url`"]),
        ({"ca_bundle": "/nowhere.pem"}, ["`ca_bundle`"]),
        ({"run_log_path": "/proc/nowhere/log"}, ["`run_log_path`"]),
        ({"stream_options": {"invoices": {}}}, ["`stream_options`", "ap_invoices"]),
        (
            {"stream_options": {"vendors": {"replication_key": "UpdatedOn"}}},
            ["UpdatedOn", "SysRevID"],
        ),
        ({"stream_options": {"vendors": {"closed_when": "Voided"}}}, ["closed_when", "Inactive"]),
        ({"stream_options": {"vendors": {"colour": "red"}}}, ["colour"]),
        (
            {"stream_options": {"ap_invoices": {"closed_when": "InvoiceNum"}}},
            ["closed_when", "flag"],
        ),
        ({"password": 83729182}, ["`password`"]),
        ({"api_url": "admin:83729182@erp.example.com/x"}, ["`api_url`"]),
    ],
)
def test_a_wrong_setting_is_exit_code_2_and_one_sentence_about_it(change, names, tmp_path):
    config = {**settings(SERVER), **change}
    command = [*TAP, *tap_files(tmp_path, config, None, None)]

    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)

    assert done.returncode == 2, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    for name in names:
        assert name in last
    assert "Traceback" not in done.stderr
    assert "83729182" not in done.stderr


@pytest.mark.parametrize("option", ["--config", "--state", "--catalog"])
@pytest.mark.parametrize("content", ["{", None])
def test_a_file_that_is_not_json_or_not_there_is_named(option, content, tmp_path):
    path = tmp_path / "given.json"
    if content:
        path.write_text(content)
    given = tap_files(tmp_path, settings(SERVER), None, None) if option != "--config" else []

    done = subprocess.run(
        [*TAP, *given, option, str(path)], capture_output=True, text=True, env=environment(),
        check=False,
    )  # fmt: skip

    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert option in last
    assert str(path) in last
    assert "Traceback" not in done.stderr


def test_a_run_log_that_cannot_be_kept_is_not_a_complete_run(tmp_path):
    """A full disk: the file opens, and the lines do not fit."""
    given = tap_files(tmp_path, settings(SERVER, run_log_path="/dev/full"), None, None)

    done = subprocess.run(
        [*TAP, *given], capture_output=True, text=True, env=environment(), check=False
    )

    assert done.returncode == 1
    assert "`run_log_path`" in done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert "last_complete_run" not in done.stdout


def test_a_run_that_fails_says_why_although_its_log_cannot_be_kept_either(tmp_path):
    config = settings(SERVER, run_log_path="/dev/full", companies=["EPIC06", "NOPE"])
    given = tap_files(tmp_path, config, None, None)

    done = subprocess.run(
        [*TAP, *given], capture_output=True, text=True, env=environment(), check=False
    )

    assert done.returncode == 2
    assert "NOPE" in done.stderr.strip().splitlines()[-1]


def test_a_catalog_without_a_selected_stream_is_not_a_complete_run(tmp_path):
    given = tap_files(tmp_path, settings(SERVER), None, {"streams": []})

    done = subprocess.run(
        [*TAP, *given], capture_output=True, text=True, env=environment(), check=False
    )

    assert done.returncode == 1
    assert "No stream is selected" in done.stderr
    assert "last_complete_run" not in done.stdout


def test_a_pasted_longer_address_is_understood(tmp_path):
    config = settings(SERVER, api_url=f"{SERVER.url}/api/v2/odata/EPIC06/Erp.BO.VendorSvc/Vendors")
    command = [*TAP, *tap_files(tmp_path, config, None, None), "--discover"]

    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)

    assert done.returncode == 0, done.stderr
