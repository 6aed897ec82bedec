"""What warehouses, their drivers and the network say, as one sentence with the remedy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from .errors import redacted

if TYPE_CHECKING:
    from .config import Config

_LONGEST = 400
_PASSING_STATES = re.compile(r"08|40001|40P01|42701|42710|42P0[67]|53300|55P03|57P0[123]")
"""Of 42 those of what another load has made in the meantime."""
_RACES = re.compile(r"\bpg_\w+_index\b|tuple concurrently updated")
"""PostgreSQL's words where two make the same thing at once, in spite of IF NOT EXISTS."""
_METERED = re.compile(r"rate.?limit|too many table update|^429\b", re.IGNORECASE)
"""BigQuery's, beside 403 and quota, which mean something else."""
_PASSING_WORDS = re.compile(
    r"connection (refused|reset|timed out|timeout expired|was closed|is closed|already closed)"
    r"|server closed the connection|consuming input failed|starting up|shutting down"
    r"|temporarily unavailable|too many (clients|connections|requests)|broken pipe|\b50[234]\b"
    r"|deadlock|serializ|concurrent|timed? ?out",
    re.IGNORECASE,
)
_REMEDIES = tuple(
    (re.compile(words, re.IGNORECASE), remedy)
    for words, remedy in (
        (
            (
                r"authentication failed|no password supplied|incorrect username|invalid.?credential"
                r"|pg_hba|\b401\b|role .* does not exist|expired|default credentials"
            ),
            "the warehouse refused the login: correct user and password of `sqlalchemy_url`",
        ),
        (
            (
                r"database .* does not exist|unknown database|catalog .* (not found|does not exist)"
                r"|project .* not found"
            ),
            "`sqlalchemy_url` names a database that is not there",
        ),
        (
            r"could not set lock",
            "another program has the DuckDB file open: end it, then run again",
        ),
        (
            (
                r"permission denied|insufficient.?privilege|not authorized|access denied|\b403\b"
                r"|must be owner|permission_denied"
            ),
            (
                "a right is missing: let the user of `sqlalchemy_url` create and change tables in "
                "`schema`, and make that schema if it is missing"
            ),
        ),
        (
            r"no space left|disk full|could not extend file|quota|out of memory",
            "the warehouse has no room left: free some, or have its limit raised, then run again",
        ),
        (
            r"has no equivalent in encoding",
            (
                "the database's encoding has no place for a character of this batch: have a "
                "database made with encoding UTF8"
            ),
        ),
        (
            r"out of range|overflow|value too long|invalid byte|could not convert|too large",
            "the warehouse cannot hold a value of this batch",
        ),
        (
            r"duplicate key|unique constraint",
            (
                "a table has a key of its own, which the stream's rows break: drop that "
                "constraint, or rename the table and load anew (`meltano run --full-refresh`)"
            ),
        ),
        (
            r"does not exist|not found|no such",
            (
                "something is gone that was there before: see whether somebody changes the schema "
                "while it is loaded, then run again"
            ),
        ),
    )
)


def cause(error: BaseException) -> BaseException:
    """The driver's own error."""
    return error.orig if isinstance(error, DBAPIError) and error.orig else error


def is_passing(error: BaseException) -> bool:
    """Whether the same may well succeed a little later."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    found = cause(error)
    if state := getattr(found, "sqlstate", None):
        return bool(_PASSING_STATES.match(state) or _RACES.search(str(found)))
    if _METERED.search(str(found)):
        return True
    if any(words.search(str(found)) for words, _ in _REMEDIES):
        return False
    return bool(_PASSING_WORDS.search(str(found))) or isinstance(found, ConnectionError)


def explain(error: BaseException, config: Config) -> str:
    """One sentence: what happened, and what to do."""
    found = cause(error)
    said = " ".join(redacted(str(found) or type(found).__name__, config.secrets).split())
    where = config.url.host or config.url.database or config.warehouse
    if _METERED.search(said):
        remedy = f"{config.warehouse} takes no more statements for now: run again later"
    elif is_passing(error):
        remedy = f"{where} cannot be reached or is busy: look at `sqlalchemy_url` and the network"
    else:
        remedy = next(
            (told for words, told in _REMEDIES if words.search(said)),
            f"{config.warehouse} refused a statement",
        )
    return f"{remedy} ({said[:_LONGEST]})"
