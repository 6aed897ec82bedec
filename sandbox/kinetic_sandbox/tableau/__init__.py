"""The stand-in for a Tableau Server or Tableau Cloud and its REST API."""

from kinetic_sandbox.faults import KINDS, Fault
from kinetic_sandbox.tableau.deployment import Tableau
from kinetic_sandbox.tableau.people import ConnectedApp, Session, User
from kinetic_sandbox.tableau.resources import (
    CANCELLED,
    COMPLETED,
    FAILED,
    SUCCESS,
    DataSource,
    Job,
    Plan,
    Project,
    Task,
    Update,
    Workbook,
)
from kinetic_sandbox.tableau.sample import sample_tableau
from kinetic_sandbox.tableau.server import ReceivedCall, TableauServer
from kinetic_sandbox.tableau.sites import Site

__all__ = [
    "CANCELLED",
    "COMPLETED",
    "FAILED",
    "KINDS",
    "SUCCESS",
    "ConnectedApp",
    "DataSource",
    "Fault",
    "Job",
    "Plan",
    "Project",
    "ReceivedCall",
    "Session",
    "Site",
    "Tableau",
    "TableauServer",
    "Task",
    "Update",
    "User",
    "Workbook",
    "sample_tableau",
]
