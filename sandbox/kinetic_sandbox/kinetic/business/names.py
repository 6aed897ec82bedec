"""What things are called at a maker of pumps and valves."""

from __future__ import annotations

VENDOR_STEMS = (
    "Brightwater Castings", "Zürich Präzisionsteile", "東京精密シール", "Nordhavn Bearings",
    "O'Malley & Sons Fasteners", "Cascade Coatings", "Ibérica de Fundición", "Granite Hydraulics",
    "Lakeshore Motors", "Pennine Steel", "Quarry Street Tooling", "Rosebank Electrical",
    "Sable Freight", "Tiber Gaskets", "Umber Packaging", "Vesper Instruments",
    "Wexford Calibration", "Yarrow Springs", 'The "Blue" Pipe Company', "Ångström Optik",
)  # fmt: skip
VENDOR_FORMS = ("Inc.", "GmbH", "Ltd", "SA", "LLC")
PLACES = (
    ("Duluth", "MN", "United States"), ("Zürich", "ZH", "Switzerland"), ("東京", "", "Japan"),
    ("Halifax", "", "United Kingdom"), ("Bilbao", "", "Spain"), ("Toledo", "OH", "United States"),
)  # fmt: skip
CUSTOMER_STEMS = (
    "Harbor Water Authority", "Stadtwerke Königsfeld", "Red Mesa Irrigation", "Northern Dairies",
    "Pacific Desalination", "Elm Valley Brewing", "Société des Eaux du Lac", "Copperline Mining",
    "Tidewater Shipyard", "Orchard Foods",
)  # fmt: skip
PART_KINDS = (
    ("PMP", "Centrifugal pump", "FIN"), ("VLV", "Gate valve", "FIN"), ("IMP", "Impeller", "CAST"),
    ("SEA", "Mechanical seal", "SEAL"), ("MOT", "Electric motor", "ELEC"),
    ("BRG", "Bearing", "MECH"), ("GSK", "Gasket", "SEAL"), ("FLG", "Flange", "CAST"),
    ("BLT", "Hex bolt", "FAST"), ("SHF", "Shaft", "MECH"),
)  # fmt: skip
MATERIALS = ("316 stainless", "ductile iron", "bronze", "Viton", "carbon steel")
PROJECTS = (
    "Foundry rebuild", "Test bed 4", "Halle 7 Erweiterung", "Seawater pump line",
    "Warehouse racking", "ERP phase 2", "Solar roof", "Valve cell automation",
)  # fmt: skip
TERMS = (("N30", 30), ("N45", 45), ("N60", 60), ("N14", 14))
BUYERS = ("ABRANDT", "JOKAFOR", "MSUZUKI")
WAREHOUSES = (("MAIN", "MfgSys", "Main store"), ("FND", "MfgSys", "Foundry"), ("EXT", "West", "西"))

# Texts that trip careless readers: they look like the answer around them, or break a line.
AWKWARD_TEXTS = (
    'quoted from the vendor: ","value":[{"PONum":1}] end',
    'C:\\drawings\\new\\rev\u2009B "final"\nsecond line\ttabbed',
    'Größe ½" ‰ 漏れ試験済み 🔧',
    '{"@odata.nextLink": "not a link"}',
)


def awkward_text(number: int, *, every: int) -> str:
    """Return such a text for the first few of every so many numbers, else nothing."""
    place = number % every
    return AWKWARD_TEXTS[place] if place < len(AWKWARD_TEXTS) else ""
