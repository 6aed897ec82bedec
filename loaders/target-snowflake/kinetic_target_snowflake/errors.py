"""What ends a load."""


class GuardError(Exception):
    """Ends the load; its text is what the user reads."""
