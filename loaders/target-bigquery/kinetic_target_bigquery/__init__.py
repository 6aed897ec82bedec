"""The community's target-bigquery, loading each batch for certain and exactly."""
