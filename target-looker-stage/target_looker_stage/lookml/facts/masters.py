"""Companies, suppliers, customers, parts, projects, and the tap's own account of its runs."""

from __future__ import annotations

from .relations import CUSTOMER
from .shapes import BASE, Measure, Money, StreamFacts

MASTERS: tuple[StreamFacts, ...] = (
    StreamFacts("companies", "Companies", document="Company1|Company", detail="Name CurrencyCode"),
    StreamFacts(
        "vendors", "Suppliers", document="VendorID|VendorNum", detail="VendorID Name City Country",
        money=(Money("MinOrderValue", ("CurrencyCode",)),),
    ),
    StreamFacts(
        "customers", "Customers", document="CustID|CustNum", detail="CustID Name City Country",
        days="EstDate ChangeDate", money=(Money("CreditLimit", (BASE,)),),
    ),
    StreamFacts(
        "parts", "Parts", document="PartNum", detail="PartNum PartDescription ClassID IUM",
        money=(Money("UnitPrice InternalUnitPrice", (BASE,), 4),),
    ),
    StreamFacts(
        "projects", "Projects", document="ProjectID", detail="ProjectID Description StartDate",
        days="StartDate EndDate DueDate",
        money=(Money("TotQuoted TotInvoiced ConTotValue", ("CurrencyCode",)),),
        relations=(CUSTOMER,),
        measures=(
            Measure("quoted", "Quoted", "sum", "{TotQuoted}"),
            Measure("invoiced", "Invoiced", "sum", "{TotInvoiced}"),
        ),
    ),
    StreamFacts("epicor_sync_runs", "Sync runs", detail="started_at company stream status"),
)  # fmt: skip
