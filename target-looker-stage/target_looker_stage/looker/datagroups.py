"""Looker's datagroups, found by the names that settings give them."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

from target_looker_stage.errors import LookerError

from .api import place
from .refusals import Denied

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from .api import LookerApi

_FIELDS = {"trigger": "triggered_at", "reset": "stale_before"}
_NAMED_AT_MOST = 8


class Datagroup(NamedTuple):
    """One that Looker shows.

    Attributes:
        name: model::name.
        may_update: whether the user may trigger it; None where Looker does not say.
        triggered_at: seconds since 1970.
        trigger_error: of Looker's own last look at the trigger.
    """

    id: str
    name: str
    may_update: bool | None
    triggered_at: int | None
    trigger_error: str | None


class UnknownDatagroup(LookerError):
    """A setting names a datagroup that Looker does not show."""


def affected(
    datagroups: Mapping[str, Sequence[str]], streams: Collection[str]
) -> dict[str, set[str]]:
    """The changed streams of each datagroup that has any.

    Args:
        datagroups: globs by the datagroup's name in the settings.
        streams: that changed.
    """
    found = {
        name: {stream for stream in streams if any(fnmatchcase(stream, glob) for glob in globs)}
        for name, globs in datagroups.items()
    }
    return {name: mine for name, mine in found.items() if mine}


def shown(api: LookerApi) -> list[Datagroup]:
    """All that the user may see.

    Raises:
        LookerError: naming the permission that is missing.
    """
    try:
        listed = api.ask("GET", "/datagroups", expects=list)
    except Denied as error:
        raise LookerError(
            f"Looker does not list datagroups for the API user ({error.status}): an administrator "
            "has to add `see_datagroups` and `update_datagroups` to the permission set of its role"
        ) from error
    return [_datagroup(each) for each in listed]


def find(name: str, among: Sequence[Datagroup]) -> Datagroup:
    """By model::name, or by the name alone where one model has it.

    Raises:
        UnknownDatagroup: with what there is, and what to do.
    """
    found = [each for each in among if name in {each.name, each.name.partition("::")[2]}]
    if len(found) == 1:
        return found[0]
    if found:
        models = ", ".join(each.name for each in found)
        raise UnknownDatagroup(
            f"`looker_datagroups` names {name}, which several models have: write one of {models}"
        )
    names = [each.name for each in among]
    more = ", ..." if len(names) > _NAMED_AT_MOST else ""
    there = ", ".join(names[:_NAMED_AT_MOST]) + more if names else "none"
    raise UnknownDatagroup(
        f"`looker_datagroups` names {name}, which Looker does not show to the API user (it shows: "
        f"{there}): deploy the LookML that declares it (`looker-refresh deploy`), have an "
        "administrator add its model to the model set of the user's role, or correct the name"
    )


def notify(api: LookerApi, datagroup: Datagroup, notice: str, at: int) -> None:
    """Trigger a datagroup, or only let its cache be stale.

    Args:
        api: the client.
        datagroup: which one.
        notice: `trigger` or `reset`.
        at: seconds since 1970; what was cached before is stale.

    Raises:
        LookerError: naming the permission that is missing.
    """
    try:
        api.ask("PATCH", f"/datagroups/{place(datagroup.id)}", body={_FIELDS[notice]: at})
    except Denied as error:
        raise LookerError(
            f"Looker takes no notice for datagroup {datagroup.name} from the API user "
            f"({error.status}): an administrator has to add `update_datagroups` to the permission "
            f"set of its role, for model {datagroup.name.partition('::')[0]}"
        ) from error


def _datagroup(told: Mapping[str, Any]) -> Datagroup:
    can = told.get("can") or {}
    return Datagroup(
        str(told["id"]),
        f"{told.get('model_name')}::{told.get('name')}",
        can.get("update"),
        told.get("triggered_at"),
        told.get("trigger_error"),
    )
