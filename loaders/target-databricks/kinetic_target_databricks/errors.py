"""What ends a load."""


class LoadError(Exception):
    """Ends the load; its text is what the user reads."""


class LoginError(Exception):
    """No token could be had; says what Databricks' library says."""
