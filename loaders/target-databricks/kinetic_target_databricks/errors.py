"""What ends a load, beside what the shared half refuses."""


class LoginError(Exception):
    """No token could be had; says what Databricks' library says."""
