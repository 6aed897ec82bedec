"""OData v4 and nothing else: metadata, literals, queries, payloads. Sends no request."""
