"""What ends a load."""


class LoadError(Exception):
    """Ends the load; its text is what the user reads."""
