"""Which licence seat a request takes: the `License` header."""

from __future__ import annotations

import json

LICENCES = {
    "default": "00000003-B615-4300-957B-34956697F040",
    "web_service": "00000003-9439-4B30-A6F4-6D2FD4B9FD0F",
    "data_collection": "00000003-B8EB-40C4-8897-248CB30C5D47",
}
"""The same on every installation; from public clients, for Epicor documents none of them."""


def licence_header(claimed: str) -> dict[str, str]:
    """The header that claims a seat for each request it goes with.

    Args:
        claimed: a name out of `LICENCES`, or a licence's GUID.
    """
    return {"License": json.dumps({"ClaimedLicense": LICENCES.get(claimed, claimed)})}
