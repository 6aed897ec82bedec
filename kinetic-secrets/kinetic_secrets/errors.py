"""What ends a command: one sentence on stderr, and an exit code."""

from __future__ import annotations

import click


class Refused(click.ClickException):
    """What a setting, a file's mode or another command line mends."""

    exit_code = 2


class Damaged(click.ClickException):
    """What no setting mends: the file is not as it was written."""

    exit_code = 1
