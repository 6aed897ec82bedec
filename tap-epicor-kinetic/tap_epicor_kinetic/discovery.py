"""`$metadata` and the table of business objects become stream definitions."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .business_objects import BUSINESS_OBJECTS, BusinessObject, parse_rule
from .errors import AccessDenied, DiscoveryError, NotFound, SettingsError
from .extract.cursor import ROW_VERSION, Cursor
from .extract.rows import ROW_ID
from .extract.terms import AtLeast, Equal, NotEqual, Verbatim
from .extract.wanted import Wanted
from .json_schema import DATE_TIME, TEXT, UnknownTypeError, column_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from .config import StreamOptions, TapConfig
    from .extract.terms import Term
    from .odata.metadata import EntityType

    ReadMetadata = Callable[[str], dict[str, EntityType]]

logger = logging.getLogger("tap-epicor-kinetic")

REPLICATION_KEYS = ("UpdatedOn", ROW_VERSION, "ChangedOn", "ChangeDate")
"""In this order; most real tenants have no `UpdatedOn` anywhere, and `SysRevID` everywhere."""
_CHANGE_TIMES = ("UpdatedOn", "ChangedOn", "ChangeDate")
"""What `start_date` is compared with, whatever the replication key."""
_COMPANY_COLUMNS = ("Company", "Company1")

ADDED_COLUMNS: dict[str, dict[str, Any]] = {
    "_epicor_instance": TEXT,
    "_epicor_company": TEXT,
    "_epicor_source_id": TEXT,
    "_epicor_source_url": TEXT,
    "_epicor_synced_at": DATE_TIME,
    "_epicor_run_id": TEXT,
    "_sdc_deleted_at": DATE_TIME,
}


@dataclass(frozen=True)
class StreamDefinition:
    """All that is known of a stream before a row is read.

    Attributes:
        facts: the row of the table of business objects, overrides applied.
        entity: columns and key, from `$metadata`.
        cursor: the replication key, None for a full table.
        closed: judges a row open; None where no rule applies.
        unknown: columns whose type has no exact form, with the reason.
        page_size: rows to ask for.
    """

    facts: BusinessObject
    entity: EntityType
    cursor: Cursor | None
    closed: NotEqual | None
    extra: tuple[Term, ...]
    first_only: tuple[Term, ...]
    unknown: dict[str, str]
    schema: dict[str, Any]
    primary_keys: tuple[str, ...]
    page_size: int

    @property
    def name(self) -> str:
        """The stream's name."""
        return self.facts.name

    def steering_columns(self) -> tuple[str, ...]:
        """Columns that have to be asked for, selected or not."""
        wanted = self.wanted("", config=None, select=())
        names = [*self.entity.key, *(c.name for c in wanted.walk_columns)]
        names += [name for term in wanted.terms() for name in term.columns]
        names += [self.cursor.column.name] if self.cursor else []
        names += [ROW_ID] if ROW_ID in self.entity.columns else []
        return tuple(dict.fromkeys(names))

    def wanted(self, company: str, config: TapConfig | None, select: tuple[str, ...]) -> Wanted:
        """What to read of one company."""
        own = self.facts.own_company
        of_company = (Equal(self.entity.columns[own], company),) if own else ()
        return Wanted(
            entity=self.entity,
            cursor=self.cursor,
            closed=self.closed,
            always=(*of_company, *self.extra),
            first_only=self.first_only,
            select=select,
            is_child=self.facts.is_child,
            leaves_closed_out=config is None or config.leaves_closed_out,
            lookback_seconds=config.lookback_seconds if config else 0,
        )


def discover(
    config: TapConfig, read_metadata: ReadMetadata, only: Collection[str] | None
) -> list[StreamDefinition]:
    """Define every stream that the tenant has, masters before documents.

    Args:
        config: for overrides.
        read_metadata: a service's entity types by set name.
        only: the streams that a catalog selects; None for all.

    Raises:
        DiscoveryError: when a selected stream cannot be read, or a setting names what is not there.
    """
    _check_options(config)
    strangers = set(only or ()) - {facts.name for facts in BUSINESS_OBJECTS}
    if strangers:
        raise DiscoveryError(
            f"The catalog selects {_listed(strangers)}, which the tap does not have; run "
            "--discover again for a new catalog."
        )
    services = _Services(read_metadata)
    definitions = []
    for facts in _with_overrides(config):
        if only is not None and facts.name not in only:
            continue
        is_asked_for = only is not None or facts.name in config.stream_options
        entity = services.entity(facts, is_asked_for=is_asked_for)
        if entity is not None:
            definitions.append(define(facts, entity, config))
    if not definitions and only is None:
        raise SettingsError(
            f"None of the {len(BUSINESS_OBJECTS)} streams can be read at {config.api_url}. Check "
            "`api_url` (https://host/instance), and the rights of the user and of `api_key`."
        )
    return definitions


class _Services:
    """Reads each service's metadata once."""

    def __init__(self, read_metadata: ReadMetadata) -> None:
        self._read = read_metadata
        self._known: dict[str, dict[str, EntityType] | NotFound | AccessDenied] = {}

    def entity(self, facts: BusinessObject, *, is_asked_for: bool) -> EntityType | None:
        sets = self._sets(facts.service)
        if isinstance(sets, Exception):
            if is_asked_for:
                raise DiscoveryError(f"Stream {facts.name} cannot be read. {sets}") from sets
            logger.warning("Stream %s is left out. %s", facts.name, sets)
            return None
        if facts.entity_set in sets:
            return sets[facts.entity_set]
        problem = (
            f"{facts.service} has no entity set {facts.entity_set}; it has {_listed(sets)}. "
            f"`stream_options` can name another service and entity_set for {facts.name}."
        )
        if is_asked_for:
            raise DiscoveryError(f"Stream {facts.name} cannot be read: {problem}")
        logger.warning("Stream %s is left out: %s", facts.name, problem)
        return None

    def _sets(self, service: str) -> dict[str, EntityType] | NotFound | AccessDenied:
        if service not in self._known:
            try:
                self._known[service] = self._read(service)
            except (NotFound, AccessDenied) as error:
                self._known[service] = error
        return self._known[service]


def define(facts: BusinessObject, entity: EntityType, config: TapConfig) -> StreamDefinition:
    """Define one stream from its facts, its row type and the user's overrides."""
    options = config.options_of(facts.name)
    if not entity.key:
        raise DiscoveryError(
            f"Stream {facts.name}: {facts.service}/{facts.entity_set} has no key in $metadata."
        )
    cursor = _cursor(facts.name, entity, options)
    schema, unknown = _schema(entity, decimals_as_text=config.decimal_format == "singer_decimal")
    has_company = any(name in _COMPANY_COLUMNS for name in entity.key)
    return StreamDefinition(
        facts=facts,
        entity=entity,
        cursor=cursor,
        closed=_closed(facts, entity, options),
        extra=(Verbatim(options.filter),) if options.filter else (),
        first_only=tuple(_since_start_date(facts, entity, config)),
        unknown=unknown,
        schema=schema,
        primary_keys=entity.key if has_company else (*entity.key, "_epicor_company"),
        page_size=options.page_size or config.page_size,
    )


def _cursor(stream: str, entity: EntityType, options: StreamOptions) -> Cursor | None:
    if options.replication_key:
        column = entity.columns.get(options.replication_key)
        if column is None or not Cursor.fits(column):
            fitting = [c.name for c in entity.columns.values() if Cursor.fits(c)]
            raise SettingsError(
                f"`stream_options.{stream}.replication_key` is {options.replication_key}, "
                f"which {entity.name} does not have as a number or time; it has {_listed(fitting)}."
            )
        logger.info("%s: replication key %s, as set", stream, column.name)
        return Cursor(column)
    for name in REPLICATION_KEYS:
        if name in entity.columns:
            logger.info("%s: replication key %s, the first it has of %s", stream, name,
                        ", ".join(REPLICATION_KEYS))  # fmt: skip
            return Cursor(entity.columns[name])
    logger.info("%s: no replication key, so each run reads the whole table", stream)
    return None


def _closed(facts: BusinessObject, entity: EntityType, options: StreamOptions) -> NotEqual | None:
    rules = facts.closed_when
    if options.closed_when is not None:
        rules = (parse_rule(options.closed_when),) if options.closed_when else ()
        flags = [c.name for c in entity.columns.values() if c.edm_type == "Edm.Boolean"]
        if rules and rules[0].column not in flags:
            raise SettingsError(
                f"`stream_options.{facts.name}.closed_when` is {options.closed_when!r}, which "
                f"{entity.name} does not have as a flag; it has {_listed(flags)}."
            )
    for rule in rules:
        if rule.column in entity.columns:
            return NotEqual(entity.columns[rule.column], rule.closed_value)
    return None


def _since_start_date(
    facts: BusinessObject, entity: EntityType, config: TapConfig
) -> Iterator[AtLeast]:
    if config.start_date is None or facts.is_master:
        return
    name = next((name for name in _CHANGE_TIMES if name in entity.columns), None)
    if name is None:
        logger.warning(
            "%s is read whole: it has none of %s to compare `start_date` with",
            facts.name,
            ", ".join(_CHANGE_TIMES),
        )
        return
    yield AtLeast(Cursor(entity.columns[name]), config.start_date, or_null=True)


def _schema(entity: EntityType, *, decimals_as_text: bool) -> tuple[dict[str, Any], dict[str, str]]:
    """The JSON Schema of a stream's rows, and the columns that have none."""
    properties: dict[str, Any] = {}
    unknown: dict[str, str] = {}
    for column in entity.columns.values():
        try:
            properties[column.name] = column_schema(column, decimals_as_text=decimals_as_text)
        except UnknownTypeError as error:
            properties[column.name] = TEXT
            unknown[column.name] = str(error)
    for name, schema in ADDED_COLUMNS.items():
        if name in entity.columns:
            raise DiscoveryError(f"{entity.name} has a column {name} of its own.")
        properties[name] = schema
    return {"type": "object", "properties": properties}, unknown


def _check_options(config: TapConfig) -> None:
    names = [facts.name for facts in BUSINESS_OBJECTS]
    for stream in config.stream_options:
        if stream not in names:
            raise SettingsError(
                f"`stream_options` names {stream}, which is no stream; there are {_listed(names)}."
            )


def _with_overrides(config: TapConfig) -> Iterator[BusinessObject]:
    for facts in BUSINESS_OBJECTS:
        options = config.options_of(facts.name)
        yield replace(
            facts,
            service=options.service or facts.service,
            entity_set=options.entity_set or facts.entity_set,
            is_child=facts.is_child or bool(options.entity_set),
        )


_LONGEST_LIST = 20


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = len(ordered) - _LONGEST_LIST
    return ", ".join(ordered[:_LONGEST_LIST]) + (f" and {more} more" if more > 0 else "")
