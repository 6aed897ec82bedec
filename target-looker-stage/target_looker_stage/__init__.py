"""Singer target that will stage Epicor Kinetic streams for Looker. Nothing to run yet."""

__version__ = "0.1.0"
