"""`$metadata`, the table of business objects and the settings become stream definitions."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from .business_objects import BUSINESS_OBJECTS, ROW_IDENT, BusinessObject, baq_source, parse_rule
from .config import Baq
from .errors import AccessDenied, DiscoveryError, NotFound, SettingsError
from .extract.cursor import ROW_VERSION, Cursor
from .extract.rows import ROW_ID
from .extract.terms import AtLeast, Equal, NotEqual, Verbatim
from .extract.wanted import Wanted
from .json_schema import DATE_TIME, TEXT, UnknownTypeError, column_schema
from .naming import NamesMeetError, snake_case
from .odata.literals import COMPARABLE
from .sensitive import is_sensitive

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

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
_COMPANY_OF_A_BAQ = "_Company"
"""How a BAQ's column ends that is a table's company: alias, underscore, field."""

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

    Columns go by the source's names, but for `schema`, `primary_keys` and `replication_key_name`.

    Attributes:
        facts: the row of the table of business objects, or what the settings say, overrides
            applied.
        entity: columns and key, from `$metadata`; of a BAQ without `RowIdent`, its key as set.
        cursor: the replication key, None for a full table.
        closed: judges a row open; None where no rule applies.
        unknown: columns whose type has no exact form, with the reason.
        names: the names under which columns are sent, by column.
        left_out: columns that rows may have and that are never sent.
        unselected: columns that are sent only where a catalog selects them.
        schema: JSON Schema of what is sent, all columns.
        primary_keys: as sent.
        always_sent: columns that are not for choosing: keys and replication key.
        page_size: rows to ask for.
        parameters: of a BAQ, as name and value pairs; a list repeats the name.
        bookmark_parameter: of a BAQ, the parameter that takes where a run starts.
    """

    facts: BusinessObject
    entity: EntityType
    cursor: Cursor | None
    closed: NotEqual | None
    extra: tuple[Term, ...]
    first_only: tuple[Term, ...]
    unknown: dict[str, str]
    names: Mapping[str, str]
    left_out: frozenset[str]
    unselected: frozenset[str]
    schema: dict[str, Any]
    primary_keys: tuple[str, ...]
    always_sent: tuple[str, ...]
    page_size: int
    parameters: tuple[tuple[str, str], ...] = ()
    bookmark_parameter: str | None = None

    @property
    def name(self) -> str:
        """The stream's name."""
        return self.facts.name

    @property
    def is_baq(self) -> bool:
        """Whether rows have no address of their own and no closed rule."""
        return self.facts.is_baq

    @property
    def replication_key_name(self) -> str | None:
        """The replication key as it is sent; None for a full table."""
        return self.names[self.cursor.column.name] if self.cursor else None

    @property
    def sent_key(self) -> tuple[str, ...]:
        """The source's names of the key that is sent, in its order; without what the tap adds."""
        sources = {sent: name for name, sent in self.names.items()}
        return tuple(sources[sent] for sent in self.primary_keys if sent in sources)

    def steering_columns(self) -> tuple[str, ...]:
        """Columns that have to be asked for, selected or not."""
        wanted = self.wanted("", config=None, select=())
        names = [*self.always_sent, *(c.name for c in wanted.walk_columns)]
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
            parameters=self.parameters,
            bookmark_parameter=self.bookmark_parameter,
            read_method=self.facts.read_method,
        )


def discover(
    config: TapConfig,
    read_metadata: ReadMetadata,
    only: Collection[str] | None,
    cached: Mapping[str, EntityType] | None = None,
) -> list[StreamDefinition]:
    """Define every stream that the tenant has, masters before documents, own streams last.

    Args:
        config: for overrides and own streams.
        read_metadata: a service's entity types by set name.
        only: the streams that a catalog selects; None for all.
        cached: row types that need no `$metadata`, by `service/entity_set`.

    Raises:
        DiscoveryError: when a selected stream cannot be read.
        SettingsError: when a setting names what is not there.
    """
    services = _Services(read_metadata, cached or {})
    definitions = []
    for facts in _chosen(config, only):
        entity = services.entity(facts, asked_for=_asked_for(facts, config, only))
        if entity is not None:
            definitions.append(define(facts, entity, config))
    if not definitions and only is None:
        raise SettingsError(
            f"None of the {len(BUSINESS_OBJECTS)} streams can be read at {config.api_url}. Check "
            "`api_url` (https://host/instance), and the rights of the user and of `api_key`."
        )
    return definitions


def services_to_read(
    config: TapConfig,
    only: Collection[str] | None,
    cached: Mapping[str, EntityType] | None = None,
) -> tuple[str, ...]:
    """The services whose `$metadata` `discover` will ask for, each once, in its order."""
    known = cached or {}
    return tuple(
        dict.fromkeys(facts.service for facts in _chosen(config, only) if facts.source not in known)
    )


def _chosen(config: TapConfig, only: Collection[str] | None) -> list[BusinessObject]:
    """The facts of the streams to define, overrides applied."""
    every = list(_with_overrides(config))
    names = [facts.name for facts in every]
    _check_options(config, names)
    strangers = set(only or ()) - set(names)
    if strangers:
        raise DiscoveryError(
            f"The catalog selects {_listed(strangers)}, which the tap does not have; run "
            "--discover again for a new catalog."
        )
    return [facts for facts in every if only is None or facts.name in only]


def _asked_for(
    facts: BusinessObject, config: TapConfig, only: Collection[str] | None
) -> str | None:
    """Who names a stream, so that it has to be readable: a setting, the catalog, or nobody."""
    own = next((each.setting for each in config.own_streams if each.name == facts.name), None)
    if own is not None:
        return f"`{own}`"
    if facts.name in config.stream_options:
        return f"`stream_options.{facts.name}`"
    return _CATALOG if only is not None else None


_CATALOG = "the catalog"


class _Services:
    """Reads each service's metadata once, and only where nothing is cached."""

    def __init__(self, read_metadata: ReadMetadata, cached: Mapping[str, EntityType]) -> None:
        self._read = read_metadata
        self._cached = cached
        self._known: dict[str, dict[str, EntityType] | NotFound | AccessDenied] = {}

    def entity(self, facts: BusinessObject, *, asked_for: str | None) -> EntityType | None:
        if facts.source in self._cached:
            return self._cached[facts.source]
        sets = self._sets(facts.service)
        if isinstance(sets, Exception):
            _leave_out(facts, str(sets), asked_for, sets)
            return None
        if facts.entity_set in sets:
            return sets[facts.entity_set]
        if facts.is_baq and len(sets) == 1:
            return next(iter(sets.values()))
        twin = f" A flat set of the same rows is {'/'.join(facts.twin)}." if facts.twin else ""
        where = "`stream_options`" if asked_for in {None, _CATALOG} else asked_for
        problem = (
            f"{facts.service} has no entity set {facts.entity_set}; it has {_listed(sets)}. "
            f"{where} can name another service and entity_set for {facts.name}.{twin}"
        )
        _leave_out(facts, problem, asked_for)
        return None

    def _sets(self, service: str) -> dict[str, EntityType] | NotFound | AccessDenied:
        if service not in self._known:
            try:
                self._known[service] = self._read(service)
            except (NotFound, AccessDenied) as error:
                self._known[service] = error
        return self._known[service]


def _leave_out(
    facts: BusinessObject, problem: str, asked_for: str | None, cause: Exception | None = None
) -> None:
    """Warn of a stream that cannot be read, or stop where a setting or a catalog names it."""
    if asked_for is None:
        logger.warning("Stream %s is left out. %s", facts.name, problem)
        return
    hint = " A BAQ has to be shared, and in the access scope of `api_key`." if facts.is_baq else ""
    message = f"Stream {facts.name}, which {asked_for} names, cannot be read. {problem}{hint}"
    is_mended_there = asked_for != _CATALOG and not isinstance(cause, AccessDenied)
    raise (SettingsError if is_mended_there else DiscoveryError)(message) from cause


def define(facts: BusinessObject, entity: EntityType, config: TapConfig) -> StreamDefinition:
    """Define one stream from its facts, its row type and what the user set."""
    options = config.options_of(facts.name)
    if facts.read_method == "GetRows" and not facts.table:
        raise SettingsError(
            f"`{config.where(facts.name, 'table')}` has to name the table that GetRows reads, as "
            "POHeader of Erp.BO.POSvc; Kinetic's data dictionary viewer lists them."
        )
    entity = _without_row_ident(entity) if facts.is_baq else entity
    own_key = _own_key(facts, entity, config)
    if facts.is_baq:
        entity = replace(entity, key=own_key)
    if not entity.key:
        raise DiscoveryError(
            f"Stream {facts.name}: {facts.source} has no key in $metadata; name its columns in "
            f"`{config.where(facts.name, 'primary_keys')}`."
        )
    key = own_key or entity.key
    cursor = _cursor(facts, entity, config)
    followed = (cursor.column.name,) if cursor else ()
    always_sent = tuple(dict.fromkeys((*key, *entity.key, *followed)))
    unselected = _unselected(facts, entity, config, always_sent)
    names, left_out = _names(facts.name, entity, config, unselected)
    schema, unknown = _schema(
        entity, names, decimals_as_text=config.decimal_format == "singer_decimal"
    )
    baq = next((baq for baq in config.baqs if baq.name == facts.name), None)
    has_company = any(_is_company(name, facts) for name in key)
    return StreamDefinition(
        facts=facts,
        entity=entity,
        cursor=cursor,
        closed=_closed(facts, entity, config),
        extra=(Verbatim(options.filter),) if options.filter else (),
        first_only=tuple(_since_start_date(facts, entity, config, cursor)),
        unknown=unknown,
        names=names,
        left_out=left_out | ({ROW_IDENT} if facts.is_baq else set()),
        unselected=unselected,
        schema=schema,
        primary_keys=(*(names[name] for name in key), *(() if has_company else (_OWN_COMPANY,))),
        always_sent=always_sent,
        page_size=options.page_size or config.page_size,
        parameters=baq.parameters if baq else (),
        bookmark_parameter=baq.bookmark_parameter if baq else None,
    )


_OWN_COMPANY = "_epicor_company"
_KEY_TYPES = COMPARABLE | {"Edm.Boolean", "Edm.Guid"}


def _is_company(column: str, facts: BusinessObject) -> bool:
    return column in _COMPANY_COLUMNS or (facts.is_baq and column.endswith(_COMPANY_OF_A_BAQ))


def _without_row_ident(entity: EntityType) -> EntityType:
    columns = {name: column for name, column in entity.columns.items() if name != ROW_IDENT}
    return replace(entity, columns=columns)


def _own_key(facts: BusinessObject, entity: EntityType, config: TapConfig) -> tuple[str, ...]:
    """The columns of `primary_keys`, of types that a row's address can be written with."""
    key = _own_columns(facts, entity, config, "primary_keys")
    unfit = [name for name in key if entity.columns[name].edm_type not in _KEY_TYPES]
    if unfit:
        raise SettingsError(
            f"`{config.where(facts.name, 'primary_keys')}` names {unfit[0]}, whose type "
            f"{entity.columns[unfit[0]].edm_type} is not exact enough for a key."
        )
    return key


def _own_columns(
    facts: BusinessObject, entity: EntityType, config: TapConfig, option: str
) -> tuple[str, ...]:
    """The columns that a setting names, each once; none where it is not set."""
    given: tuple[str, ...] = getattr(config.options_of(facts.name), option) or ()
    strangers = [name for name in given if name not in entity.columns]
    if strangers:
        raise SettingsError(
            f"`{config.where(facts.name, option)}` names {', '.join(strangers)}, which "
            f"{facts.source} does not have; it has {_possible(strangers[0], entity.columns)}."
        )
    return tuple(dict.fromkeys(given))


def _unselected(
    facts: BusinessObject, entity: EntityType, config: TapConfig, always_sent: tuple[str, ...]
) -> frozenset[str]:
    """All but the columns of `select`, else those that `sensitive_columns` names; never a key."""
    optional = entity.columns.keys() - set(always_sent)
    chosen = _own_columns(facts, entity, config, "select")
    if chosen:
        return frozenset(optional - set(chosen))
    return frozenset(name for name in optional if is_sensitive(name, config.sensitive_columns))


def _names(
    stream: str, entity: EntityType, config: TapConfig, unselected: frozenset[str]
) -> tuple[dict[str, str], frozenset[str]]:
    """The names under which columns are sent, and the columns that can have none."""
    columns = tuple(entity.columns)
    if not config.has_snake_case_columns:
        return {name: name for name in columns}, frozenset()
    try:
        names = snake_case(columns, entity.name, optional=unselected)
    except NamesMeetError as error:
        raise DiscoveryError(
            f"Stream {stream}: {error}. Use `column_naming: source`, or leave one of them out: "
            f"`{config.where(stream, 'select')}` names the columns to send."
        ) from error
    nameless = frozenset(entity.columns.keys() - names.keys())
    if nameless:
        logger.warning("%s: %s cannot be selected: another column has that name",
                       stream, _listed(nameless))  # fmt: skip
    return names, nameless


def _cursor(facts: BusinessObject, entity: EntityType, config: TapConfig) -> Cursor | None:
    stream, chosen = facts.name, config.options_of(facts.name).replication_key
    if chosen:
        column = entity.columns.get(chosen)
        if column is None or not Cursor.fits(column):
            fitting = [c.name for c in entity.columns.values() if Cursor.fits(c)]
            raise SettingsError(
                f"`{config.where(stream, 'replication_key')}` is {chosen}, which {entity.name} "
                f"does not have as a number or time; it has {_possible(chosen, fitting)}."
            )
        logger.info("%s: replication key %s, as set", stream, column.name)
        return Cursor(column)
    for name in () if facts.is_baq else REPLICATION_KEYS:
        if name in entity.columns:
            logger.info("%s: replication key %s, the first it has of %s", stream, name,
                        ", ".join(REPLICATION_KEYS))  # fmt: skip
            return Cursor(entity.columns[name])
    logger.info("%s: no replication key, so each run reads the whole table", stream)
    return None


def _closed(facts: BusinessObject, entity: EntityType, config: TapConfig) -> NotEqual | None:
    rules, text = facts.closed_when, config.options_of(facts.name).closed_when
    if text is not None:
        rules = (parse_rule(text),) if text else ()
        flags = [c.name for c in entity.columns.values() if c.edm_type == "Edm.Boolean"]
        if rules and rules[0].column not in flags:
            raise SettingsError(
                f"`{config.where(facts.name, 'closed_when')}` is {text!r}, which {entity.name} "
                f"does not have as a flag; it has {_possible(rules[0].column, flags)}."
            )
    for rule in rules:
        if rule.column in entity.columns:
            return NotEqual(entity.columns[rule.column], rule.closed_value)
    return None


def _since_start_date(
    facts: BusinessObject, entity: EntityType, config: TapConfig, cursor: Cursor | None
) -> Iterator[AtLeast]:
    if config.start_date is None or facts.is_master:
        return
    name = next((name for name in _CHANGE_TIMES if name in entity.columns), None)
    if facts.is_baq and cursor and not cursor.is_number:
        name = cursor.column.name
    if name is None:
        logger.warning(
            "%s is read whole: it has none of %s to compare `start_date` with",
            facts.name,
            ", ".join(_CHANGE_TIMES),
        )
        return
    yield AtLeast(Cursor(entity.columns[name]), config.start_date, or_null=True)


def _schema(
    entity: EntityType, names: Mapping[str, str], *, decimals_as_text: bool
) -> tuple[dict[str, Any], dict[str, str]]:
    """The JSON Schema of a stream's rows, and the columns that have none."""
    properties: dict[str, Any] = {}
    unknown: dict[str, str] = {}
    for column, name in ((entity.columns[column], name) for column, name in names.items()):
        try:
            properties[name] = column_schema(column, decimals_as_text=decimals_as_text)
        except UnknownTypeError as error:
            properties[name] = dict(TEXT)
            unknown[column.name] = str(error)
        if name != column.name:
            properties[name]["title"] = column.name
    for name, schema in ADDED_COLUMNS.items():
        if name in properties:
            raise DiscoveryError(f"{entity.name} has a column {name} of its own.")
        properties[name] = schema
    return {"type": "object", "properties": properties}, unknown


def _check_options(config: TapConfig, names: list[str]) -> None:
    for stream in config.stream_options:
        if stream not in names:
            raise SettingsError(
                f"`stream_options` names {stream}, which is no stream; there are {_listed(names)}."
            )
    for glob in config.sweep_streams:
        if not any(fnmatchcase(name, glob) for name in names):
            raise SettingsError(
                f"`sweep_streams` has {glob}, which is no stream; there are {_listed(names)}."
            )


def _with_overrides(config: TapConfig) -> Iterator[BusinessObject]:
    """The table of business objects and the streams of the settings, in the order of a run."""
    own = [
        BusinessObject(each.name, *baq_source(each.id), is_baq=True)
        if isinstance(each, Baq)
        # Nobody says whether it is a child set: its filter is proved as if it were.
        else BusinessObject(each.name, each.service, each.entity_set, is_child=True)
        for each in config.own_streams
    ]
    for facts in (*BUSINESS_OBJECTS, *own):
        options = config.options_of(facts.name)
        yield replace(facts, **_overrides(facts, options))


def _overrides(facts: BusinessObject, options: StreamOptions) -> dict[str, Any]:
    service = options.service or facts.service
    entity_set = options.entity_set or facts.entity_set
    is_moved = (service, entity_set) != (facts.service, facts.entity_set)
    return {
        "service": service,
        "entity_set": entity_set,
        "is_child": facts.is_child or is_moved,
        "twin": None if is_moved else facts.twin,
        "read_method": options.read_method or facts.read_method,
        "table": options.table or facts.table,
    }


_LONGEST_LIST = 20
_MOST_COLUMNS = 60


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(names)
    return _cut(ordered, _LONGEST_LIST)


def _possible(given: str, columns: Iterable[str]) -> str:
    """Columns, those that resemble what was given first."""
    every = sorted(columns)
    close = get_close_matches(given, every, cutoff=0.5)
    return _cut([*close, *(name for name in every if name not in close)], _MOST_COLUMNS)


def _cut(names: list[str], limit: int) -> str:
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more} more" if more > 0 else "")
