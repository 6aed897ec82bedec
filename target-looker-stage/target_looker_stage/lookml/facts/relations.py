"""What rows belong to, where more than one stream has such rows."""

from __future__ import annotations

from .shapes import Relation

VENDOR = Relation("vendors", {"VendorNum": "VendorNum"})
CUSTOMER = Relation("customers", {"CustNum": "CustNum"})
PART = Relation("parts", {"PartNum": "PartNum"})
PROJECT = Relation("projects", {"ProjectID": "ProjectID"})
ORDER = Relation("purchase_orders", {"PONum": "PONum"})
ORDER_LINE = Relation("purchase_order_lines", {"PONum": "PONum", "POLine": "POLine"})
RELEASE = Relation(
    "purchase_order_releases", {"PONum": "PONum", "POLine": "POLine", "PORelNum": "PORelNum"}
)
