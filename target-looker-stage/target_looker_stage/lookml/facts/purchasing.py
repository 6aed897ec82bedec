"""Purchase orders, their lines and releases."""

from __future__ import annotations

from .relations import ORDER, ORDER_LINE, PART, PROJECT, VENDOR
from .shapes import BASE, Dimension, Measure, Money, StreamFacts

PURCHASING: tuple[StreamFacts, ...] = (
    StreamFacts(
        "purchase_orders", "Purchase orders", document="PONum",
        detail="PONum OrderDate DueDate vendors.Name BuyerID TotalOrder DocTotalOrder CurrencyCode",
        days="OrderDate DueDate PromiseDate ApprovedDate ChangeDate",
        money=(
            Money("TotalOrder TotalTax TotalCharges TotalMiscCharges ApprovedAmount", (BASE,)),
            Money("DocTotalOrder", ("CurrencyCode",)),
        ),
        closed="VoidOrder|Voided",
        relations=(VENDOR,),
        measures=(
            Measure("ordered", "Ordered", "sum", "{TotalOrder}"),
            Measure("document_ordered", "Ordered in document currency", "sum", "{DocTotalOrder}"),
            Measure("open_orders", "Open orders", "count", where=("OpenOrder",)),
        ),
        finer="purchase_order_releases",
    ),
    StreamFacts(
        "purchase_order_lines", "Purchase order lines", document="POLine",
        detail="PONum POLine PartNum LineDesc OrderQty UnitCost ExtCost", days="DueDate ChangeDate",
        money=(
            Money("ExtCost MiscCost TotalTax", (BASE,)),
            Money("UnitCost", (BASE,), 4),
            Money("DocExtCost", ("purchase_orders.CurrencyCode",)),
            Money("DocUnitCost", ("purchase_orders.CurrencyCode",), 4),
        ),
        closed="VoidLine|Voided", under="purchase_orders",
        relations=(ORDER, VENDOR, PART),
        measures=(
            Measure("ordered_value", "Ordered by line", "sum", "{ExtCost}"),
            Measure("ordered_quantity", "Ordered quantity of lines", "sum", "{OrderQty}"),
        ),
        finer="purchase_order_releases",
    ),
    StreamFacts(
        "purchase_order_releases", "Purchase order releases", document="PORelNum",
        detail="PONum POLine PORelNum DueDate PromiseDt RelQty ReceivedQty InvoicedQty",
        days="DueDate PromiseDt NeedByDate",
        closed="VoidRelease|Voided", under="purchase_order_lines purchase_orders",
        relations=(ORDER_LINE, ORDER, PROJECT),
        dimensions=(
            Dimension(
                "is_overdue", "Is overdue", "{OpenRelease} AND {days_since DueDate} > 0", "yesno",
                description="Open, and its due date is past",
            ),
        ),
        measures=(
            Measure("release_quantity", "Ordered quantity", "sum", "{RelQty}"),
            Measure("received_quantity", "Received quantity", "sum", "{ReceivedQty}"),
            Measure(
                "received_share", "Received against ordered", "number",
                "1.0 * {=received_quantity} / NULLIF({=release_quantity}, 0)", format="percent_1",
            ),
            Measure(
                "outstanding_quantity", "Still to come", "sum", "{RelQty} - {ReceivedQty}",
                where=("OpenRelease",), description="Of open releases",
            ),
            Measure("invoiced_release_quantity", "Invoiced quantity", "sum", "{InvoicedQty}"),
            Measure("overdue_releases", "Overdue releases", "count", where=("is_overdue",)),
        ),
    ),
)  # fmt: skip
