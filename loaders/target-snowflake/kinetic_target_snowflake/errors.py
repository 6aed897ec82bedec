"""What ends a load."""


class GuardError(Exception):
    """Ends the load; its text is what the user reads."""


class StateError(GuardError):
    """Rows are loaded, and nobody took the STATE that says so."""
