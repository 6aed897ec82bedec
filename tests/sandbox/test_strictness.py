"""What the server refuses, in whose words."""

import pytest

SERVICES = "/Kinetic/api/v2/odata"
ORDERS = f"{SERVICES}/EPIC06/Erp.BO.POSvc/POes"
APOLOGY = "We apologize, but an unexpected internal problem occurred. Correlation ID: "
TYPES = "A binary operator with incompatible types was detected. Found operand types"


def filtered(client, text: str):
    return client.get(ORDERS, filter=text, top=1)


def test_a_whole_second_in_utc_is_a_date_literal(client):
    assert filtered(client, "ChangeDate ge 2020-01-01T00:00:00Z").status == 200


@pytest.mark.parametrize("literal", ["2026-01-01T00:00:00.5Z", "2026-01-01T00:00:00+05:00",
                                     "2026-01-01T00:00:00.123-05:00"])  # fmt: skip
def test_a_fraction_or_an_offset_in_a_date_literal_is_a_500(client, literal):
    answer = filtered(client, f"ChangeDate ge {literal}")

    assert answer.status == 500
    assert answer.error.startswith(APOLOGY)


def test_a_quoted_date_is_a_400_that_names_both_types(client):
    answer = filtered(client, "ChangeDate ge '2026-01-01T00:00:00Z'")

    assert answer.status == 400
    kind = "for operator kind 'GreaterThanOrEqual'"
    assert answer.error == f"{TYPES} 'Edm.DateTimeOffset' and 'Edm.String' {kind}"
    assert answer.json["ErrorType"] == "ODataException"


@pytest.mark.parametrize("text", [
    "ChangeDate ge 2026-01-01",
    "ChangeDate ge 2026-01-01T00:00:00",
    "ChangeDate ge datetime'2026-01-01T00:00:00'",
    "PONum eq '4001'",
    "BuyerID eq 7",
    "VoidOrder eq 1",
    "SysRowID eq 'e821a693-2d55-40cd-9435-e929b53a53d0'",
    "PONum in (4001,4002)",
    "PONum EQ 4001",
    "PONum",
    "PONum eq",
    "PONum eq 4001 or",
    "nonsense(PONum)",
])  # fmt: skip
def test_a_filter_of_the_wrong_form_is_a_400(client, text):
    assert filtered(client, text).status == 400


@pytest.mark.parametrize("name", ["VendorID", "ponum", "UpdatedOn", "Voided"])
def test_an_unknown_property_is_a_400_that_names_the_type(client, name):
    answer = filtered(client, f"{name} eq 1")

    assert answer.status == 400
    assert answer.error == f"Could not find a property named '{name}' on type 'Erp.PO'"


def test_an_unknown_property_in_select_is_a_400_too(client):
    answer = client.get(ORDERS, select="PONum,Nope")

    assert answer.status == 400
    assert answer.error == "Could not find a property named 'Nope' on type 'Erp.PO'"


def test_a_lookup_column_is_in_the_row_but_not_in_the_filter(client):
    assert client.get(ORDERS, top=1).rows[0]["VendorName"]
    assert filtered(client, "VendorName eq 'x'").status == 400


@pytest.mark.parametrize("column", ["Nope", "VendorName"])
def test_ordering_by_what_is_not_stored_is_a_500_without_a_reason(client, column):
    answer = client.get(ORDERS, orderby=column)

    assert answer.status == 500
    assert answer.error.startswith(APOLOGY)


def test_a_plus_is_not_a_blank(client):
    answer = client.send("GET", f"{ORDERS}?$filter=PONum+gt+1")

    assert answer.status == 400
    assert answer.error == "Syntax error at position 5 in 'PONum+gt+1'."


@pytest.mark.parametrize("query", [
    "$compute=1", "$expand=PODetails", "$skiptoken=5", "$TOP=1", "$top=-1", "$top=many",
    "$count=yes", "$top=1&$top=2",
])  # fmt: skip
def test_an_option_that_is_unknown_or_malformed_is_a_400(client, query):
    assert client.send("GET", f"{ORDERS}?{query}").status == 400


def test_a_query_above_2048_characters_never_reaches_kinetic(client):
    fits = "$top=1&x=".ljust(2048, "x")

    assert client.send("GET", f"{ORDERS}?{fits}").status == 200
    answer = client.send("GET", f"{ORDERS}?{fits}x")
    assert answer.status == 404
    assert answer.headers["content-type"] == "text/html"


@pytest.mark.parametrize("path", ["Erp.BO.NopeSvc/POes", "Erp.BO.POSvc/Nope", "Erp.BO.POSvc/poes",
                                  "Erp.BO.NopeSvc/$metadata", "Erp.BO.POSvc/POes/x/y",
                                  "BaqSvc/Nope/Data", "BaqSvc/Nope"])  # fmt: skip
def test_an_unknown_resource_is_a_404(client, path):
    answer = client.get(f"{SERVICES}/EPIC06/{path}")

    assert answer.status == 404
    assert answer.json["ErrorType"] == "Epicor.RESTApi.ErrorHandling.ApiException"


def test_a_row_that_is_not_there_is_a_404_of_its_own_kind(client):
    answer = client.get(f"{ORDERS}('EPIC06',1)")

    assert answer.status == 404
    assert answer.json["ErrorType"] == "Ice.Common.RecordNotFoundException"


@pytest.mark.parametrize("key", ["('EPIC06')", "('EPIC06','4001')", "(EPIC06,4001)", "('EPIC06',)",
                                 "('EPIC06',4001,1)"])  # fmt: skip
def test_a_key_of_the_wrong_form_is_a_400(client, key):
    assert client.get(ORDERS + key).status == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_but_get_is_allowed(client, method):
    assert client.send(method, ORDERS).status == 405


def test_errors_are_xml_unless_the_client_asks_for_json(client):
    answer = client.send("GET", f"{ORDERS}?$filter=Nope%20eq%201", Accept="*/*")

    assert answer.status == 400
    assert answer.headers["content-type"].startswith("application/xml")
    assert b"<ErrorMessage>Could not find a property" in answer.body
