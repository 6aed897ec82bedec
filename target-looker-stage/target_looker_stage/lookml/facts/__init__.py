"""What is known of Epicor's streams and cannot be read from a catalog, in Epicor's own names.

Every staged column becomes a dimension by its type; nothing here lists them. What stands here is
which columns are calendar days, what is money and in which currency, what belongs to what, and
what people ask for. `A|B` is A, or B where a tenant has no A; names are compared without case. The
company is part of every join and stands in none of them.

SQL is written with `{Column}` or `{stream.Column}` for a column, `{day Column}` for a calendar day,
`{days_since Column}` for the days from it until today, and `{=measure}` for another measure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .explores import EXPLORES
from .ledger import LEDGER
from .masters import MASTERS
from .payables import PAYABLES
from .purchasing import PURCHASING
from .stock import STOCK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .shapes import StreamFacts

STREAMS: Mapping[str, StreamFacts] = {
    each.stream: each for each in (*MASTERS, *LEDGER, *PAYABLES, *PURCHASING, *STOCK)
}

__all__ = ["EXPLORES", "STREAMS"]
