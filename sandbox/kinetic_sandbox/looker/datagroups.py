"""Datagroups: listed, and told that data is new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kinetic_sandbox.looker.call import Call, Done, invalid, not_found

if TYPE_CHECKING:
    from kinetic_sandbox.looker.resources import Datagroup

_TIMES = ("stale_before", "triggered_at")
_SEE, _UPDATE = "see_datagroups", "update_datagroups"


def listed(call: Call) -> Done:
    """Those of models that the user's role names."""
    call.needs(_SEE)
    mine = (each for each in call.looker.datagroups if call.session.user.may(_SEE, each.model_name))
    return Done([_told(call, each) for each in mine])


def one(call: Call) -> Done:
    """By its id."""
    return Done(_told(call, _found(call)))


def updated(call: Call) -> Done:
    """Take over a time, which may not lie in the future."""
    datagroup = _found(call)
    call.needs(_UPDATE, datagroup.model_name)
    notice = {name: call.body[name] for name in _TIMES if call.body.get(name) is not None}
    wrong = {name: text for name, at in notice.items() if (text := _wrong(at, call.looker.now()))}
    if wrong:
        raise invalid(wrong)
    vars(datagroup).update(notice)
    datagroup.notices.append(notice)
    return Done(_told(call, datagroup))


def _wrong(at: object, now: float) -> str:
    if not isinstance(at, int):
        return "Must be a UNIX timestamp"
    return "Cannot be in the future" if at > now else ""


def _found(call: Call) -> Datagroup:
    for each in call.looker.datagroups:
        if each.id == call.path["datagroup_id"]:
            call.needs(_SEE, each.model_name)
            return each
    raise not_found()


def _told(call: Call, datagroup: Datagroup) -> dict[str, Any]:
    told = {name: value for name, value in vars(datagroup).items() if name != "notices"}
    may = call.session.user.may(_UPDATE, datagroup.model_name)
    return {**told, "can": {"show": True, "update": may}}
