"""Refreshes Tableau when a load of Epicor Kinetic is complete. Nothing to run yet."""

__version__ = "0.1.0"
