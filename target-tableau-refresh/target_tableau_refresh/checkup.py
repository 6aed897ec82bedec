"""`tableau-refresh test`: is everything there that refreshing needs, and who mends what is not?"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import ConfigError, TableauError
from .marks import Marks
from .rules import refreshes
from .tableau import INCREMENTAL_SINCE, Tableau

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .clock import Clock
    from .config import Config
    from .rules import Refresh

_OK, _FAILED, _UNKNOWN = "ok", "FAILED", "unknown"


@dataclass(frozen=True)
class Line:
    """A check and what it came to.

    Attributes:
        status: ok, FAILED or unknown.
        name: of the check.
        text: what was seen, or what is missing and who can mend it.
    """

    status: str
    name: str
    text: str

    @property
    def is_failure(self) -> bool:
        """Whether something has to be mended."""
        return self.status == _FAILED

    def __str__(self) -> str:
        return f"{self.status:<8} {self.name:<10} {self.text}"


def check(config: Config, clock: Clock) -> Iterator[Line]:
    """Every check in its order; nothing is started."""
    config.need_server()
    yield from _files(config)
    planned = refreshes(config.rules, Marks(), clock.wall())
    for name, site in config.sites.items():
        wanted = [each for each in planned if each.site == name]
        if not wanted and (name or planned):
            continue
        tableau = Tableau(config, site, clock)
        try:
            tableau.open()
            yield Line(_OK, "login", f"{tableau.place} as {tableau.user}")
            yield _version(tableau)
            yield _jobs(tableau)
            for each in wanted:
                yield _rule(tableau, each)
        except (TableauError, ConfigError) as error:
            yield Line(_FAILED, "login", str(error))
        finally:
            tableau.close()


def _files(config: Config) -> Iterator[Line]:
    if config.run_log_path is None:
        yield Line(_UNKNOWN, "run log", "`run_log_path` is not set, which the command needs")
    elif config.run_log_path.is_file():
        yield Line(_OK, "run log", str(config.run_log_path))
    else:
        yield Line(
            _UNKNOWN, "run log",
            f"{config.run_log_path} is not there yet: the first load makes it, if `run_log_path` "
            "of the tap names it",
        )  # fmt: skip
    for setting, path in (("marks", config.marks_path), ("audit", config.audit_path)):
        place = path if path.exists() else path.parent
        if place.exists() and not os.access(place, os.W_OK):
            yield Line(_FAILED, setting, f"`{setting}_path` {path} cannot be written")


def _version(tableau: Tableau) -> Line:
    text = ".".join(map(str, tableau.version))
    if tableau.can_refresh_incrementally:
        return Line(_OK, "version", f"REST API {text}")
    since = ".".join(map(str, INCREMENTAL_SINCE))
    return Line(_OK, "version", f"REST API {text}; incremental refreshes begin with {since}")


def _jobs(tableau: Tableau) -> Line:
    if tableau.lists_jobs():
        return Line(_OK, "jobs", "refreshes that others have begun can be waited for")
    return Line(
        _UNKNOWN, "jobs",
        f"{tableau.user} may not list jobs: while others refresh a target, this one tries again "
        "until it can start; an administrator's login sees them",
    )  # fmt: skip


def _rule(tableau: Tableau, refresh: Refresh) -> Line:
    what = f"{refresh.label}: {refresh.title}"
    try:
        target = tableau.find(refresh.rules[0])
        may_refresh = tableau.may_refresh(target)
    except (TableauError, ConfigError) as error:
        return Line(_FAILED, "rule", f"{what}: {error}")
    if refresh.rules[0].id:
        what += f", {target.path}"
    found = f"{what}: found, {'with an extract' if target.has_extracts else 'extract not shown'}"
    if may_refresh:
        return Line(_OK, "rule", f"{found}, may be refreshed")
    if may_refresh is False:
        return Line(
            _FAILED, "rule",
            f"{found}, but {tableau.user} may not refresh it: make that user its owner, leader of "
            "its project, or administrator of the site",
        )  # fmt: skip
    return Line(
        _UNKNOWN, "rule",
        f"{found}; {tableau.user} is neither its owner nor an administrator that Tableau shows, so "
        "whether it may be refreshed shows at the first refresh",
    )  # fmt: skip
