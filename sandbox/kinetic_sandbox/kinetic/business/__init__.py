"""The manufacturer behind the tenant: what it is, what it did, and what it does on a day."""
