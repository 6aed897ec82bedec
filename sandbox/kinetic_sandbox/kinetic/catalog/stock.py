"""Stock per warehouse, and what moved it."""

from __future__ import annotations

from kinetic_sandbox.kinetic.catalog.notation import TableNote

PART_WAREHOUSES = TableNote(
    stream="part_warehouses",
    service="Erp.BO.PartSvc",
    entity_set="PartWhses",
    type_name="Erp.PartWhse",
    key="Company PartNum Plant WarehouseCode",
    columns="""
        Company:S8 PartNum:S50 Plant:S8 WarehouseCode:S8 WarehouseDescription:S50* OnHandQty:Q
        AllocatedQty:Q ReservedQty:Q DemandQty:Q NonNettableQty:Q PickedQty:Q
        SalesAllocatedQty:Q JobAllocatedQty:Q MinimumQty:Q MaximumQty:Q SafetyQty:Q CountedDate:T
        LastCCDate:T PrimBinNum:S10 IUM:S6
    """,
    remark="PrimBinNum",
    child_of="Parts",
    parent_link="Company PartNum",
    midnight="-05:00",
)

PART_TRANSACTIONS = TableNote(
    stream="part_transactions",
    service="Erp.BO.PartTranSvc",
    entity_set="PartTrans",
    type_name="Erp.PartTran",
    key="Company SysDate SysTime TranNum",
    columns="""
        Company:S8 SysDate:T SysTime:I TranNum:I TranDate:T TranType:S7 TranClass:S1 PartNum:S50
        PartDescription:S1000 WareHouseCode:S8 BinNum:S10 Plant:S8 TranQty:Q ActTranQty:Q UM:S6
        MtlUnitCost:U ExtCost:A PONum:I POLine:I PORelNum:I PackSlip:S20 PackLine:I VendorNum:I
        JobNum:S14 AssemblySeq:I JobSeq:I TranReference:S50 EntryPerson:S75 InvAdjReason:S8
        CostMethod:S1 GLTrans:B PostedToGL:B
    """,
    remark="TranReference",
    midnight="-05:00",
)

STOCK = (PART_WAREHOUSES, PART_TRANSACTIONS)
