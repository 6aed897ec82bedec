"""Epicor's names in snake_case, as a table."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_epicor_kinetic.naming import NamesMeetError, snake_case

TABLE = """
Company company
GLAccount gl_account
GLAccountAccountDesc gl_account_account_desc
GLAccountGLAcctDisp gl_account_gl_acct_disp
GLAcctDispGLAcctDisp gl_acct_disp_gl_acct_disp
GLAcctDispGLShortAcct gl_acct_disp_gl_short_acct
GLJrnDtl gl_jrn_dtl
GLPosted gl_posted
ParentGLAccount parent_gl_account
COACode coa_code
SegValue1 seg_value1
SegValue20 seg_value20
PONum po_number
PONUM po_number
POLine po_line
PORelNum po_rel_number
POType po_type
REFPONum ref_po_number
ICPONum ic_po_number
InvoiceNum invoice_number
APInvoiceNum invoice_number
ARInvoiceNum ar_invoice_number
APTranNo ap_tran_no
DMRNum dmr_number
CheckNum check_number
PhoneNum phone_number
CountryNum country_number
VendorRefNum vendor_ref_number
LegalNumber legal_number
Number01 number01
VendorNum vendor_number
VendorNumVendorID vendor_number_vendor_id
VendorVendorID vendor_vendor_id
VendorID vendor_id
EPIVendorID vendor_id
ExternalId external_id
SysRevID sys_rev_id
UD_SysRevID ud_sys_rev_id
SysRowID sys_row_id
ABTUID abt_uid
PMUID pm_uid
APLOCID ap_loc_id
InActive inactive
Inactive inactive
Active active
ActiveFlag active_flag
OnHold on_hold
Address1 address1
ShipAddress1 ship_address1
ShipZIP ship_zip
ZIP zip
Zip zip
City city
EMailAddress email_address
VendURL vend_url
TIN tin
TINType tin_type
FEIN fein
Print1099 print1099
Code1099ID code1099_id
FOB fob
DefaultFOB default_fob
IUM ium
SalesUM sales_um
BaseUOM base_uom
UOMClassID uom_class_id
PhantomBOM phantom_bom
LastCCDate last_cc_date
WIApplication wi_application
XRelQty x_rel_qty
XOrderQty x_order_qty
DocUnitCost doc_unit_cost
BookDebitAmount book_debit_amount
RefCancelledby ref_cancelledby
JEDate je_date
PromiseDt promise_dt
ShortChar01 short_char01
CheckBox01 check_box01
PlantRating_c plant_rating_c
AuditedOn_c audited_on_c
KeyAccount_c key_account_c
Calculated_ChangeDate calculated_change_date
Vendor_VendorID vendor_vendor_id
Vendor_PlantRating_c vendor_plant_rating_c
PartPC1_ProdCode part_pc1_prod_code
PartWhse_OnHandQty part_whse_on_hand_qty
POHeader_PONum po_header_po_number
OpenPOs open_pos
Höhe_c hohe_c
W9Date w9_date
_ x
"""


@pytest.mark.parametrize(("column", "name"), [line.split() for line in TABLE.split("\n") if line])
def test_a_column_has_this_name(column, name):
    assert snake_case([column], "Erp.Thing") == {column: name}


@pytest.mark.parametrize(
    ("column", "entity_type", "name"),
    [
        ("GLAccount1", "Erp.GLAccount", "gl_account"),
        ("Company1", "Erp.Company", "company"),
        ("Company1", "Erp.Vendor", "company1"),
        ("GLAccount1", "Erp.GLAccountList", "gl_account1"),
        ("Address1", "Erp.Vendor", "address1"),
    ],
)
def test_a_trailing_1_goes_only_where_the_rest_is_the_types_own_name(column, entity_type, name):
    assert snake_case([column], entity_type) == {column: name}


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (("InvoiceNum", "APInvoiceNum"), ("invoice_number", "ap_invoice_number")),
        (("VendorID", "EPIVendorID"), ("vendor_id", "epi_vendor_id")),
        (("GLAccount", "GLAccount1"), ("gl_account", "gl_account1")),
    ],
)
def test_a_shortened_name_gives_way_where_both_stand_in_one_row(columns, names):
    assert snake_case(columns, "Erp.GLAccount") == dict(zip(columns, names, strict=True))


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        (("PONum", "PONUM"), "po_number"),
        (("Inactive", "InActive"), "inactive"),
        (("ZIP", "Zip"), "zip"),
        (("Vendor_ID", "VendorID"), "vendor_id"),
    ],
)
def test_two_columns_that_meet_in_one_name_are_both_named(columns, name):
    with pytest.raises(NamesMeetError) as meeting:
        snake_case(columns, "Erp.Thing")

    assert meeting.value.columns == tuple(sorted(columns))
    assert all(each in str(meeting.value) for each in (*columns, name))


def test_a_column_that_nobody_asked_for_gives_way_where_it_meets_another():
    assert snake_case(("PONum", "PONUM"), "Erp.Thing", optional={"PONUM"}) == {"PONum": "po_number"}


def names_or_meeting(columns, entity_type):
    try:
        return snake_case(columns, entity_type)
    except NamesMeetError as meeting:
        return meeting.columns, meeting.name


ROWS = st.lists(
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True)
    | st.text(min_size=1, max_size=8)
    | st.sampled_from(["InvoiceNum", "APInvoiceNum", "Thing1", "Thing", "PONum", "PONUM"]),
    unique=True,
    max_size=6,
)


@given(columns=ROWS, data=st.data())
def test_names_are_safe_total_and_do_not_depend_on_the_order(columns, data):
    names = names_or_meeting(columns, "Erp.Thing")

    assert names_or_meeting(data.draw(st.permutations(columns)), "Erp.Thing") == names
    if isinstance(names, dict):
        assert list(names) == columns
        assert len(set(names.values())) == len(columns)
        assert all(re.fullmatch("[a-z][a-z0-9]*(_[a-z0-9]+)*", name) for name in names.values())
    else:
        both, _ = names
        assert set(both) <= set(columns)
