"""Facts about Epicor's business objects: which set a stream reads and what marks a row closed.

Declared once; columns stand nowhere, they come from `$metadata`. Streams run in this order:
masters first, so that every document finds what it refers to.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ClosedRule:
    """A Boolean column; the row is closed where it equals `closed_value` (null counts as open)."""

    column: str
    closed_value: bool = True


@dataclass(frozen=True)
class BusinessObject:
    """One stream.

    Attributes:
        name: the stream's name.
        service: the service, in Epicor's spelling (names are case sensitive).
        entity_set: the set within it.
        closed_when: the first of these columns that the tenant has marks closed rows.
        is_master: masters are read whole whatever `start_date` says.
        own_company: the set answers with all companies; keep the rows where this column is ours.
        is_child: a child set of its service, whose `$filter` some tenants bind to the parent.
        table: Epicor's table, as `GetRows` names it; empty where nobody has said.
        twin: service and set that show the same rows without a parent; None where there is none.
        read_method: `odata`, or `GetRows` for services whose sets end in errors.
        is_baq: a stored query, not a business object.
    """

    name: str
    service: str
    entity_set: str
    closed_when: tuple[ClosedRule, ...] = ()
    is_master: bool = False
    own_company: str | None = None
    is_child: bool = False
    table: str = ""
    twin: tuple[str, str] | None = None
    read_method: str = "odata"
    is_baq: bool = False

    @property
    def source(self) -> str:
        """`Erp.BO.POSvc/POes`."""
        return f"{self.service}/{self.entity_set}"


def _flags(*names: str) -> tuple[ClosedRule, ...]:
    """`Voided`, or `not Active` for a flag of the inverted sense."""
    return tuple(parse_rule(name) for name in names)


def parse_rule(text: str) -> ClosedRule:
    """Read `Voided` or `not Active`."""
    column = text.removeprefix("not ").strip()
    return ClosedRule(column, closed_value=not text.startswith("not "))


BUSINESS_OBJECTS = (
    BusinessObject("companies", "Erp.BO.CompanySvc", "Companies", is_master=True,
                   own_company="Company1", table="Company"),
    BusinessObject("gl_accounts", "Erp.BO.GLAccountSvc", "GLAccounts",
                   _flags("Inactive", "not Active"), is_master=True, table="GLAccount"),
    BusinessObject("gl_segments", "Erp.BO.COASvc", "COASegments", is_master=True, is_child=True,
                   table="COASegment"),
    BusinessObject("gl_segment_values", "Erp.BO.COASegValuesSvc", "COASegValues",
                   _flags("Inactive", "not ActiveFlag"), is_master=True, table="COASegValues"),
    BusinessObject("vendors", "Erp.BO.VendorSvc", "Vendors", _flags("Inactive"), is_master=True,
                   table="Vendor"),
    BusinessObject("customers", "Erp.BO.CustomerSvc", "Customers",
                   _flags("Inactive"), is_master=True, table="Customer"),
    BusinessObject("parts", "Erp.BO.PartSvc", "Parts",
                   _flags("Inactive", "InActive"), is_master=True, table="Part"),
    BusinessObject("projects", "Erp.BO.ProjectSvc", "Projects",
                   _flags("Inactive", "not ActiveProject"), is_master=True, table="Project"),
    BusinessObject("part_warehouses", "Erp.BO.PartSvc", "PartWhses", is_child=True,
                   table="PartWhse", twin=("Erp.BO.PartWhseFullSearchSvc", "PartWhseFullSearches")),
    BusinessObject("part_transactions", "Erp.BO.PartTranSvc", "PartTrans", table="PartTran"),
    BusinessObject("purchase_orders", "Erp.BO.POSvc", "POes", _flags("Voided", "VoidOrder"),
                   table="POHeader"),
    # Their search service has the thin `List` set only, so lines have no twin.
    BusinessObject("purchase_order_lines", "Erp.BO.POSvc", "PODetails",
                   _flags("Voided", "VoidLine"), is_child=True, table="PODetail"),
    BusinessObject("purchase_order_releases", "Erp.BO.POSvc", "PORels",
                   _flags("Voided", "VoidRelease"), is_child=True, table="PORel",
                   twin=("Erp.BO.PORelSearchSvc", "PORelSearches")),
    # Real tenants have no such flag on invoices: a cancelled invoice gets a correcting document.
    BusinessObject("ap_invoices", "Erp.BO.APInvoiceSvc", "APInvoices", _flags("Voided"),
                   table="APInvHed", twin=("Erp.BO.APInvSearchSvc", "APInvSearches")),
    BusinessObject("ap_invoice_lines", "Erp.BO.APInvoiceSvc", "APInvDtls", is_child=True,
                   table="APInvDtl", twin=("Erp.BO.APInvDtlSearchSvc", "APInvDtlSearches")),
    BusinessObject("ap_payments", "Erp.BO.PaymentEntrySvc", "PaymentEntries", _flags("Voided"),
                   table="CheckHed"),
    # Voided is a key column here and marks the reversing twin: payments net only with both rows.
    BusinessObject("ap_payment_lines", "Erp.BO.PaymentEntrySvc", "APTrans", is_child=True,
                   table="APTran", twin=("Erp.BO.APTranSearchSvc", "APTranSearches")),
    BusinessObject("gl_transactions", "Erp.BO.GLJrnDtlSvc", "GLJrnDtls", table="GLJrnDtl"),
)  # fmt: skip

ROW_IDENT = "RowIdent"
"""The key that `$metadata` gives to a BAQ's rows: made up anew in each run, so it is no key."""


def baq_source(query_id: str) -> tuple[str, str]:
    """The service and entity set under which a BAQ is read."""
    return f"BaqSvc/{query_id}", "Data"
