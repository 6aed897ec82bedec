"""Purchase orders, their lines and releases."""

from __future__ import annotations

from kinetic_sandbox.kinetic.catalog.notation import TableNote

PURCHASE_ORDERS = TableNote(
    stream="purchase_orders",
    service="Erp.BO.POSvc",
    entity_set="POes",
    type_name="Erp.PO",
    key="Company PONum",
    columns="""
        Company:S8 PONum:I OpenOrder:B OrderDate:T DueDate:T PromiseDate:T VendorNum:I
        VendorVendorID:S8* VendorName:S50* PurPoint:S4 BuyerID:S8 TermsCode:S4 ShipViaCode:S4
        FOB:S15 CurrencyCode:S4 ExchangeRate:Q Approve:B ApprovalStatus:S1 ApprovedBy:S75
        ApprovedDate:T ApprovedAmount:A OrderHeld:B Confirmed:B POType:S3 ContractOrder:B
        TotalOrder:A DocTotalOrder:A TotalTax:A TotalCharges:A TotalMiscCharges:A EntryPerson:S75
        CommentText:S1000 VendorRefNum:S50 LegalNumber:S30 Linked:B ExtCompany:S8 ShipName:S50
        ShipAddress1:S50 ShipCity:S50 ShipState:S50 ShipZIP:S10 ShipCountry:S50
        CarbonScore_c:Q
    """,
    flag="VoidOrder",
    documented_flag="Voided",
    changes="ChangedBy:user ChangeDate:day",
    remark="CommentText",
    midnight="-05:00",
    has_ud_table=True,
)

PURCHASE_ORDER_LINES = TableNote(
    stream="purchase_order_lines",
    service="Erp.BO.POSvc",
    entity_set="PODetails",
    type_name="Erp.PODetail",
    # Upper case in this table alone.
    key="Company PONUM POLine",
    columns="""
        Company:S8 PONUM:I POLine:I OpenLine:B PartNum:S50 RevisionNum:S12 VenPartNum:S50
        LineDesc:S1000 ClassID:S4 OrderQty:Q IUM:S6 XOrderQty:Q PUM:S6 UnitCost:U DocUnitCost:U
        ExtCost:A DocExtCost:A MiscCost:A TotalTax:A CostPerCode:S2 TaxCatID:S10 Taxable:B
        VendorNum:I DueDate:T CommodityCode:S15 Confirmed:B ContractID:S10 OrderNum:I OrderLine:I
        CommentText:S1000
    """,
    flag="VoidLine",
    documented_flag="Voided",
    changes="ChangedBy:user ChangeDate:day",
    remark="CommentText",
    child_of="POes",
    parent_link="Company PONUM",
    midnight="-05:00",
)

PURCHASE_ORDER_RELEASES = TableNote(
    stream="purchase_order_releases",
    service="Erp.BO.POSvc",
    entity_set="PORels",
    type_name="Erp.PORel",
    key="Company PONum POLine PORelNum",
    columns="""
        Company:S8 PONum:I POLine:I PORelNum:I OpenRelease:B DueDate:T PromiseDt:T NeedByDate:T
        RelQty:Q XRelQty:Q BaseQty:Q BaseUOM:S6 ReceivedQty:Q InvoicedQty:Q ArrivedQty:Q
        ShippedQty:Q InspectionQty:Q PassedQty:Q FailedQty:Q Plant:S8 WarehouseCode:S8 TranType:S7
        JobNum:S14 AssemblySeq:I JobSeqType:S1 JobSeq:I ProjectID:S25 ReqNum:I ReqLine:I
        DropShip:B FirmRelease:B Status:S1 Taxable:B
    """,
    flag="VoidRelease",
    documented_flag="Voided",
    remark="JobNum",
    child_of="POes",
    parent_link="Company PONum",
    midnight="-05:00",
)

PURCHASING = (PURCHASE_ORDERS, PURCHASE_ORDER_LINES, PURCHASE_ORDER_RELEASES)
