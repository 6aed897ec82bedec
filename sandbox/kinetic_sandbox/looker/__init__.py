"""The stand-in for a Looker instance and its API, version 4.0."""

from kinetic_sandbox.faults import KINDS, Fault
from kinetic_sandbox.looker.instance import Looker, User
from kinetic_sandbox.looker.resources import (
    Commit,
    Connection,
    Datagroup,
    DerivedTable,
    LookmlError,
    LookmlTest,
    Model,
    Plan,
    Project,
)
from kinetic_sandbox.looker.sample import sample_looker
from kinetic_sandbox.looker.server import LookerServer, ReceivedCall

__all__ = [
    "KINDS",
    "Commit",
    "Connection",
    "Datagroup",
    "DerivedTable",
    "Fault",
    "Looker",
    "LookerServer",
    "LookmlError",
    "LookmlTest",
    "Model",
    "Plan",
    "Project",
    "ReceivedCall",
    "User",
    "sample_looker",
]
