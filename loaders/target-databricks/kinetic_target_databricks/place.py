"""The schema and the volume that everything stands in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import statements
from .statements import Name

if TYPE_CHECKING:
    from .config import Config
    from .session import Session


def make_place(config: Config, session: Session) -> None:
    """Make schema and volume where they are missing; what is there needs no right to be made."""
    catalog, schema, volume = config.catalog, config.schema, config.volume
    if not session.run(statements.show_schemas(catalog, schema)):
        session.run(statements.create_schema(catalog, schema))
    if not session.run(statements.show_volumes(catalog, schema, volume)):
        session.run(statements.create_volume(Name(catalog, schema, volume)))
