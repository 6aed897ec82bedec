"""AP invoices and payments, with their lines."""

from __future__ import annotations

from kinetic_sandbox.kinetic.catalog.notation import TableNote

AP_INVOICES = TableNote(
    stream="ap_invoices",
    service="Erp.BO.APInvoiceSvc",
    entity_set="APInvoices",
    type_name="Erp.APInvoice",
    key="Company VendorNum InvoiceNum",
    columns="""
        Company:S8 VendorNum:I InvoiceNum:S50 InvoiceDate:T DueDate:T ApplyDate:T DiscountDate:T
        InvoiceType:S3 DebitMemo:B OpenPayable:B Posted:B GroupID:S9 TermsCode:S4 CurrencyCode:S4
        ExchangeRate:Q InvoiceAmt:A DocInvoiceAmt:A InvoiceBal:A DocInvoiceBal:A
        InvoiceVendorAmt:A UnpostedBal:A TaxAmt:A DocTaxAmt:A DiscountAmt:A WithholdAmt:A
        REFPONum:I InvoiceRef:S50 Description:S30 InvoiceComment:S1000 FiscalYear:I
        FiscalYearSuffix:S8 FiscalPeriod:I FiscalCalendarID:S12 JournalCode:S4 JournalNum:I
        LegalNumber:S30 EntryPerson:S75 InvoiceHeld:B PayHold:B PrePayment:B CorrectionInv:B
        CancellationInv:B RefCancelledby:S50 ReceivedDate:T PMUID:I Plant:S8
        VendorNumVendorID:S8* VendorNumName:S50*
    """,
    # Real tenants cancel with a correcting document; only the documented profile voids.
    documented_flag="Voided",
    # The customer's own column, which a customisation of his writes on each change.
    changes="ChangedBy:user ChangeDate:day ChangedAt_c:moment",
    remark="InvoiceComment",
)

AP_INVOICE_LINES = TableNote(
    stream="ap_invoice_lines",
    service="Erp.BO.APInvoiceSvc",
    entity_set="APInvDtls",
    type_name="Erp.APInvDtl",
    key="Company VendorNum InvoiceNum InvoiceLine",
    columns="""
        Company:S8 VendorNum:I InvoiceNum:S50 InvoiceLine:I LineType:S1 PartNum:S50
        Description:S1000 PONum:I POLine:I PORelNum:I PackSlip:S20 PackLine:I PurPoint:S4
        VendorQty:Q PUM:S6 OurQty:Q IUM:S6 UnitCost:U DocUnitCost:U ExtCost:A DocExtCost:A
        TotalMiscChrg:A LineDiscAmt:A TaxCatID:S10 JobNum:S14 AssetNum:S15 DMRNum:I
        GLAccount:S200* MatchDate:T FinalInvoice:B CorrectionDtl:B CancellationDtl:B
        LineComment:S1000
    """,
    changes="ChangedBy:user ChangeDate:day",
    remark="LineComment",
    child_of="APInvoices",
    parent_link="Company VendorNum InvoiceNum",
)

AP_PAYMENTS = TableNote(
    stream="ap_payments",
    service="Erp.BO.PaymentEntrySvc",
    entity_set="PaymentEntries",
    type_name="Erp.PaymentEntry",
    key="Company HeadNum",
    columns="""
        Company:S8 HeadNum:I GroupID:S9 BankAcctID:S10 CheckNum:I CheckDate:T CheckSrc:S1
        VendorNum:I VendorNumVendorID:S8* Name:S50 CheckAmt:A DocCheckAmt:A PaymentTotal:A
        DocPaymentTotal:A BankTotalAmt:A CurrencyCode:S4 ExchangeRate:Q PMUID:I PaymentNumber:S20
        ManualPrint:B Posted:B VoidedReason:S1000 VoidDate:T ClearedCheck:B ClearedDate:T
        ClearedAmt:A FiscalYear:I FiscalPeriod:I LegalNumber:S30 CheckComment:S1000
    """,
    flag="Voided",
    documented_flag="Voided",
    changes="ChangedBy:user ChangeDate:day",
    remark="CheckComment",
)

AP_PAYMENT_LINES = TableNote(
    stream="ap_payment_lines",
    service="Erp.BO.PaymentEntrySvc",
    entity_set="APTrans",
    type_name="Erp.APTran",
    # Here `Voided` is part of the key: it marks the reversing twin, not a closed row.
    key="Company HeadNum APTranNo InvoiceNum Voided",
    columns="""
        Company:S8 HeadNum:I APTranNo:I InvoiceNum:S50 Voided:B TranType:S3 TranDate:T VendorNum:I
        TranAmt:A DocTranAmt:A DiscAmt:A DocDiscAmt:A CheckNum:I FiscalYear:I FiscalPeriod:I
        Posted:B GLPosted:B TranRef:S50
    """,
    changes="ChangedBy:user ChangeDate:day",
    remark="TranRef",
    child_of="PaymentEntries",
    parent_link="Company HeadNum",
)

PAYABLES = (AP_INVOICES, AP_INVOICE_LINES, AP_PAYMENTS, AP_PAYMENT_LINES)
