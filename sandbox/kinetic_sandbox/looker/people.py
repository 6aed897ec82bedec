"""Who calls."""

from __future__ import annotations

from kinetic_sandbox.looker.call import Call, Done


def me(call: Call) -> Done:
    """The user of the token."""
    user = call.session.user
    first, _, last = user.name.partition(" ")
    told = {
        "id": user.id,
        "first_name": first,
        "last_name": last,
        "display_name": user.name,
        "email": None,
        "is_disabled": False,
        "role_ids": ["4"],
        "can": {"show": True},
    }
    wanted = call.query.get("fields")
    names = wanted.split(",") if wanted else list(told)
    return Done({name: value for name, value in told.items() if name in names})
