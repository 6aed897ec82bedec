"""What ends a load."""

from singer_sdk.exceptions import MissingKeyPropertiesError, RecordsWithoutSchemaException


class LoadError(Exception):
    """Ends the load; its text is what the user reads."""


class StateError(LoadError):
    """Rows are loaded, and nobody takes the STATE that says so."""


class NoSchemaError(LoadError, RecordsWithoutSchemaException):
    """A record came before the SCHEMA message of its stream."""


class NoKeyError(LoadError, MissingKeyPropertiesError):
    """A record lacks a part of its key."""
