"""`$metadata` as values, and Edm types as exact JSON Schema."""

import pytest
from tap_epicor_kinetic.json_schema import UnknownTypeError, column_schema
from tap_epicor_kinetic.odata.metadata import Column, MetadataError, parse_metadata

CSDL = b"""<?xml version="1.0"?>
<edmx:Edmx xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx" Version="4.0">
 <edmx:DataServices>
  <Schema xmlns="http://docs.oasis-open.org/odata/ns/edm" Namespace="Erp" Alias="Self">
   <EntityType Name="Base" Abstract="true"><Property Name="SysRevID" Type="Edm.Int64"/></EntityType>
   <EntityType Name="PO" BaseType="Self.Base">
    <Key><PropertyRef Name="Company"/><PropertyRef Name="PONum"/></Key>
    <Property Name="Company" Type="Edm.String" Nullable="false" MaxLength="8"/>
    <Property Name="PONum" Type="Edm.Int32" Nullable="false"/>
    <Property Name="Total" Type="Edm.Decimal" Precision="18" Scale="3"/>
    <Property Name="Rate" Type="Edm.Decimal" Scale="variable"/>
    <NavigationProperty Name="Lines" Type="Collection(Erp.PODetail)"/>
   </EntityType>
  </Schema>
  <Schema xmlns="http://docs.oasis-open.org/odata/ns/edm" Namespace="Default">
   <EntityContainer Name="C"><EntitySet Name="POes" EntityType="Erp.PO"/></EntityContainer>
  </Schema>
 </edmx:DataServices>
</edmx:Edmx>"""


def test_sets_are_found_with_their_key_in_order_and_inherited_columns():
    entity = parse_metadata(CSDL)["POes"]

    assert entity.name == "Erp.PO"
    assert entity.key == ("Company", "PONum")
    assert list(entity.columns) == ["SysRevID", "Company", "PONum", "Total", "Rate"]
    assert entity.columns["Total"] == Column("Total", "Edm.Decimal", 18, 3)
    assert entity.columns["Rate"].scale is None


@pytest.mark.parametrize(
    "document", [b"", b"{}", b"<html></html>", CSDL.replace(b'Type="Erp.PO"', b'Type="Erp.X"')]
)
def test_anything_but_a_complete_csdl_is_refused(document):
    with pytest.raises(MetadataError):
        parse_metadata(document)


def test_a_bomb_of_entities_is_not_expanded():
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><Edmx>&b;</Edmx>'

    with pytest.raises(ValueError):
        parse_metadata(bomb)


@pytest.mark.parametrize(
    ("edm_type", "expected"),
    [
        ("Edm.Int64", {"type": ["integer", "null"], "minimum": -(2**63), "maximum": 2**63 - 1}),
        ("Edm.DateTimeOffset", {"type": ["string", "null"], "format": "date-time"}),
        ("Edm.Guid", {"type": ["string", "null"], "format": "uuid"}),
        ("Edm.Boolean", {"type": ["boolean", "null"]}),
        ("Edm.Binary", {"type": ["string", "null"]}),
    ],
)
def test_each_primitive_has_one_schema(edm_type, expected):
    assert column_schema(Column("X", edm_type), decimals_as_text=False) == expected


def test_decimals_as_text_name_precision_and_scale():
    schema = column_schema(Column("X", "Edm.Decimal", 18, 3), decimals_as_text=True)

    assert schema == {
        "type": ["string", "null"],
        "format": "x-singer.decimal",
        "precision": 18,
        "scale": 3,
    }


@pytest.mark.parametrize(
    "edm_type", ["Collection(Edm.String)", "Erp.Address", "Edm.Stream", "Edm.Untyped"]
)
def test_an_unknown_type_is_named_and_never_guessed(edm_type):
    with pytest.raises(UnknownTypeError, match="X has the type"):
        column_schema(Column("X", edm_type), decimals_as_text=False)
