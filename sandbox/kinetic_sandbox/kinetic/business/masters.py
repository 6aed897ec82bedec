"""Master data: company, vendors, customers, parts with their warehouses, projects."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from kinetic_sandbox.kinetic.business import names
from kinetic_sandbox.kinetic.business.books import cents

if TYPE_CHECKING:
    from kinetic_sandbox.kinetic.business.books import Books
    from kinetic_sandbox.kinetic.store import Key

# Digits that a binary float would lose: 19 and 29 of them.
_EXACT_CUSTOMER = 303
EXACT_AMOUNT = Decimal("12345678901234.56789")
EXACT_CONSTANT = Decimal("12345678901234567890.123456789")
# Made up, and meant to be recognised wherever they leak to.
TAX_PAYER, TAX_NUMBER = "sbxtaxpayer-", "sbxtin-"
REMITTANCE_USER, REMITTANCE_PASSWORD = "sbxremituser-", "sbxremitpass-"


def found_company(books: Books) -> None:
    """Enter the company itself."""
    books.add(
        "companies", Company1=books.company, Name=f"Brightwater Pumps & Valves {books.company}",
        City="Duluth" if books.currency == "USD" else "Zürich", CurrencyCode=books.currency,
        Country="United States" if books.currency == "USD" else "Switzerland",
        FiscalCalendarID="MAIN", Plant="MfgSys",
    )  # fmt: skip


def add_vendor(books: Books) -> Key:
    """Enter a vendor."""
    rng, number = books.rng, _next(books, "vendors", 1000)
    stem = names.VENDOR_STEMS[number % len(names.VENDOR_STEMS)]
    generation = (number - 1001) // len(names.VENDOR_STEMS)
    name = stem if generation < 1 else f"{stem} {names.VENDOR_FORMS[generation % 5]}"
    city, state, country = names.PLACES[number % len(names.PLACES)]
    terms = names.TERMS[number % len(names.TERMS)][0]
    is_foreign, is_audited = books.happens(0.15), books.happens(0.5)
    currency = {"USD": "EUR", "EUR": "USD"}.get(books.currency, "USD")
    return books.add(
        "vendors", VendorNum=number, VendorID=f"V{number}", Name=name[:50], LegalName=name,
        Address1=f"{rng.randrange(1, 99)} Kiln Street", City=city, State=state,
        ZIP=str(55800 + number), Country=country, Approved=True, TermsCode=terms,
        TermsCodeDescription=f"Net {terms[1:]}",
        GroupCode=rng.choice(("RAW", "SERV", "MRO")), EMailAddress=f"accounts@v{number}.example",
        CurrencyCode=currency if is_foreign else books.currency,
        PhoneNum=f"+1 555 01{number % 100:02d}",
        TaxPayerID=f"{TAX_PAYER}{number}", TIN=f"{TAX_NUMBER}{number}",
        ElecRemittanceHostUserName=f"{REMITTANCE_USER}{number}",
        ElecRemittanceHostPassword=f"{REMITTANCE_PASSWORD}{number}",
        MinOrderValue=Decimal(rng.randrange(0, 500, 50)),
        PlantRating_c=rng.choice(("A", "B", "C", "")), PurPoint="MAIN",
        AuditedOn_c=books.today - timedelta(days=rng.randrange(900)) if is_audited else None,
    )  # fmt: skip


def add_customer(books: Books) -> Key:
    """Enter a customer."""
    rng, number = books.rng, _next(books, "customers", 300)
    name = names.CUSTOMER_STEMS[number % len(names.CUSTOMER_STEMS)]
    city, state, country = names.PLACES[number % len(names.PLACES)]
    return books.add(
        "customers", CustNum=number, CustID=f"C{number}", Name=f"{name} {number - 300}"[:50],
        LegalName=name, CustomerType="CUS", City=city, State=state, Country=country,
        Zip=str(40000 + number), TermsCode="N30", CurrencyCode=books.currency,
        CreditLimit=EXACT_AMOUNT if number == _EXACT_CUSTOMER else Decimal(rng.randrange(90_000)),
        EMailAddress=f"ap@c{number}.example", EstDate=books.today - timedelta(days=1500),
        KeyAccount_c=books.happens(0.2),
    )  # fmt: skip


def add_part(books: Books) -> Key:
    """Enter a part and the warehouses that hold it."""
    rng, number = books.rng, _next(books, "parts", 100)
    prefix, kind, class_id = names.PART_KINDS[number % len(names.PART_KINDS)]
    material = names.MATERIALS[number % len(names.MATERIALS)]
    part_number = f'{prefix}-{number} 1/2"' if number % 17 == 0 else f"{prefix}-{number}"
    cost = cents(Decimal(rng.randrange(90, 90_000)) / 100)
    text = f"{kind}, {material}, size {number % 12 + 1}"
    key = books.add(
        "parts", PartNum=part_number, PartDescription=text, SearchWord=prefix, ClassID=class_id,
        ProdCode="PUMPS" if number % 2 else "VALVES", TypeCode="M" if class_id == "FIN" else "P",
        IUM="EA", PUM="EA", SalesUM="EA", UOMClassID="COUNT", UnitPrice=cost * 2,
        InternalUnitPrice=cost + Decimal("0.00125"), PricePerCode="E", CostMethod="A",
        NetWeight=rng.randrange(1, 640) / 8, GrossWeight=rng.randrange(640, 800) / 8,
        QtyBearing=True, TrackLots=number % 9 == 0, HasOnHandQty=True, CreatedBy="manager",
        CreatedOn=books.now, PressureClass_c=f"PN{rng.choice((6, 10, 16, 40))}",
        CalibrationConstant_c=Decimal("1.000000001") if number % 40 else EXACT_CONSTANT,
        PurComment=names.awkward_text(number, every=30),
    )  # fmt: skip
    for warehouse in names.WAREHOUSES[: 2 if number % 10 else 3]:
        add_part_warehouse(books, part_number, warehouse)
    return key


def add_part_warehouse(books: Books, part_number: str, warehouse: tuple[str, str, str]) -> None:
    """Let a warehouse hold a part, with nothing on hand yet."""
    code, plant, description = warehouse
    # Some rows never got an id; the server sends those as an empty text.
    blank_id = {"SysRowID": ""} if code == "EXT" else None
    books.add(
        "part_warehouses", blank_id, PartNum=part_number, Plant=plant, WarehouseCode=code, IUM="EA",
        WarehouseDescription=description, MinimumQty=Decimal(books.rng.randrange(0, 40, 5)),
        MaximumQty=Decimal(500), SafetyQty=Decimal("2.5"), PrimBinNum=f"{code[0]}-01",
    )  # fmt: skip


def add_project(books: Books) -> Key:
    """Enter a project."""
    number = _next(books, "projects", 0)
    start = books.today - timedelta(days=books.rng.randrange(20, 700))
    return books.add(
        "projects", ProjectID=f"PRJ-{number:03d}",
        Description=names.PROJECTS[number % len(names.PROJECTS)], StartDate=start,
        EndDate=start + timedelta(days=365) if number % 3 else None, ConProjMgr="MSUZUKI",
        CurrencyCode=books.currency, ConTotValue=Decimal(books.rng.randrange(5_000, 400_000)),
        Plant="MfgSys", Sponsor_c="Operations",
    )  # fmt: skip


def _next(books: Books, stream: str, first: int) -> int:
    books.counters.setdefault(stream, first)
    return books.number(stream)
