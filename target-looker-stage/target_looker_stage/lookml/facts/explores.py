"""Which views are joined to what people look at together."""

from __future__ import annotations

from .shapes import Branch, ExploreFacts

EXPLORES: tuple[ExploreFacts, ...] = (
    ExploreFacts(
        "payables", "ap_invoices", "Payables",
        "AP invoices with their lines, suppliers, orders, accounts and departments",
        (
            Branch("ap_invoice_lines", "ap_invoices", is_many=True),
            Branch("vendors", "ap_invoices"),
            Branch("purchase_orders", "ap_invoice_lines ap_invoices"),
            Branch("purchase_order_lines", "ap_invoice_lines"),
            Branch("purchase_order_releases", "ap_invoice_lines"),
            Branch("parts", "ap_invoice_lines"),
            Branch("projects", "ap_invoice_lines purchase_order_releases"),
            Branch("gl_accounts", "ap_invoice_lines"),
        ),
        segments_of="gl_accounts",
    ),
    ExploreFacts(
        "ap_payments", "ap_payments", "AP payments",
        "Payments with the invoices that they settle",
        (
            Branch("ap_payment_lines", "ap_payments", is_many=True),
            Branch("vendors", "ap_payments"),
            Branch("ap_invoices", "ap_payment_lines"),
        ),
    ),
    ExploreFacts(
        "purchasing", "purchase_orders", "Purchasing",
        "Orders with lines and releases: what was ordered, what has been received",
        (
            Branch("purchase_order_lines", "purchase_orders", is_many=True),
            Branch("purchase_order_releases", "purchase_order_lines", is_many=True),
            Branch("vendors", "purchase_orders"),
            Branch("parts", "purchase_order_lines"),
            Branch("projects", "purchase_order_releases"),
        ),
    ),
    ExploreFacts(
        "gl_journal", "gl_transactions", "GL journal",
        "Journal lines with their accounts and segments",
        (
            Branch("gl_accounts", "gl_transactions"),
            Branch("vendors", "gl_transactions"),
            Branch("customers", "gl_transactions"),
            Branch("ap_invoices", "gl_transactions"),
        ),
        segments_of="gl_transactions",
    ),
    ExploreFacts(
        "inventory", "part_warehouses", "Inventory", "What is on hand, its value and its turns",
        (
            Branch("parts", "part_warehouses"),
            Branch("part_costs", "part_warehouses"),
            Branch("part_usage", "part_warehouses", has_measures=True),
        ),
    ),
    ExploreFacts(
        "stock_movements", "part_transactions", "Stock movements",
        "Receipts, issues and adjustments; receipts against their orders",
        (
            Branch("parts", "part_transactions"),
            Branch("vendors", "part_transactions"),
            Branch("purchase_order_releases", "part_transactions"),
            Branch("purchase_orders", "part_transactions"),
            Branch("projects", "part_transactions purchase_order_releases"),
        ),
    ),
    ExploreFacts(
        "projects", "projects", "Projects", "Projects with what is ordered for them",
        (
            Branch("customers", "projects"),
            Branch("purchase_order_releases", "projects", is_many=True),
            Branch("purchase_order_lines", "purchase_order_releases"),
            Branch("purchase_orders", "purchase_order_releases"),
            Branch("vendors", "purchase_orders"),
            Branch("parts", "purchase_order_lines"),
        ),
    ),
)  # fmt: skip

DEPARTMENT = ("department", "dept", "abteilung", "cost cent", "kostenstelle")
"""How the GL segment begins that drills go by; the first that the tenant has is taken."""
