"""The stand-in for an Epicor Kinetic tenant and its REST API, version 2."""

from kinetic_sandbox.kinetic.changes import DayReport
from kinetic_sandbox.kinetic.edm import Column, EntityFacts
from kinetic_sandbox.kinetic.http.received import ReceivedRequest
from kinetic_sandbox.kinetic.http.server import KineticServer
from kinetic_sandbox.kinetic.http.vices import VICES, Vices
from kinetic_sandbox.kinetic.tenant import Tenant

__all__ = [
    "VICES",
    "Column",
    "DayReport",
    "EntityFacts",
    "KineticServer",
    "ReceivedRequest",
    "Tenant",
    "Vices",
]
