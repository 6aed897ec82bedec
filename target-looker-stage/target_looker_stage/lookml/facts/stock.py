"""Stock by warehouse, what moved it, and what it costs."""

from __future__ import annotations

from .relations import ORDER, ORDER_LINE, PART, PROJECT, RELEASE, VENDOR
from .shapes import BASE, Dimension, Measure, Money, Relation, StreamFacts

PART_COSTS = "part_costs"
"""No stream: worked out of the part transactions, one row for each part."""
PART_USAGE = "part_usage"
"""The same, one row for each part and warehouse."""
COST_COLUMNS = "MtlUnitCost LbrUnitCost BurUnitCost SubUnitCost MtlBurUnitCost"
"""The parts of a unit cost on a part transaction; those that a tenant has are added up."""
USED_UP = ("STK-MTL", "STK-ASM", "STK-CUS", "STK-UKN")
"""Transactions that take stock for good: to jobs, to customers, elsewhere. No transfers."""
USED_IN_DAYS = 365

_RECEIPT = "LEFT({TranType}, 4) = 'PUR-'"
_PROMISED = (
    "COALESCE({day purchase_order_releases.PromiseDt}, {day purchase_order_releases.DueDate})"
)

STOCK: tuple[StreamFacts, ...] = (
    StreamFacts(
        "part_warehouses", "Stock by warehouse", document="WarehouseCode",
        detail="PartNum parts.PartDescription Plant WarehouseCode OnHandQty IUM",
        days="CountedDate LastCCDate",
        relations=(
            PART,
            Relation(PART_COSTS, {"PartNum": "PartNum"}),
            # A warehouse is of one site, so this splits by site too; a transaction's own site can
            # be another one that shares the warehouse.
            Relation(PART_USAGE, {"PartNum": "PartNum", "WarehouseCode": "WarehouseCode"}),
        ),
        measures=(
            Measure("on_hand_quantity", "On hand", "sum", "{OnHandQty}"),
            Measure(
                "inventory_value", "Inventory value", "sum",
                "{OnHandQty} * {part_costs.unit_cost}",
                description="On hand, at the unit cost of the part's latest costed transaction",
            ),
            Measure(
                "turns", "Turns a year", "number",
                "1.0 * {=part_usage.used_value} / NULLIF({=inventory_value}, 0)",
                format="decimal_2",
                description=f"Cost of what was used in {USED_IN_DAYS} days, by the value on hand",
            ),
        ),
    ),
    StreamFacts(
        PART_COSTS, "Part costs",
        money=(Money("unit_cost", (BASE,), 4),),
    ),
    StreamFacts(
        PART_USAGE, "Part usage",
        money=(Money("used_cost", (BASE,)),),
        measures=(
            Measure(
                "used_value", f"Used in {USED_IN_DAYS} days", "sum", "{used_cost}",
                description="Cost of what went to jobs, to customers, or elsewhere for good",
            ),
        ),
    ),
    StreamFacts(
        "part_transactions", "Part transactions", document="TranNum",
        detail="TranNum TranDate TranType PartNum TranQty UM MtlUnitCost ExtCost",
        days="SysDate TranDate",
        money=(Money("ExtCost", (BASE,)), Money("MtlUnitCost", (BASE,), 4)),
        relations=(PART, VENDOR, RELEASE, ORDER_LINE, ORDER, PROJECT),
        dimensions=(
            Dimension(
                "is_receipt", "Is receipt", _RECEIPT, "yesno",
                description="Received from a supplier: transaction types that begin with PUR-",
            ),
            Dimension(
                "has_promise", "Has promise", f"{_RECEIPT} AND {_PROMISED} IS NOT NULL", "yesno",
                description="A receipt whose release has a promised or a due date",
            ),
            Dimension(
                "is_on_time", "Is on time", f"{_RECEIPT} AND {{day TranDate}} <= {_PROMISED}",
                "yesno", description="Not later than promised, or than due where none was promised",
            ),
        ),
        measures=(
            Measure("receipts", "Receipts", "count", where=("is_receipt",)),
            Measure("on_time_receipts", "On-time receipts", "count", where=("is_on_time",)),
            Measure(
                "promised_receipts", "Receipts with a due date", "count", where=("has_promise",)
            ),
            Measure(
                "on_time_share", "Share on time", "number",
                "1.0 * {=on_time_receipts} / NULLIF({=promised_receipts}, 0)", format="percent_1",
            ),
            Measure("receipt_value", "Receipt value", "sum", "{ExtCost}", where=("is_receipt",)),
            Measure(
                "receipt_quantity", "Receipt quantity", "sum", "{TranQty}", where=("is_receipt",)
            ),
        ),
    ),
)  # fmt: skip
