"""What the tenant's `$metadata`, the table of facts and the settings make of a stream."""

import json
from dataclasses import replace

import pytest
from kinetic_sandbox.kinetic.baqs import BAQS
from kinetic_sandbox.kinetic.catalog import TABLES, TWINS, Profile, entity_facts
from kinetic_sandbox.kinetic.odata.metadata_xml import metadata_document
from tap_epicor_kinetic.business_objects import BUSINESS_OBJECTS
from tap_epicor_kinetic.config import read_config
from tap_epicor_kinetic.discovery import discover, services_to_read
from tap_epicor_kinetic.errors import AccessDenied, DiscoveryError, NotFound, SettingsError
from tap_epicor_kinetic.extract.cursor import Cursor
from tap_epicor_kinetic.extract.wanted import Wanted
from tap_epicor_kinetic.json_schema import UnknownTypeError, column_schema
from tap_epicor_kinetic.odata.metadata import Column, EntityType, parse_metadata
from tap_epicor_kinetic.odata.timestamps import parse_timestamp
from tap_epicor_kinetic.schema_cache import entity_from_cache, entity_to_cache
from tap_epicor_kinetic.settings import SETTINGS

FACTS = [
    entity_facts(replace(n, columns=f"{n.columns} Rating_c:F"), Profile("real")) for n in TABLES
]
DEFAULTS = {
    name: schema["default"]
    for name, schema in SETTINGS["properties"].items()
    if "default" in schema
}
SPEND = {"id": "KIN-VendorSpend", "primary_keys": ["Vendor_Company", "Vendor_VendorNum"]}
STOCK = {
    "id": "KIN-PartStock",
    "name": "stock",
    "primary_keys": ["PartWhse_PartNum", "PartWhse_WarehouseCode"],
    "parameters": {"Plant": ["MfgSys", "East"]},
}
CHARTS = {"name": "charts", "service": "Erp.BO.COASvc", "entity_set": "COAs"}


def config(**overrides):
    return read_config(
        {
            **DEFAULTS,
            "api_url": "https://erp.example.com/Kinetic",
            "companies": ["EPIC06"],
            "username": "u",
            "password": "p",
            "api_key": "k",
            **overrides,
        }
    )


class Tenant:
    """`$metadata` documents as the sandbox writes them; asked for by service."""

    def __init__(self, denied=()):
        self.asked = []
        self.denied = denied

    def __call__(self, service):
        self.asked.append(service)
        if service in self.denied:
            raise AccessDenied(f"$metadata of {service}: HTTP 403")
        _, _, query_id = service.partition("BaqSvc/")
        facts = [BAQS[query_id].facts()] if query_id in BAQS else []
        facts += [each for each in FACTS if each.service == service]
        if not facts:
            raise NotFound(f"$metadata of {service}: HTTP 404")
        return parse_metadata(metadata_document(facts))


def streams(**overrides):
    return {each.name: each for each in discover(config(**overrides), Tenant(), None)}


def stream(name, **overrides):
    return streams(**overrides)[name]


def test_own_streams_come_last_business_objects_before_baqs():
    names = list(streams(baqs=[SPEND], business_objects=[CHARTS]))

    assert names == [*(facts.name for facts in BUSINESS_OBJECTS), "charts", "KIN_VendorSpend"]


def test_the_key_is_that_of_metadata_and_the_company_is_added_where_it_has_none():
    every = streams(baqs=[SPEND, STOCK], business_objects=[CHARTS])

    assert every["purchase_order_lines"].primary_keys == ("Company", "PONUM", "POLine")
    assert every["companies"].primary_keys == ("Company1",)
    assert every["charts"].primary_keys == ("Company", "COACode")
    assert every["KIN_VendorSpend"].primary_keys == ("Vendor_Company", "Vendor_VendorNum")
    assert every["stock"].primary_keys == (*STOCK["primary_keys"], "_epicor_company")


def test_a_key_that_a_user_sets_is_sent_and_the_row_keeps_its_address():
    vendors = stream("vendors", stream_options={"vendors": {"primary_keys": ["VendorID"]}})

    assert vendors.primary_keys == ("VendorID", "_epicor_company")
    assert vendors.entity.key == ("Company", "VendorNum")
    assert set(vendors.always_sent) == {"VendorID", "Company", "VendorNum", "SysRevID"}
    assert set(vendors.always_sent) <= set(vendors.steering_columns())


def test_columns_go_by_their_own_names_unless_snake_case_is_set():
    source = stream("gl_accounts")
    snake = stream("gl_accounts", column_naming="snake_case")

    assert set(source.names) == set(source.names.values()) == set(source.entity.columns)
    assert snake.primary_keys == ("company", "coa_code", "gl_account")
    assert snake.names["GLAccount1"] == "gl_account"
    assert snake.replication_key_name == "sys_rev_id"
    assert source.replication_key_name == "SysRevID"
    sent = set(snake.schema["properties"])
    assert sent == {*snake.names.values(), *(c for c in sent if c.startswith("_"))}
    assert {"_epicor_company", "_sdc_deleted_at"} <= sent


def test_two_columns_that_meet_in_one_name_stop_discovery_and_both_are_named():
    def clash(_):
        columns = {n: Column(n, "Edm.Int32") for n in ("Company", "PONum", "PONUM")}
        return {"POes": EntityType("Erp.PO", ("Company", "PONum"), columns)}

    def meeting(**overrides):
        return discover(config(column_naming="snake_case", **overrides), clash, {"purchase_orders"})

    with pytest.raises(
        DiscoveryError, match=r"PONUM and PONum.*po_number.*`column_naming: source`"
    ):
        meeting()
    (left_out,) = meeting(stream_options={"purchase_orders": {"select": ["Company"]}})
    assert left_out.left_out == {"PONUM"}
    assert left_out.names == {"Company": "company", "PONum": "po_number"}


def test_sensitive_columns_are_not_selected_by_default():
    vendors = stream("vendors")

    assert vendors.unselected >= {"TIN", "TaxPayerID"}
    assert len(vendors.unselected) < 6
    assert "TINType" in vendors.entity.columns.keys() - vendors.unselected
    assert "TIN" in vendors.schema["properties"]
    payments = stream("ap_payments")
    assert "BankAcctID" in payments.entity.columns.keys() - payments.unselected
    assert stream("vendors", sensitive_columns=[]).unselected == frozenset()
    assert stream("vendors", sensitive_columns=["*phone*"]).unselected == {"PhoneNum"}


def test_a_column_of_the_key_is_sent_however_sensitive():
    assert "VendorNum" not in stream("vendors", sensitive_columns=["*"]).unselected


def test_select_names_all_that_is_selected_by_default_but_keys_are_always():
    chosen = stream("vendors", stream_options={"vendors": {"select": ["Name", "TIN"]}})

    selected = chosen.entity.columns.keys() - chosen.unselected
    assert selected == {"Name", "TIN", "Company", "VendorNum", "SysRevID"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"primary_keys": ["VendorCode"]}, r"vendors.primary_keys.*VendorCode.*it has Vendor"),
        ({"primary_keys": ["Rating_c"]}, r"vendors.primary_keys.*Rating_c.*Edm.Double"),
        ({"select": ["Name", "Nmae"]}, r"vendors.select.*Nmae.*it has .*Name"),
        ({"replication_key": "Name"}, r"vendors.replication_key.*Name.*SysRevID"),
        ({"closed_when": "Closed"}, r"vendors.closed_when.*Closed.*Inactive"),
        ({"service": "Erp.BO.NopeSvc"}, r"`stream_options.vendors` names.*NopeSvc"),
        ({"entity_set": "Vendrs"}, r"`stream_options.vendors` names.*it has Vendors"),
    ],
)
def test_an_option_that_names_what_is_not_there_tells_what_is(change, said):
    with pytest.raises(SettingsError, match=said):
        streams(stream_options={"vendors": change})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"business_objects": [{**CHARTS, "service": "X"}]}, "`business_objects.charts` names"),
        ({"business_objects": [{**CHARTS, "entity_set": "X"}]}, r"COAs\. `business_obj"),
        ({"business_objects": [{**CHARTS, "select": ["X"]}]}, r"charts.select.*COACode"),
        ({"baqs": [{**SPEND, "id": "Nope"}]}, r"`baqs.Nope` names.*shared"),
        ({"baqs": [{**SPEND, "primary_keys": ["VendorNum"]}]}, r"keys.*Num.*Vendor_VendorNum"),
        ({"baqs": [{**SPEND, "replication_key": "Vendor_Name"}]}, "Calculated_LastInvoice"),
        ({"stream_options": {"vendor": {}}}, r"`stream_options` names vendor.*vendors"),
        ({"sweep_streams": ["vendor"], "sweep_path": "x"}, "`sweep_streams` has vendor"),
    ],
)  # fmt: skip
def test_an_entry_that_names_what_is_not_there_is_an_error(change, said):
    with pytest.raises(SettingsError, match=said):
        streams(**change)


def test_a_service_that_nobody_names_may_be_missing_or_forbidden(caplog):
    tenant = Tenant(denied={"Erp.BO.VendorSvc"})

    found = discover(config(), tenant, None)

    assert "vendors" not in {each.name for each in found}
    assert "Erp.BO.VendorSvc: HTTP 403" in caplog.text
    with pytest.raises(DiscoveryError, match="vendors, which the catalog names, cannot be read"):
        discover(config(), tenant, {"vendors"})


def test_a_baq_has_neither_row_ident_nor_a_closed_rule_and_is_read_whole_unless_told():
    spend = stream("KIN_VendorSpend", baqs=[SPEND])

    assert "RowIdent" not in {*spend.entity.columns, *spend.schema["properties"]}
    assert spend.left_out == {"RowIdent"}
    assert spend.entity.key == ("Vendor_Company", "Vendor_VendorNum")
    assert (spend.closed, spend.cursor, spend.is_baq) == (None, None, True)
    assert (spend.facts.service, spend.facts.entity_set) == ("BaqSvc/KIN-VendorSpend", "Data")
    assert spend.schema["properties"]["Calculated_Spend"] == {"type": ["number", "null"]}


def test_a_baq_has_no_replication_key_that_nobody_named():
    def with_a_change_date(_):
        columns = {n: Column(n, "Edm.DateTimeOffset") for n in ("RowIdent", "A", "ChangeDate")}
        return {"Data": EntityType("Q", ("RowIdent",), columns)}

    baq = {"id": "Q", "primary_keys": ["A"]}
    (found,) = discover(config(baqs=[baq]), with_a_change_date, {"Q"})

    assert found.cursor is None


def test_an_own_object_without_the_right_to_it_is_not_a_matter_of_settings():
    with pytest.raises(DiscoveryError, match=r"`business_objects.charts` names.*HTTP 403"):
        discover(config(business_objects=[CHARTS]), Tenant(denied={"Erp.BO.COASvc"}), None)


def test_a_baqs_parameters_and_bookmark_come_with_the_stream():
    spend = {**SPEND, "replication_key": "Calculated_LastInvoice", "bookmark_parameter": "Since"}
    every = streams(baqs=[spend, STOCK], start_date="2024-01-01T00:00:00Z")

    assert every["KIN_VendorSpend"].bookmark_parameter == "Since"
    assert every["KIN_VendorSpend"].replication_key_name == "Calculated_LastInvoice"
    (since,) = every["KIN_VendorSpend"].first_only
    assert since.text().startswith("Calculated_LastInvoice ge 2024-01-01T00:00:00Z")
    assert every["stock"].parameters == (("Plant", "MfgSys"), ("Plant", "East"))
    wanted = every["stock"].wanted("EPIC06", None, ())
    assert wanted.parameters == every["stock"].parameters


def test_a_baqs_only_set_is_its_rows_whatever_it_is_called():
    def renamed(service):
        return {"Rows": next(iter(Tenant()(service).values()))}

    (spend,) = discover(config(baqs=[SPEND]), renamed, {"KIN_VendorSpend"})

    assert "Vendor_Name" in spend.entity.columns


def test_every_child_set_with_a_flat_twin_knows_it_as_the_tenant_spells_it():
    theirs = {(twin.stream, (twin.service, twin.entity_set)) for twin in TWINS}

    assert {(f.name, f.twin) for f in BUSINESS_OBJECTS if f.twin} <= theirs
    moved = {"service": "Erp.BO.POSvc", "entity_set": "PODetails"}
    assert stream("part_warehouses", stream_options={"part_warehouses": moved}).facts.twin is None
    assert ("part_warehouses", stream("part_warehouses").facts.twin) in theirs


def test_the_read_method_is_odata_unless_set():
    options = {"vendors": {"read_method": "GetRows"}}

    every = streams(stream_options=options)
    assert every["vendors"].facts.read_method == "GetRows"
    assert every["customers"].facts.read_method == "odata"
    assert every["vendors"].facts.table == "Vendor"


def test_state_stays_valid_where_neither_parameters_nor_get_rows_are_used():
    def basis(**overrides):
        wanted = stream("vendors", **overrides).wanted("EPIC06", config(), ())
        return wanted.basis("Erp.BO.VendorSvc/Vendors")

    plain = {
        "source": "Erp.BO.VendorSvc/Vendors",
        "replication_key": "SysRevID",
        "closed_when": "Inactive ne true",
        "closed_records": "exclude",
        "filter": None,
    }
    assert basis() == plain
    by_rows = basis(stream_options={"vendors": {"read_method": "GetRows"}})
    assert by_rows == {**plain, "read_method": "GetRows"}
    (stock,) = discover(config(baqs=[STOCK]), Tenant(), {"stock"})
    kept = stock.wanted("EPIC06", config(), ()).basis("x")
    assert json.loads(json.dumps(kept)) == kept
    assert kept["parameters"] == [["Plant", "MfgSys"], ["Plant", "East"]]


def test_the_bookmark_parameter_takes_where_a_read_starts_and_nothing_else():
    entity = EntityType("Q", ("A",), {"A": Column("A", "Edm.DateTimeOffset")})
    wanted = Wanted(
        entity,
        Cursor(entity.columns["A"]),
        None,
        parameters=(("Plant", "East"), ("Since", "2020-01-01")),
        bookmark_parameter="Since",
    )

    assert wanted.parameters_from(None) == (("Plant", "East"), ("Since", "2020-01-01"))
    start = parse_timestamp("2024-05-06T07:08:09.5+01:00")
    assert wanted.parameters_from(start) == (("Plant", "East"), ("Since", "2024-05-06T06:08:09Z"))


def test_a_row_type_survives_the_catalog_and_spares_a_request():
    def definitions(cached=None):
        tenant = Tenant()
        settings = config(baqs=[SPEND], column_naming="snake_case")
        asked = services_to_read(settings, None, cached)
        found = discover(settings, tenant, None, cached)
        assert tuple(tenant.asked) == asked
        return found, asked

    first, asked = definitions()
    kept = json.loads(json.dumps({d.facts.source: entity_to_cache(d.entity) for d in first}))
    second, asked_again = definitions({k: entity_from_cache(v) for k, v in kept.items()})

    assert len(asked) == len({d.facts.service for d in first})
    assert asked_again == ()
    assert second == first


@pytest.mark.parametrize(
    "value",
    [
        None,
        1,
        {},
        {"type": "T", "key": ["A"], "columns": []},
        {"type": "T", "key": [], "columns": [["A"]]},
    ],
)
def test_a_cached_row_type_that_is_not_ours_is_none(value):
    assert entity_from_cache(value) is None


def test_a_type_without_an_exact_form_is_told_by_column():
    with pytest.raises(UnknownTypeError, match=r"column Picture has the type Edm\.Stream"):
        column_schema(Column("Picture", "Edm.Stream"), decimals_as_text=False)
