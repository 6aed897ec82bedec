"""Which columns are left out until somebody asks for them: tax numbers, bank numbers, passwords."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SENSITIVE_COLUMNS = (
    "TIN",
    "*_TIN",  # the column of a BAQ: table alias, underscore, field
    "*TaxPayerID",
    "SSN",
    "*_SSN",
    "*BankAcctNum*",
    "*IBAN*",
    "*CardNumber*",
    "*Password*",
    "*ElecRemittanceHostUser*",
)
"""Globs of source column names. `BankAcctID` is the code of a bank account, not its number."""


def is_sensitive(column: str, globs: Iterable[str]) -> bool:
    """Whether a glob names the column, whatever the case of either."""
    name = column.lower()
    return any(fnmatchcase(name, glob.lower()) for glob in globs)
