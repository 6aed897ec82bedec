"""Singer tap for Epicor Kinetic."""

__version__ = "0.1.0"
