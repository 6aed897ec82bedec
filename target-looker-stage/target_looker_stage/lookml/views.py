"""One stream as a view: its key, a dimension for each column, money, links, measures, drills."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .drills import drill_sets, with_drills
from .facts.shapes import COMPANY, SEVERAL, SOURCE_URL, SYNCED_AT
from .measures import counted, for_tests, mark, money_of
from .safe_text import label, spoken
from .sql import Kind
from .tables import KEY, Column, MissingError, Table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from .facts.shapes import Dimension
    from .segments import Segment
    from .templates import Templates

Lookml = dict[str, Any]
ATTRIBUTES = "attributes"
_OTHER_VIEW = re.compile(r"\$\{(\w+)\.\w+\}")
_TYPES = {Kind.INTEGER: "number", Kind.NUMBER: "number", Kind.BOOLEAN: "yesno"}


@dataclass(frozen=True)
class ViewMaker:
    """Makes views of tables.

    Args:
        templates: fills the SQL of the facts.
        segments: of the chart of accounts.
        reach: by stream, the views that are there wherever its measures are offered.
        asked_for: its measures, by stream.
        notes: takes what had to be left out.
    """

    templates: Templates
    segments: Sequence[Segment]
    reach: Mapping[str, Collection[str]]
    asked_for: Mapping[str, Sequence[Lookml]]
    notes: list[str]

    def view(self, table: Table) -> Lookml:
        """The view of a table, in a form that lkml writes."""
        columns = sorted(table.columns.values(), key=lambda column: column.name)
        plain = [self._dimension(table, each) for each in columns if not each.frames]
        plain += self._worked_out(table)
        groups = [self._group(each) for each in columns if each.frames]
        marks = list(self._marks(table))
        own = [
            name
            for each in (*plain, *groups)
            if not self._names_others(each)
            for name in _fields(each)
        ]
        if table.key:
            plain = [self._key(table), *plain]
            own = [KEY, *own]
        sets: list[Lookml] = []
        shown = [counted(table)]
        if table.stream in self.reach:
            reached = self.reach[table.stream]
            sets = drill_sets(table, self.templates, self.segments, reached, self.asked_for)
            shown = with_drills(table, self.asked_for[table.stream], sets)
        attributes = {"name": ATTRIBUTES, "fields": [*own, *(each["name"] for each in marks)]}
        made: Lookml = {"name": table.view, "label": table.facts.label}
        if table.is_query:
            made["derived_table"] = {"sql": table.rows}
        else:
            made["sql_table_name"] = table.rows
        made["dimensions"] = plain
        made["dimension_groups"] = groups
        made["measures"] = [*shown, *marks, for_tests()]
        made["sets"] = [attributes, *sets]
        return {name: value for name, value in made.items() if value}

    def _key(self, table: Table) -> Lookml:
        """Each part with its length in front: no value can look like two, or like none."""
        dialect = self.templates.dialect
        parts = []
        for column in table.key:
            text = dialect.as_text(f"${{TABLE}}.{dialect.quoted(column.stored)}", column.kind)
            length = dialect.as_text(f"LENGTH({text})", Kind.INTEGER)
            parts.append(f"COALESCE({length} || ':' || {text}, '-')")
        return {
            "name": KEY,
            "primary_key": "yes",
            "hidden": "yes",
            "type": "string",
            "sql": " || ".join(parts),
        }

    def _dimension(self, table: Table, column: Column) -> Lookml:
        made: Lookml = {"name": column.name, "label": self._label(column)}
        if self._is_hidden(table, column):
            made["hidden"] = "yes"
        if column.epicor.startswith("_") and column.epicor != COMPANY:
            made["group_label"] = "Lineage"
        made["type"] = _TYPES.get(column.kind, "string")
        made["sql"] = f"${{TABLE}}.{self.templates.dialect.quoted(column.stored)}"
        made |= self._money(table, column)
        if column.kind is Kind.INTEGER:
            made["value_format_name"] = "id"
        url = table.find(SOURCE_URL)
        if url and column is _document(table):
            made["links"] = [
                {"label": "Open in Epicor Kinetic", "url": f"{{{{ {url.name}._value }}}}"}
            ]
        return made

    def _group(self, column: Column) -> Lookml:
        """Days stay days; real moments go by the reader's zone; the rest is shown in UTC."""
        dialect = self.templates.dialect
        name = f"${{TABLE}}.{dialect.quoted(column.stored)}"
        spelt = spoken(column.epicor) or column.name
        for ending in (" Date", " Dt", " On", " At"):
            spelt = spelt.removesuffix(ending)
        made: Lookml = {"name": column.name, "label": spelt}
        if column.epicor == SYNCED_AT:
            made |= {"label": "Synced", "group_label": "Lineage"}
        elif column.is_technical:
            made["hidden"] = "yes"
        elif not column.is_day and not column.is_moment:
            made["label"] = f"{spelt} (UTC)"
        made |= {"type": "time", "timeframes": list(column.frames)}
        if column.is_day:
            sql = dialect.day(name, column.kind)
            return {**made, "convert_tz": "no", "datatype": "date", "sql": sql}
        if column.is_moment:
            return {**made, "datatype": "timestamp", "sql": name}
        sql = dialect.utc(name, column.kind)
        return {**made, "convert_tz": "no", "datatype": "datetime", "sql": sql}

    def _label(self, column: Column) -> str:
        if column.epicor == COMPANY:
            return "Company"
        for segment in self.segments:
            if segment.column.casefold() == column.epicor.casefold():
                return label(f"{segment.name} Code")
        return spoken(column.epicor) or column.name

    def _is_hidden(self, table: Table, column: Column) -> bool:
        if column.epicor.casefold() == "company" and COMPANY not in table.columns:
            return False
        unused = bool(self.segments) and column.epicor.casefold().startswith("segvalue")
        used = {segment.column.casefold() for segment in self.segments}
        return column.is_technical or (unused and column.epicor.casefold() not in used)

    def _money(self, table: Table, column: Column) -> Lookml:
        """The format of an amount, and its currency behind it."""
        money = money_of(table, column)
        if money is None:
            return {}
        made: Lookml = {"value_format_name": f"decimal_{money.digits}"}
        try:
            currency = self.templates.shown(table, money.of[0])
        except MissingError as error:
            self.notes.append(f"amounts of {table.view} show no currency: {error}")
            return made
        return {**made, "html": f"{{{{ rendered_value }}}} {{{{ {currency}._value }}}}"}

    def _worked_out(self, table: Table) -> Iterator[Lookml]:
        for each in table.facts.dimensions:
            try:
                sql = self._sql(table, each)
            except MissingError as error:
                self.notes.append(f"dimension {table.view}.{each.name} is left out: {error}")
                continue
            made: Lookml = {"name": each.name, "label": each.label}
            if each.description:
                made["description"] = each.description
            if each.is_hidden:
                made["hidden"] = "yes"
            made |= {"type": each.type, "sql": sql}
            if each.order_by:
                made["order_by_field"] = each.order_by
            yield made

    def _sql(self, table: Table, dimension: Dimension) -> str:
        sql = self.templates.filled(table, dimension.sql)
        others = {*_OTHER_VIEW.findall(sql)} - {*self.reach.get(table.stream, ())}
        if others:
            raise MissingError(f"{', '.join(sorted(others))} is not joined")
        return sql

    def _marks(self, table: Table) -> Iterator[Lookml]:
        """What an amount is of, such as its currency: the one value, or that there are several."""
        names = sorted(
            {
                column.name: column
                for other in self.templates.tables.values()
                for money in other.facts.money
                for each in money.of
                if (column := _owned(table, other, each))
            }.items()
        )
        for name, column in names:
            yield {
                "name": mark(column),
                "hidden": "yes",
                "type": "string",
                "sql": f"CASE WHEN COUNT(DISTINCT ${{{name}}}) > 1 THEN '{SEVERAL}' "
                f"ELSE MIN(${{{name}}}) END",
            }

    @staticmethod
    def _names_others(field: Lookml) -> bool:
        """Whether it needs a view that is not joined everywhere; companies are."""
        liquid = re.findall(r"\{\{ (\w+)\.\w+\._value \}\}", field.get("html", ""))
        return bool({*_OTHER_VIEW.findall(field["sql"]), *liquid} - {"companies"})


def _document(table: Table) -> Column | None:
    """The column that people know a row by."""
    known = table.find(table.facts.document)
    return known or (table.key[-1] if table.key else None)


def _owned(table: Table, other: Table, names: str) -> Column | None:
    stream, _, column = names.rpartition(".")
    return table.find(column) if (stream or other.stream) == table.stream else None


def _fields(field: Lookml) -> Collection[str]:
    frames = field.get("timeframes", ())
    return [f"{field['name']}_{frame}" for frame in frames] or [field["name"]]
