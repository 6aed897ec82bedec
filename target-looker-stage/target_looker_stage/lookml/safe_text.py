"""What may stand in LookML: names and labels come from the tenant, and could be anything.

`;;` ends SQL in LookML, `${` is a reference, `{{` and `{%` are Liquid, quotes end a name or a
label. What is allowed is listed here, so that none of these has to be known one by one.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_NAME = re.compile(r"\w[\w .-]*")
_NOT_IN_LABELS = re.compile(r"[^\w .,/&()'+:-]+")
_LONGEST_LABEL = 80


def is_safe_name(name: str) -> bool:
    """Whether a table or column can be named in SQL without a way out of its quotes."""
    return bool(_NAME.fullmatch(name)) and "--" not in name and name.isprintable()


def label(text: str) -> str:
    """Text for people, without anything that LookML or Liquid would read."""
    plain = _NOT_IN_LABELS.sub(" ", text.replace("\\", " "))
    return " ".join(plain.split())[:_LONGEST_LABEL].strip()


def spoken(epicor_name: str) -> str:
    """`InvoiceNum` as `Invoice Num`, `PlantRating_c` as `Plant Rating`."""
    name = epicor_name.removesuffix("_c").removesuffix("_C")
    words = [word for part in re.split(r"[\W_]+", name) for word in _words(part)]
    return label(" ".join(word[:1].upper() + word[1:] for word in words) or name)


def _words(part: str) -> Iterator[str]:
    """`GLAcctDisp` as GL, Acct, Disp; `POs` is one."""
    start = 0
    for at in range(1, len(part)):
        before, here, after = part[at - 1], part[at], part[at + 1 :]
        begins = here.isupper() and not before.isupper()
        if begins or (here.isupper() and after[:1].islower() and after != "s"):
            yield part[start:at]
            start = at
    if part:
        yield part[start:]


def field_name(column: str, taken: Collection[str] = ()) -> str:
    """A name that LookML takes: small letters, digits and `_`, none of `taken`."""
    folded = unicodedata.normalize("NFKD", column.lower())
    name = re.sub("[^a-z0-9_]+", "_", folded).strip("_")
    if name[:1].isdigit():
        name = f"c_{name}"
    lossless = name == column.lower().strip("_")
    if lossless and name not in taken:
        return name
    digest = hashlib.sha256(column.encode()).hexdigest()[:8]
    return f"{name or 'column'}_{digest}"
