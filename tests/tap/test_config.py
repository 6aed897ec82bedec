"""Settings, judged at the edge."""

import pytest
from tap_epicor_kinetic.config import read_config
from tap_epicor_kinetic.errors import SettingsError
from tap_epicor_kinetic.settings import SETTINGS

DEFAULTS = {
    name: schema["default"]
    for name, schema in SETTINGS["properties"].items()
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


SHIPS = {"name": "ships", "service": "Erp.BO.ShipViaSvc", "entity_set": "ShipVias"}
SPEND = {"id": "KIN-VendorSpend", "primary_keys": ["Vendor_VendorNum"]}


def test_defaults_are_those_of_the_contract():
    defaults = config()

    assert (defaults.column_naming, defaults.max_concurrency) == ("source", 4)
    assert defaults.claimed_license is None
    assert (defaults.business_objects, defaults.baqs, defaults.sweep_streams) == ((), (), ())
    assert "*TaxPayerID" in defaults.sensitive_columns
    assert (defaults.sweep_every_hours, defaults.sweep_limit_percent) == (24, 20)


@pytest.mark.parametrize(
    "given",
    ["default", "web_service", "data_collection", "00000003-b615-4300-957b-34956697f040"],
)
def test_a_licence_is_one_of_three_words_or_a_guid(given):
    assert config(claimed_license=given).claimed_license == given


def test_any_other_licence_is_refused_naming_what_is_possible():
    with pytest.raises(SettingsError, match=r"`claimed_license`.*web_service.*GUID"):
        config(claimed_license="office")


def test_a_replay_needs_a_beginning_that_lies_before_its_end():
    both = config(replay_since="2024-01-01T00:00:00Z", replay_until="2024-02-01T00:00:00Z")
    assert both.replay_since < both.replay_until

    with pytest.raises(SettingsError, match="`replay_until` needs `replay_since`"):
        config(replay_until="2024-02-01T00:00:00Z")
    with pytest.raises(SettingsError, match=r"`replay_until`.*after `replay_since`"):
        config(replay_since="2024-02-01T00:00:00Z", replay_until="2024-02-01T01:00:00+01:00")
    with pytest.raises(SettingsError, match=r"`replay_since`.*yesterday"):
        config(replay_since="yesterday")


def test_a_sweep_needs_a_folder():
    assert config(sweep_streams=["vendors"], sweep_path="keys").sweep_streams == ("vendors",)

    with pytest.raises(SettingsError, match="`sweep_streams` needs `sweep_path`"):
        config(sweep_streams=["vendors"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"stream_options": {"vendors": {"colour": "red"}}},
            r"stream_options.vendors.*colour.*page_size",
        ),
        ({"business_objects": [{**SHIPS, "colour": 1}]}, r"ships.*colour; possible.*entity_set"),
        ({"business_objects": [{**SHIPS, "parameters": {}}]}, r"objects.ships` has parameters"),
        ({"business_objects": [{**SHIPS, "service": " "}]}, r"ships.service` is empty"),
        ({"baqs": [{**SPEND, "closed_when": "X"}]}, r"KIN-VendorSpend.*closed_when.*parameters"),
        ({"baqs": [{**SPEND, "primary_keys": []}]}, r"KIN-VendorSpend.primary_keys` is empty"),
        ({"baqs": [{**SPEND, "primary_keys": ["RowIdent"]}]}, r"primary_keys.*RowIdent"),
        ({"baqs": [{**SPEND, "id": "a/b"}]}, "slash"),
        (
            {"baqs": [{**SPEND, "bookmark_parameter": "Since"}]},
            r"baqs.KIN-VendorSpend.bookmark_parameter.*needs `replication_key`",
        ),
        ({"baqs": [{**SPEND, "parameters": {"$filter": "1 eq 1"}}]}, r"parameters.*\$filter"),
        (
            {"baqs": [SPEND], "stream_options": {"KIN_VendorSpend": {"closed_when": "X"}}},
            r"stream_options.KIN_VendorSpend.*closed_when.*filter, page_size, select.*baqs",
        ),
    ],
)
def test_what_an_entry_may_not_say_is_refused_with_what_it_may(change, said):
    with pytest.raises(SettingsError, match=said):
        config(**change)


@pytest.mark.parametrize("name", ["vendors", "Vendors", "epicor_sync_runs", "ships", "SHIPS"])
def test_a_name_is_taken_once_whatever_its_case(name):
    with pytest.raises(SettingsError, match=rf"baqs.KIN-VendorSpend.name.*{name}.*another name"):
        config(business_objects=[SHIPS], baqs=[{**SPEND, "name": name}])


@pytest.mark.parametrize("name", ["kin-spend", "1st", "a b", "_x", "é", "x" * 64, 'a"b'])
def test_a_stream_name_that_loaders_would_not_take_is_refused_with_the_rule(name):
    with pytest.raises(SettingsError, match="letters, digits and underscores"):
        config(business_objects=[{**SHIPS, "name": name}])


@pytest.mark.parametrize(
    ("query_id", "stream"),
    [("KIN-VendorSpend", "KIN_VendorSpend"), ("Spend", "Spend"), ("9-Day(2)", "baq_9_Day_2")],
)
def test_a_baq_without_a_name_is_called_by_its_id_made_safe(query_id, stream):
    assert config(baqs=[{**SPEND, "id": query_id}]).baqs[0].name == stream


def test_a_list_parameter_repeats_its_name():
    (baq,) = config(baqs=[{**SPEND, "parameters": {"Plant": ["A", "B"], "Year": "2024"}}]).baqs

    assert baq.parameters == (("Plant", "A"), ("Plant", "B"), ("Year", "2024"))


def test_stream_options_stand_above_an_entry_of_business_objects_and_each_is_named_as_written():
    settings = config(
        business_objects=[{**SHIPS, "page_size": 10, "filter": "A eq 1"}],
        stream_options={"ships": {"page_size": 20, "select": ["ShipViaCode"]}},
    )

    options = settings.options_of("ships")
    assert (options.page_size, options.filter) == (20, "A eq 1")
    assert options.select == ("ShipViaCode",)
    assert settings.where("ships", "page_size") == "stream_options.ships.page_size"
    assert settings.where("ships", "filter") == "business_objects.ships.filter"
    assert settings.where("vendors", "filter") == "stream_options.vendors.filter"
