"""Scheduled plans: looked at, and run once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kinetic_sandbox.looker.call import Call, Done, not_found
from kinetic_sandbox.looker.instance import ADMIN

if TYPE_CHECKING:
    from kinetic_sandbox.looker.resources import Plan


def one(call: Call) -> Done:
    """One's own, or anybody's for administrators."""
    return Done(_told(_found(call)))


def run_once(call: Call) -> Done:
    """A copy of the plan is made and run; the copy is told."""
    plan = _found(call)
    call.needs("schedule_look_emails")
    plan.runs.append(call.looker.now())
    copy = {"id": f"{plan.id}0{len(plan.runs)}", "crontab": None, "run_once": True}
    return Done({**_told(plan), **call.body, **copy})


def _found(call: Call) -> Plan:
    plan = call.looker.plans.get(call.path["scheduled_plan_id"])
    user = call.session.user
    if plan is None or (plan.user_id != user.id and not user.may(ADMIN)):
        raise not_found()
    return plan


def _told(plan: Plan) -> dict[str, Any]:
    told = {name: value for name, value in vars(plan).items() if name != "runs"}
    return {**told, "enabled": True, "run_once": False, "can": {"run_once": True}}
