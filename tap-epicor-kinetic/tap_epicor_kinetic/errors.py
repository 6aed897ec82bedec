"""Everything the tap says when it stops, by what the person on call does next.

TapError                      exit code 1
├── SettingsError             exit code 2: changing a setting mends it
│   └── LoginRefused          login, key or company refused at the start
├── ServerFault               the tenant answered, and the answer stops the run
│   ├── AccessDenied          a right is missing
│   ├── NotFound              no such service, entity set or row
│   ├── LoginLost             a login that worked is refused in mid-run
│   ├── QueryRefused          the query names or compares what this tenant does not take
│   └── PageTooHeavy          a smaller page may get through
├── HostUnreachable           no answer within `retry_deadline_seconds`
├── DiscoveryError            `$metadata` and the facts or settings do not agree
├── WalkError                 pages that cannot be trusted to be complete
├── TargetGone                nobody reads stdout any more
└── Interrupted               a signal asked the run to stop

A message has three parts: what happened and where, which setting, what to do next.
Text that came from a server passes `kinetic.redaction` before it gets here.
"""

from __future__ import annotations


class TapError(Exception):
    """A reason to stop that is told in one message, without a traceback."""

    exit_code = 1


class SettingsError(TapError):
    """A setting is missing, malformed or unknown."""

    exit_code = 2


class LoginRefused(SettingsError):
    """The tenant refused the login, the API key or the company."""


class ServerFault(TapError):
    """The tenant answered with something that no retry will mend."""


class AccessDenied(ServerFault):
    """The user or the key's access scope lacks a right."""


class NotFound(ServerFault):
    """The tenant has no such service, entity set or row."""


class LoginLost(ServerFault):
    """The tenant refused a login or key that it had taken before."""


class QueryRefused(ServerFault):
    """The tenant does not take this query: an unknown property, a type it cannot compare."""


class PageTooHeavy(ServerFault):
    """The tenant could not make a page of this size; whoever asked may ask for less."""


class HostUnreachable(TapError):
    """No usable answer before the patience for one request ran out."""


class DiscoveryError(TapError):
    """`$metadata` contradicts the table of business objects, a setting or the catalog."""


class WalkError(TapError):
    """The pages of a set cannot be proven to be complete and in order."""


class TargetGone(TapError):
    """The target closed the pipe; its own log says why."""


class Interrupted(TapError):
    """A signal asked the run to stop; what was sent is in the last STATE."""
