"""Refreshes in Tableau what a complete load of Epicor Kinetic touched, and nothing else."""

__version__ = "0.1.0"
