"""The chart of accounts, its segments, and the general ledger."""

from __future__ import annotations

from kinetic_sandbox.kinetic.catalog.notation import TableNote

_SEGMENT_COLUMNS = " ".join(f"SegValue{number}:S50" for number in range(1, 21))

GL_ACCOUNTS = TableNote(
    stream="gl_accounts",
    service="Erp.BO.GLAccountSvc",
    entity_set="GLAccounts",
    type_name="Erp.GLAccount",
    # `GLAccount1` for the same reason as `Company1`: the type is called GLAccount.
    key="Company COACode GLAccount1",
    columns=f"""
        Company:S8 COACode:S10 GLAccount1:S200 AccountDesc:S50 {_SEGMENT_COLUMNS}
        EffFrom:T EffTo:T MultiCompany:B ParentGLAccount:S200
        GLAcctDispGLAcctDisp:S200* GLAcctDispGLShortAcct:S200*
    """,
    flag="!Active",
    documented_flag="Inactive",
    remark="AccountDesc",
    has_ud_table=True,
)

CHARTS = TableNote(
    stream="gl_charts",
    service="Erp.BO.COASvc",
    entity_set="COAs",
    type_name="Erp.COA",
    key="Company COACode",
    columns="Company:S8 COACode:S10 Description:S30 SeparatorChar:S1 GlobalCOA:B",
    remark="Description",
)

GL_SEGMENTS = TableNote(
    stream="gl_segments",
    service="Erp.BO.COASvc",
    entity_set="COASegments",
    type_name="Erp.COASegment",
    key="Company COACode SegmentNbr",
    columns="""
        Company:S8 COACode:S10 SegmentNbr:I SegmentName:S20 Abbreviation:S10 DisplayOrder:I
        Dynamic:B UseRefEntity:B RefEntity:S30 EntryControl:S30 SegSelfBal:B Length:I
    """,
    remark="Abbreviation",
    child_of="COAs",
    parent_link="Company COACode",
)

GL_SEGMENT_VALUES = TableNote(
    stream="gl_segment_values",
    service="Erp.BO.COASegValuesSvc",
    entity_set="COASegValues",
    type_name="Erp.COASegValue",
    key="Company COACode SegmentNbr SegmentCode",
    columns="""
        Company:S8 COACode:S10 SegmentNbr:I SegmentCode:S50 SegmentName:S50 SegmentDesc:S1000
        SegmentAbbrev:S20 Category:S12 NormalBalance:S1 EffectiveFrom:T EffectiveTo:T
        Statistical:I RefEntityType:S30 LinkedPlant:S8
    """,
    flag="!ActiveFlag",
    documented_flag="Inactive",
    remark="SegmentDesc",
)

GL_TRANSACTIONS = TableNote(
    stream="gl_transactions",
    service="Erp.BO.GLJrnDtlSvc",
    entity_set="GLJrnDtls",
    type_name="Erp.GLJrnDtl",
    key="Company BookID FiscalYear FiscalYearSuffix JournalCode JournalNum JournalLine",
    columns=f"""
        Company:S8 BookID:S12 FiscalYear:I FiscalYearSuffix:S8 JournalCode:S4 JournalNum:I
        JournalLine:I JEDate:T PostedDate:T PostedBy:S75 Posted:B COACode:S10 GLAccount:S200
        {_SEGMENT_COLUMNS}
        Description:S30 CommentText:S1000 FiscalPeriod:I FiscalCalendarID:S12 GroupID:S9
        SourceModule:S2 CurrencyCode:S4 DebitAmount:A CreditAmount:A BookDebitAmount:A
        BookCreditAmount:A VendorNum:I APInvoiceNum:S50 ARInvoiceNum:I CustNum:I BankAcctID:S10
        CheckNum:I ABTUID:S100 LegalNumber:S30 Reverse:B Reconciled:B Plant:S8 CreateDate:T
        GLAccountGLAcctDisp:S200* GLAccountAccountDesc:S50*
    """,
    remark="CommentText",
)

FINANCE = (GL_ACCOUNTS, CHARTS, GL_SEGMENTS, GL_SEGMENT_VALUES, GL_TRANSACTIONS)
