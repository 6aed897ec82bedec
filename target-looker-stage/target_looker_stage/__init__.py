"""Lands Epicor Kinetic streams where Looker reads them, writes LookML, tells Looker."""

__version__ = "0.1.0"
