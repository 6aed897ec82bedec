"""Epicor's dialect over HTTP: addresses, login, faults, patience. Knows OData, not Singer."""
