"""What ended a load, in words for the person on call."""

from __future__ import annotations

import errno
import re

from singer_sdk.exceptions import InvalidInputLine, InvalidRecord, RecordsWithoutSchemaException
from snowflake.connector.errors import Error as SnowflakeError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from kinetic_target_snowflake.errors import GuardError

OUTSIDE = (
    InvalidInputLine, InvalidRecord, RecordsWithoutSchemaException, SnowflakeError, SQLAlchemyError,
    OSError,
)  # fmt: skip
"""What comes of the tap, of Snowflake, of the way there, or of this machine."""
_LONGEST = 600
_NETWORK = "Snowflake could not be reached, or the line was cut: check the network, then run again."
_KEY = (
    "Snowflake does not take these credentials: give the user the public key of `private_key` "
    "(RSA_PUBLIC_KEY), or make a new token, and check `account`, `user` and this machine's clock."
)
_RIGHTS = (
    "Grant `role` what is missing: USAGE on database, schema and warehouse, CREATE TABLE and "
    "CREATE FILE FORMAT on the schema, and OWNERSHIP of the tables it loads."
)
_WAREHOUSE = (
    "The warehouse of `warehouse` is suspended and may not resume by itself, or `role` may not use "
    "it: `alter warehouse ... set auto_resume = true`, and grant USAGE on it."
)
_QUOTA = (
    "The credits are used up: wait until the resource monitor's next period, or have its quota "
    "raised."
)
_DISK = (
    "A batch is written to this machine before it is sent: make room there, or name another folder "
    "in TMPDIR."
)
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES}
_BY_NUMBER = {
    606: _WAREHOUSE,
    2003: _RIGHTS,
    2043: _RIGHTS,
    3001: _RIGHTS,
    90073: _QUOTA,
    250001: _NETWORK,
    250003: _NETWORK,
    253003: "The stage could not be written: allow this machine the storage that `select "
    "system$allowlist()` names.",
    390100: _KEY,
    390114: _KEY,
    390144: _KEY,
    390189: "Grant `role` to `user`, or correct `role`.",
    390422: "Allow this machine's address in the network policy of `user`.",
    394300: _KEY,
    394400: _KEY,
}
_SENTENCE_ENDS = (".", "!", "?")


def explain(error: BaseException) -> str:
    """What happened and what to do, in one or two sentences."""
    if isinstance(error, GuardError):
        return str(error)
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    words = " ".join(str(getattr(cause, "raw_msg", None) or cause).split())
    words = re.sub(r" with url: \S+", "", words)[:_LONGEST]
    number = getattr(cause, "errno", None)
    told = _BY_NUMBER.get(number) if number else None
    if isinstance(cause, OSError) and number in _FULL:
        told = _DISK
    if told is None and re.search(r"timed? ?out|connection|retr(y|ies)", words, re.IGNORECASE):
        told = _NETWORK
    words = words or type(cause).__name__
    if not told:
        return words
    return f"{words if words.endswith(_SENTENCE_ENDS) else f'{words}.'} {told}"
