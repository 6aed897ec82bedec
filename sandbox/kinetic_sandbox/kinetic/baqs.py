"""Business activity queries: without parameters, with one that must be sent, with one that may."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from kinetic_sandbox.kinetic.catalog import column_of
from kinetic_sandbox.kinetic.edm import EntityFacts
from kinetic_sandbox.kinetic.faults import BUSINESS, Fault
from kinetic_sandbox.kinetic.spelling import instant
from kinetic_sandbox.kinetic.store import Row, RowTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from kinetic_sandbox.kinetic.tenant import Tenant


@dataclass(frozen=True)
class Baq:
    """A stored query: its columns, the parameters without which it refuses, and its rows."""

    query_id: str
    columns: str
    rows: Callable[[Tenant, str, Mapping[str, list[str]]], Iterable[dict[str, Any]]]
    mandatory: tuple[str, ...] = ()

    def facts(self) -> EntityFacts:
        """Return what the `Data` set looks like; its key is no key at all."""
        items = ["RowIdent:G", *self.columns.split()]
        columns = {item.split(":")[0]: column_of(item) for item in items}
        columns["RowIdent"] = replace(columns["RowIdent"], nullable=False)
        return EntityFacts(
            stream=self.query_id, service="BaqSvc", entity_set="Data",
            type_name="Epicor.DynamicQuery.QueryData", key=("RowIdent",), columns=columns,
            closed=None, closed_when=True, child_of=None, parent_link=(), changes=(),
            midnight="Z", remark="",
        )  # fmt: skip

    def run(
        self, tenant: Tenant, company: str, parameters: Mapping[str, list[str]], run: int
    ) -> RowTable:
        """Execute the query; row identifiers are made up anew on every run."""
        for name in self.mandatory:
            if not any(parameters.get(name, ())):
                message = f"Parameter {name} is not found in the input object"
                raise Fault(400, BUSINESS, message)
        table = RowTable(self.facts())
        for number, row in enumerate(self.rows(tenant, company, parameters), 1):
            ident = f"{number:08x}-0000-0000-{run % 65536:04x}-000000000000"
            values = [ident, *(row[name] for name in list(table.position)[1:])]
            table.insert(Row(values, number))
        return table


def _vendor_spend(
    tenant: Tenant, company: str, _: Mapping[str, list[str]]
) -> Iterable[dict[str, Any]]:
    invoices: dict[int, list[dict[str, Any]]] = {}
    for invoice in tenant.rows("ap_invoices", company):
        invoices.setdefault(invoice["VendorNum"], []).append(invoice)
    for vendor in tenant.rows("vendors", company):
        own = invoices.get(vendor["VendorNum"], [])
        amounts = [invoice["InvoiceAmt"] for invoice in own]
        yield {
            "Vendor_Company": company,
            "Vendor_VendorNum": vendor["VendorNum"],
            "Vendor_VendorID": vendor["VendorID"],
            "Vendor_Name": vendor["Name"],
            "Vendor_PlantRating_c": vendor.get("PlantRating_c"),
            # An outer join: without invoices there is nothing, not zero.
            "Calculated_Spend": sum(amounts, Decimal(0)) if own else None,
            "Calculated_Invoices": len(own),
            "Calculated_LastInvoice": max((row["InvoiceDate"] for row in own), default=None),
        }


def _part_stock(
    tenant: Tenant, company: str, parameters: Mapping[str, list[str]]
) -> Iterable[dict[str, Any]]:
    parts = {part["PartNum"]: part for part in tenant.rows("parts", company)}
    for stock in tenant.rows("part_warehouses", company):
        part = parts.get(stock["PartNum"])
        if part is None or stock["Plant"] not in parameters["Plant"]:
            continue
        yield {
            "PartWhse_Company": company,
            "PartWhse_PartNum": stock["PartNum"],
            "PartWhse_Plant": stock["Plant"],
            "PartWhse_WarehouseCode": stock["WarehouseCode"],
            "Part_PartDescription": part["PartDescription"],
            "PartWhse_OnHandQty": stock["OnHandQty"],
            "Calculated_StockValue": stock["OnHandQty"] * part["UnitPrice"] / 2,
        }


def _invoice_changes(
    tenant: Tenant, company: str, parameters: Mapping[str, list[str]]
) -> Iterable[dict[str, Any]]:
    since = _moment(parameters.get("Since", [""])[-1])
    change = next(each for each in tenant.entity("ap_invoices").changes if each.how == "moment")
    for invoice in tenant.rows("ap_invoices", company):
        changed = invoice[change.name]
        if since is not None and (changed is None or instant(changed) < since):
            continue
        yield {
            "APInvHed_VendorNum": invoice["VendorNum"],
            "APInvHed_InvoiceNum": invoice["InvoiceNum"],
            "APInvHed_InvoiceDate": invoice["InvoiceDate"],
            "APInvHed_Posted": invoice["Posted"],
            "APInvHed_InvoiceAmt": invoice["InvoiceAmt"],
            "APInvHed_InvoiceBal": invoice["InvoiceBal"],
            "APInvHed_ExchangeRate": invoice["ExchangeRate"],
            "Calculated_ChangedAt": changed,
        }


def _moment(text: str) -> datetime | None:
    """Read a date parameter in any ISO form; empty means that it was left out."""
    try:
        return instant(text) if text else None
    except ValueError:
        message = f"String '{text}' was not recognized as a valid DateTime."
        raise Fault(400, BUSINESS, message) from None


BAQS: dict[str, Baq] = {
    baq.query_id: baq
    for baq in (
        Baq(
            "KIN-VendorSpend",
            """
            Vendor_Company:S8 Vendor_VendorNum:I Vendor_VendorID:S8 Vendor_Name:S50
            Vendor_PlantRating_c:S20 Calculated_Spend:A Calculated_Invoices:I
            Calculated_LastInvoice:T
            """,
            _vendor_spend,
        ),
        Baq(
            "KIN-PartStock",
            """
            PartWhse_Company:S8 PartWhse_PartNum:S50 PartWhse_Plant:S8 PartWhse_WarehouseCode:S8
            Part_PartDescription:S1000 PartWhse_OnHandQty:Q Calculated_StockValue:U
            """,
            _part_stock,
            mandatory=("Plant",),
        ),
        # Without a company column, and without a company among its parameters.
        Baq(
            "KIN-InvoiceChanges",
            """
            APInvHed_VendorNum:I APInvHed_InvoiceNum:S50 APInvHed_InvoiceDate:T APInvHed_Posted:B
            APInvHed_InvoiceAmt:A APInvHed_InvoiceBal:A APInvHed_ExchangeRate:Q
            Calculated_ChangedAt:T
            """,
            _invoice_changes,
        ),
    )
}
