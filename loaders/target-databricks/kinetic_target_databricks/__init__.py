"""A thin Singer loader for Databricks."""
