"""What the control plane can set and show of a deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kinetic_sandbox.tableau.resources import Plan
from kinetic_sandbox.tableau.words import LANGUAGES
from kinetic_sandbox.tableau.xml import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from kinetic_sandbox.tableau.deployment import Tableau
    from kinetic_sandbox.tableau.sites import Site

_OF_ALL = {"api_version", "session_seconds", "calls_per_session", "takes_passwords", "language"}
_OF_A_SITE = {"refreshes_per_hour", "tells_retry_after"}


def controls(tableau: Tableau) -> dict[tuple[str, str], Callable[[Any], Any]]:
    """What is done for which method and path."""
    return {
        ("POST", "/settings"): lambda given: _set(tableau, given),
        ("POST", "/jobs"): lambda given: _plan(tableau, given),
        ("POST", "/expire"): lambda _: _expire(tableau),
        ("GET", "/state"): lambda _: state(tableau),
    }


def _expire(tableau: Tableau) -> dict[str, Any]:
    tableau.expire_sessions()
    return {}


def state(tableau: Tableau) -> dict[str, Any]:
    """Sites with what they hold, and how many sessions are open."""
    tableau.settle()
    return {
        "now": timestamp(tableau.now()),
        "open_sessions": tableau.open_sessions,
        "sites": {each.content_url: _site(each, tableau.now()) for each in tableau.sites},
    }


def _site(site: Site, now: float) -> dict[str, Any]:
    return {
        "refreshes": site.refreshes,
        "content": [each.path for each in (*site.datasources, *site.workbooks)],
        "jobs": [
            {
                "id": job.id,
                "type": job.type,
                "target": job.target.path,
                "status": job.status(now),
                "created": timestamp(job.created),
                "ends": timestamp(job.ends),
                "is_incremental": job.is_incremental,
            }
            for job in site.jobs
        ],
        "files": {
            each.path: [[name, len(content)] for name, content in each.files]
            for each in site.datasources
            if each.files
        },
        "updates": {
            each.path: [[update.request_id, update.actions] for update in each.updates]
            for each in site.datasources
            if each.updates
        },
    }


def _set(tableau: Tableau, given: dict[str, Any]) -> dict[str, Any]:
    """Names and values; those of a site with `site`, its content URL."""
    values = dict(given)
    sites = [_named(tableau, values.pop("site"))] if "site" in values else tableau.sites
    if unknown := sorted(values.keys() - _OF_ALL - _OF_A_SITE):
        known = ", ".join(sorted(_OF_ALL | _OF_A_SITE))
        raise ValueError(f"{unknown[0]!r} is no setting; known are {known}")
    if values.get("language", "en") not in LANGUAGES:
        raise ValueError(f"the languages are {', '.join(LANGUAGES)}")
    for name, value in values.items():
        for one in [tableau] if name in _OF_ALL else sites:
            setattr(one, name, value)
    return given


def _plan(tableau: Tableau, given: dict[str, Any]) -> dict[str, Any]:
    """How jobs go: of all, or of the next `times` on one target of one site."""
    values = dict(given)
    site, target, times = (values.pop(each, None) for each in ("site", "target", "times"))
    plan = Plan(**values)
    if target is None:
        tableau.plan = plan
    else:
        found = (tableau.sites[0] if site is None else _named(tableau, site)).find(target)
        found.plans += [plan] * int(times or 1)
    return given


def _named(tableau: Tableau, content_url: str) -> Site:
    for each in tableau.sites:
        if each.content_url == content_url:
            return each
    raise ValueError(f"{content_url!r} is no site")
