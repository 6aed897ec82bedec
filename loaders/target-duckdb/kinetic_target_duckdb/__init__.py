"""A guard around the community's target-duckdb that keeps every row and every digit."""
