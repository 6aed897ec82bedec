"""What ends generating."""


class LookmlError(Exception):
    """LookML cannot be written; its text is what the user reads."""
