"""The community's target-snowflake, rounding nothing and dropping nothing."""
