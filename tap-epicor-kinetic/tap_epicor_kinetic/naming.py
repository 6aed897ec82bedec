"""Epicor's column names in snake_case: `PONum` becomes `po_number`.

The name of a column depends on the columns of its row and on the row's type, never on their
order or on what is selected.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

_SYNONYMS = {"APInvoiceNum": "InvoiceNum", "EPIVendorID": "VendorID"}
"""Other names of a column; each keeps its own name in a row that has both."""

_WORDS = {"InActive": "inactive", "EMail": "email", "eMail": "email"}
"""Words that Epicor spells with a capital inside."""

_TRANSLATED = {"num": "number"}

_ABBREVIATION = "ABT|AP|AR|GL|IC|ID|LOC|NUM|PM|PO|REF|UID"
"""A run of capitals that is nothing but these is split: `REFPO`, `PONUM`, `PMUID`."""

_RUN_OF_ABBREVIATIONS = re.compile(f"({_ABBREVIATION})+")
_TOKEN = re.compile(
    rf"(?P<word>(?:{'|'.join(_WORDS)})(?![a-z])"
    r"|[A-Z]{2,}s(?![a-z])"  # a plural: `POs`
    r"|[A-Z]+(?![a-z])"  # `PO` of `PONum`: the last capital begins the next word
    r"|[A-Z]?[a-z]+"
    r"|(?=\d))(?P<digits>\d*)"
)


class NamesMeetError(ValueError):
    """Two columns of one row would be sent under one name.

    Attributes:
        columns: both, in alphabetical order.
        name: what they meet in.
    """

    def __init__(self, columns: tuple[str, str], name: str) -> None:
        super().__init__(f"columns {columns[0]} and {columns[1]} would both be named {name}")
        self.columns = columns
        self.name = name


def snake_case(
    columns: Sequence[str], entity_type: str, *, optional: Collection[str] = ()
) -> dict[str, str]:
    """The names under which the columns of a row are sent.

    Args:
        columns: of one row, all of them.
        entity_type: the row's type, `Erp.GLAccount` or without its namespace: such a row's
            `GLAccount1` is `gl_account`, because no member may bear its type's name.
        optional: columns that nobody asked for; where one meets another it is left out.

    Returns:
        Lower-case identifiers of letters, digits and underscores, by column.

    Raises:
        NamesMeetError: where two columns meet in one name and neither is optional.
    """
    own = f"{entity_type.rpartition('.')[2]}1"
    full = {column: _identifier(column) for column in columns}
    short = {
        column: _identifier(own[:-1] if column == own else _SYNONYMS.get(column, column))
        for column in columns
    }
    taken = {name for column, name in full.items() if name == short[column]}
    by_name: dict[str, list[str]] = defaultdict(list)
    for column in columns:
        by_name[full[column] if short[column] in taken else short[column]].append(column)
    names = {
        column: name for name in sorted(by_name) for column in _kept(by_name[name], name, optional)
    }
    return {column: names[column] for column in columns if column in names}


def _kept(meeting: list[str], name: str, optional: Collection[str]) -> list[str]:
    if len(meeting) == 1:
        return meeting
    needed = sorted(column for column in meeting if column not in optional)
    if len(needed) > 1:
        raise NamesMeetError((needed[0], needed[1]), name)
    return needed


def _identifier(column: str) -> str:
    """The name of a column on its own; safe in every warehouse, whatever the column is called."""
    plain = "".join(
        c for c in unicodedata.normalize("NFKD", column) if not unicodedata.combining(c)
    )
    name = "_".join(word for part in re.split("[^A-Za-z0-9]+", plain) for word in _words(part))
    return name if name[:1].isalpha() else f"x_{name}".rstrip("_")


def _words(part: str) -> Iterator[str]:
    for token in _TOKEN.finditer(part):
        *before, last = _split(token["word"])
        yield from before
        yield last + token["digits"]


def _split(word: str) -> list[str]:
    if _RUN_OF_ABBREVIATIONS.fullmatch(word):
        words = re.findall(_ABBREVIATION, word)
    else:
        words = [_WORDS.get(word, word)]
    return [_TRANSLATED.get(each.lower(), each.lower()) for each in words]
