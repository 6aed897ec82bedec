"""Companies, vendors, customers, parts, projects."""

from __future__ import annotations

from kinetic_sandbox.kinetic.catalog.notation import TableNote

COMPANIES = TableNote(
    stream="companies",
    service="Erp.BO.CompanySvc",
    entity_set="Companies",
    type_name="Erp.Company",
    # A member may not bear its type's name, so the key column is not called `Company`.
    key="Company1",
    columns="""
        Company1:S8 Name:S50 Address1:S50 Address2:S50 City:S50 State:S50 Zip:S10 Country:S50
        CountryNum:I PhoneNum:S20 FaxNum:S20 FEIN:S20 StateTaxID:S20 CurrencyCode:S4
        FiscalCalendarID:S12 WIApplication:S10 Plant:S8 TaxRegionCode:S4 AttrCodeList:S200
    """,
    remark="AttrCodeList",
)

VENDORS = TableNote(
    stream="vendors",
    service="Erp.BO.VendorSvc",
    entity_set="Vendors",
    type_name="Erp.Vendor",
    key="Company VendorNum",
    columns="""
        Company:S8 VendorNum:I VendorID:S8 Name:S50 Address1:S50 Address2:S50 Address3:S50
        City:S50 State:S50 ZIP:S10 Country:S50 CountryNum:I Approved:B PayHold:B OneCheck:B
        Print1099:B TermsCode:S4 TermsCodeDescription:S30* GroupCode:S4 CurrencyCode:S4
        PurPoint:S4 PrimPCon:I TaxPayerID:S20 TIN:S20 TINType:S1 OrgRegCode:S15
        TaxRegionCode:S4 PMUID:I PrimaryBankID:S10 DefaultFOB:S15 ShipViaCode:S4
        EMailAddress:S50 PhoneNum:S20 FaxNum:S20 VendURL:S100 AccountRef:S100 MinOrderValue:A
        GlobalVendor:B LegalName:S100 FormTypeID:S12 Code1099ID:S12 ExternalId:S20
        ElecRemittanceHostUserName:S50 ElecRemittanceHostPassword:S50
        PlantRating_c:S20 AuditedOn_c:T
    """,
    flag="Inactive",
    documented_flag="Inactive",
    remark="AccountRef",
    midnight="",
    has_ud_table=True,
)

CUSTOMERS = TableNote(
    stream="customers",
    service="Erp.BO.CustomerSvc",
    entity_set="Customers",
    type_name="Erp.Customer",
    key="Company CustNum",
    columns="""
        Company:S8 CustNum:I CustID:S10 Name:S50 LegalName:S100 CustomerType:S3 Address1:S50
        Address2:S50 Address3:S50 City:S50 State:S50 Zip:S10 Country:S50 CountryNum:I
        TermsCode:S4 CurrencyCode:S4 GroupCode:S4 TerritoryID:S8 SalesRepCode:S8
        ParentCustNum:I CreditHold:B CreditLimit:U TaxRegionCode:S4 ResaleID:S20 ShipViaCode:S4
        EMailAddress:S50 PhoneNum:S20 CustURL:S100 EstDate:T Comment:S1000 KeyAccount_c:B
    """,
    flag="Inactive",
    documented_flag="Inactive",
    changes="ChangedBy:user ChangeDate:day ChangeTime:seconds",
    remark="Comment",
    midnight="",
)

PARTS = TableNote(
    stream="parts",
    service="Erp.BO.PartSvc",
    entity_set="Parts",
    type_name="Erp.Part",
    key="Company PartNum",
    columns="""
        Company:S8 PartNum:S50 PartDescription:S1000 SearchWord:S8 ClassID:S4 ProdCode:S8
        TypeCode:S1 IUM:S6 PUM:S6 SalesUM:S6 UOMClassID:S12 NonStock:B QtyBearing:B UnitPrice:U
        PricePerCode:S2 InternalUnitPrice:U CostMethod:S1 TaxCatID:S10 OnHold:B RunOut:B
        TrackLots:B TrackSerialNum:B PhantomBOM:B NetWeight:F GrossWeight:F CommodityCode:S15
        MfgComment:S1000 PurComment:S1000 HasOnHandQty:B* CreatedBy:S75 CreatedOn:T
        CalibrationConstant_c:D29.9 PressureClass_c:S10
    """,
    flag="InActive",
    documented_flag="Inactive",
    changes="ChangedOn:moment",
    remark="MfgComment",
    midnight="-05:00",
    has_ud_table=True,
)

PROJECTS = TableNote(
    stream="projects",
    service="Erp.BO.ProjectSvc",
    entity_set="Projects",
    type_name="Erp.Project",
    key="Company ProjectID",
    columns="""
        Company:S8 ProjectID:S25 Description:S30 CommentText:S1000 StartDate:T EndDate:T
        DueDate:T CustNum:I ConProjMgr:S8 CurrencyCode:S4 TotQuoted:A TotInvoiced:A
        ConTotValue:A WarehouseCode:S8 Plant:S8 Sponsor_c:S50
    """,
    flag="!ActiveProject",
    documented_flag="Inactive",
    remark="CommentText",
    midnight="-05:00",
)

MASTERS = (COMPANIES, VENDORS, CUSTOMERS, PARTS, PROJECTS)
