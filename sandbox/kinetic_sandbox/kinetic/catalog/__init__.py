"""Every table of the tenant, and the flat search twins of its child sets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kinetic_sandbox.kinetic.catalog.finance import FINANCE
from kinetic_sandbox.kinetic.catalog.masters import MASTERS
from kinetic_sandbox.kinetic.catalog.notation import Profile, TableNote, column_of, entity_facts
from kinetic_sandbox.kinetic.catalog.payables import PAYABLES
from kinetic_sandbox.kinetic.catalog.purchasing import PURCHASING
from kinetic_sandbox.kinetic.catalog.stock import STOCK

if TYPE_CHECKING:
    from kinetic_sandbox.kinetic.edm import EntityFacts

TABLES: tuple[TableNote, ...] = (*MASTERS, *FINANCE, *STOCK, *PURCHASING, *PAYABLES)

# Served because their service has them as its head set, but not a stream of the pipeline.
UNLISTED = frozenset({"gl_charts"})

STREAMS: tuple[str, ...] = (
    "companies",
    "gl_accounts",
    "gl_segments",
    "gl_segment_values",
    "vendors",
    "customers",
    "parts",
    "projects",
    "part_warehouses",
    "part_transactions",
    "purchase_orders",
    "purchase_order_lines",
    "purchase_order_releases",
    "ap_invoices",
    "ap_invoice_lines",
    "ap_payments",
    "ap_payment_lines",
    "gl_transactions",
)


@dataclass(frozen=True)
class Twin:
    """A search service that shows the same rows as another set, without a parent."""

    stream: str
    service: str
    entity_set: str
    type_name: str
    key: tuple[str, ...] | None = None
    columns: frozenset[str] | None = None
    """What a thin twin shows of the original's columns; None for all."""

    def facts(self, original: EntityFacts) -> EntityFacts:
        """Return the original's facts under this twin's name."""
        shown = {
            name: column
            for name, column in original.columns.items()
            if self.columns is None or name in self.columns
        }
        return replace(
            original,
            columns=shown,
            service=self.service,
            entity_set=self.entity_set,
            type_name=self.type_name,
            key=self.key or original.key,
            child_of=None,
            parent_link=(),
        )


# Purchase order lines have none: their search service offers only the thin `List` set.
TWINS: tuple[Twin, ...] = (
    Twin("ap_invoices", "Erp.BO.APInvSearchSvc", "APInvSearches", "Erp.APInvSearch"),
    Twin("ap_invoice_lines", "Erp.BO.APInvDtlSearchSvc", "APInvDtlSearches", "Erp.APInvDtlSearch"),
    Twin("ap_payment_lines", "Erp.BO.APTranSearchSvc", "APTranSearches", "Erp.APTranSearch"),
    Twin("purchase_order_releases", "Erp.BO.PORelSearchSvc", "PORelSearches", "Erp.PORelSearch"),
    Twin(
        "part_warehouses",
        "Erp.BO.PartWhseFullSearchSvc",
        "PartWhseFullSearches",
        "Erp.PartWhseFullSearch",
        key=("Company", "PartNum", "WarehouseCode"),
    ),
    Twin(
        "part_warehouses",
        "Erp.BO.PartWhseSearchSvc",
        "PartWhseSearches",
        "Erp.PartWhseSearch",
        key=("Company", "PartNum", "WarehouseCode"),
        columns=frozenset(
            {
                "Company",
                "PartNum",
                "Plant",
                "WarehouseCode",
                "WarehouseDescription",
                "OnHandQty",
                "AllocatedQty",
                "IUM",
                "UpdatedOn",
                "SysRowID",
                "SysRevID",
            }
        ),
    ),
)

__all__ = [
    "STREAMS",
    "TABLES",
    "TWINS",
    "UNLISTED",
    "Profile",
    "TableNote",
    "Twin",
    "column_of",
    "entity_facts",
]
