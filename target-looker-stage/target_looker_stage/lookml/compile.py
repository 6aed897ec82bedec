"""A query of an explore as one SELECT, as Looker would ask it; in it the model can be run anywhere.

Only the joins that the fields need are there. The inner SELECT has one column for each dimension
and for what each measure takes of a row; the outer one groups. Where joins repeat the rows of a
measure's view, a row counts once for each combination of dimensions: what Looker calls symmetric
aggregates.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .parsed import Field, Found, View, references
from .scope import NotCompiledError, Scope, UnresolvedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .sql import Dialect

_OF_ROWS = {
    "sum": "SUM({})",
    "average": "AVG({})",
    "min": "MIN({})",
    "max": "MAX({})",
    "count": "COUNT({})",
    "count_distinct": "COUNT(DISTINCT {})",
}
_REPEATS_MATTER = frozenset({"sum", "average", "count"})
_OF_MEASURES = frozenset({"number", "string", "yesno", "date"})
_DIMENSION_TYPES = frozenset({"string", "number", "yesno", "date", "date_time", "time", "zipcode"})
_JOINS = {
    "left_outer": "LEFT JOIN",
    "inner": "JOIN",
    "full_outer": "FULL JOIN",
    "cross": "CROSS JOIN",
}
_REFERENCE = re.compile(r"\$\{([^}]*)\}")
_COMPARED = re.compile(r"(>=|<=|<>|!=|>|<|=)?\s*(-?\d+(?:\.\d+)?)")


@dataclass
class _Select:
    """One query as it grows.

    Attributes:
        columns: of the inner SELECT, names by their SQL.
        views: that are joined.
        grouped: the SQL of the dimensions.
    """

    columns: dict[str, str] = field(default_factory=dict)
    views: set[str] = field(default_factory=set)
    grouped: list[str] = field(default_factory=list)

    def column(self, sql: str) -> str:
        """The name of a column of the inner SELECT."""
        return self.columns.setdefault(sql, f"c{len(self.columns) + 1}")


@dataclass(frozen=True)
class Compiler:
    """Compiles queries.

    Args:
        found: what stands in the files.
        dialect: of the warehouse.
    """

    found: Found
    dialect: Dialect

    def select(
        self, explore: str, fields: Sequence[str], *, limit: int = 0, sample_rows: int = 0
    ) -> str:
        """One SELECT of fields, in their order.

        Args:
            explore: its name.
            fields: as `view.field`.
            limit: how many rows are returned; 0 for all.
            sample_rows: how many rows of the explore's own view are looked at; 0 for all.

        Raises:
            UnresolvedError: for a name that nothing has.
            NotCompiledError: for LookML that this compiler does not know.
        """
        scope = Scope.of(self.found, explore)
        wanted = [scope.field(path, scope.base) for path in fields]
        first = _Select()
        self._outer(scope, first, wanted)
        where = self._expanded(scope, first, scope.base, scope.where) if scope.where else ""
        joins = self._joins(scope, first)
        query = _Select(views=first.views)  # whether rows repeat depends on all joins
        outer = self._outer(scope, query, wanted)
        inner = ", ".join(f"{sql} AS {name}" for sql, name in query.columns.items())
        base = self._source(scope.views[scope.base], sample_rows)
        return (
            f"SELECT {', '.join(outer)} FROM (SELECT {inner or '1 AS c1'} "
            f"FROM {base} AS {self._alias(scope.base)}{joins}"
            f"{f' WHERE {where}' if where else ''}) AS looked_at"
            f"{self._grouping(wanted)}{f' LIMIT {limit}' if limit else ''}"
        )

    def _outer(
        self, scope: Scope, query: _Select, wanted: Sequence[tuple[str, Field]]
    ) -> list[str]:
        """The outer SELECT; fills the inner one."""
        query.grouped = [
            self._dimension(scope, query, alias, each)
            for alias, each in wanted
            if not each.is_measure
        ]
        return [
            self._measure(scope, query, alias, each)
            if each.is_measure
            else query.column(self._dimension(scope, query, alias, each))
            for alias, each in wanted
        ]

    @staticmethod
    def _grouping(wanted: Sequence[tuple[str, Field]]) -> str:
        numbers = [str(n) for n, (_, each) in enumerate(wanted, 1) if not each.is_measure]
        if not numbers:  # one row, and an error for a measure that does not aggregate
            return " HAVING COUNT(*) >= 0"
        return f" GROUP BY {', '.join(numbers)}"

    def _alias(self, view: str) -> str:
        return f"{self.dialect.quote}{view}{self.dialect.quote}"

    def _source(self, view: View, sample_rows: int = 0) -> str:
        table = view.body.get("derived_table", {}).get("sql")
        if table is None and "derived_table" in view.body:
            raise NotCompiledError(f"view {view.name} has a derived table without sql")
        rows = self._tables(table) if table else view.body.get("sql_table_name", view.name)
        if sample_rows:
            inner = f"({rows}) AS whole" if table else f"{rows} AS whole"
            return f"(SELECT * FROM {inner} LIMIT {sample_rows})"
        return f"({rows})" if table else str(rows)

    def _tables(self, sql: str) -> str:
        """SQL of a derived table, with the tables of other views."""
        for path in references(sql):
            view, _, rest = path.partition(".")
            if rest != "SQL_TABLE_NAME" or view not in self.found.views:
                raise UnresolvedError(f"${{{path}}}: there is no such table")
            sql = sql.replace(f"${{{path}}}", self._source(self.found.views[view]))
        return sql

    def _expanded(
        self, scope: Scope, query: _Select, alias: str, sql: str, seen: tuple[str, ...] = ()
    ) -> str:
        """SQL of a row, with every reference replaced."""
        if "{%" in sql or "{{" in sql:
            raise NotCompiledError("its SQL has Liquid")

        def replaced(match: re.Match[str]) -> str:
            path = match[1]
            if path == "TABLE":
                query.views.add(alias)
                return self._alias(alias)
            view, dot, name = path.rpartition(".")
            if name == "SQL_TABLE_NAME" and dot and view in self.found.views:
                return self._source(self.found.views[view])
            there, each = scope.field(path, alias)
            if each.is_measure:
                raise UnresolvedError(f"${{{path}}} is a measure, which a row does not have")
            if (mark := f"{there}.{each.name}") in seen:
                raise UnresolvedError(f"${{{path}}} refers to itself")
            inner = self._dimension(scope, query, there, each, (*seen, mark))
            return inner if re.fullmatch(r"[\w.\"`]+", inner) else f"({inner})"

        return _REFERENCE.sub(replaced, sql)

    def _dimension(
        self,
        scope: Scope,
        query: _Select,
        alias: str,
        each: Field,
        seen: tuple[str, ...] = (),
    ) -> str:
        if each.type not in _DIMENSION_TYPES or "case" in each.body:
            raise NotCompiledError(f"dimensions of type {each.type} are not known here")
        sql = self._expanded(scope, query, alias, each.sql, seen or (f"{alias}.{each.name}",))
        if each.frame in {"", "raw", "time"}:
            return sql
        is_day = each.body.get("datatype") == "date"
        day = sql if is_day else f"CAST({sql} AS DATE)"
        if each.frame == "date":
            return day
        if each.frame not in {"week", "month", "quarter", "year"}:
            raise NotCompiledError(f"the time frame {each.frame} is not known here")
        return self.dialect.truncated(each.frame, day)

    def _measure(
        self, scope: Scope, query: _Select, alias: str, each: Field, seen: tuple[Field, ...] = ()
    ) -> str:
        if each.type in _OF_MEASURES:
            return self._of_measures(scope, query, alias, each, (*seen, each))
        if each.type not in _OF_ROWS:
            raise NotCompiledError(f"measures of type {each.type} are not known here")
        key = self._key(scope, alias)
        conditions = list(self._conditions(scope, query, alias, each))
        if each.type == "count":
            query.views.add(alias)
            value = "1"
            if key:  # an outer join has rows without this view
                conditions.insert(0, f"{key} IS NOT NULL")
        else:
            value = self._expanded(scope, query, alias, each.sql)
        if conditions:
            value = f"CASE WHEN {' AND '.join(conditions)} THEN {value} END"
        taken = query.column(value)
        if key and each.type in _REPEATS_MATTER and scope.repeats(query.views, alias):
            groups = map(self.dialect.partition, query.grouped)
            over = ", ".join([*groups, key, f"({value}) IS NULL"])
            turn = query.column(f"ROW_NUMBER() OVER (PARTITION BY {over} ORDER BY {key})")
            taken = f"CASE WHEN {turn} = 1 THEN {taken} END"
        return _OF_ROWS[each.type].format(taken)

    def _of_measures(
        self, scope: Scope, query: _Select, alias: str, each: Field, seen: tuple[Field, ...]
    ) -> str:
        """SQL over measures; dimensions in it stand within an aggregate of its own."""
        if "${TABLE}" in each.sql:
            raise NotCompiledError("a measure of measures has ${TABLE}; name a dimension instead")

        def replaced(match: re.Match[str]) -> str:
            there, other = scope.field(match[1], alias)
            if other in seen:
                raise UnresolvedError(f"${{{match[1]}}} refers to itself")
            if other.is_measure:
                return f"({self._measure(scope, query, there, other, seen)})"
            return query.column(self._dimension(scope, query, there, other))

        return _REFERENCE.sub(replaced, each.sql)

    def _conditions(self, scope: Scope, query: _Select, alias: str, each: Field) -> Iterator[str]:
        for some in each.body.get("filters__all", ()):
            for one in some if isinstance(some, list) else [some]:
                for path, value in one.items():
                    there, other = scope.field(path, alias)
                    sql = self._dimension(scope, query, there, other)
                    yield _condition(sql, other.type, value)

    def _key(self, scope: Scope, alias: str) -> str:
        keys = scope.views[alias].keys
        return self._dimension(scope, _Select(), alias, keys[0]) if keys else ""

    def _joins(self, scope: Scope, query: _Select) -> str:
        """The joins that are needed, and what those need; notes them in the query."""
        conditions: dict[str, str] = {}
        for alias, join in reversed(scope.joins.items()):  # a join names only those before it
            if alias in query.views:
                conditions[alias] = self._expanded(scope, query, alias, join.get("sql_on", ""))
        text = ""
        for alias, join in scope.joins.items():
            if alias in conditions:
                kind = _JOINS.get(join.get("type", "left_outer"), "LEFT JOIN")
                source = self._source(scope.views[alias])
                on = f" ON {conditions[alias]}" if conditions[alias] else ""
                text += f" {kind} {source} AS {self._alias(alias)}{on}"
        return text


def _condition(sql: str, kind: str, value: str) -> str:
    """A filter of a measure as SQL."""
    if kind == "yesno" and value.lower() in {"yes", "no"}:
        is_true = f"COALESCE({sql}, FALSE)"
        return is_true if value.lower() == "yes" else f"NOT {is_true}"
    if kind == "number" and (compared := _COMPARED.fullmatch(value)):
        return f"{sql} {compared[1] or '='} {compared[2]}"
    if kind == "string" and value and not set(value) & set('%,-"^_'):
        return f"{sql} = '{value.replace(chr(39), chr(39) * 2)}'"
    raise NotCompiledError(f"the filter {value!r} is not known here")
