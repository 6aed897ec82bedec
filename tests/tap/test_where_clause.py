"""OData conditions in words of SQL: the same rows, or more of them and a note of what is left."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st
from odata_query.grammar import ODataLexer, ODataParser
from table import holds
from tap_epicor_kinetic.errors import QueryRefused
from tap_epicor_kinetic.kinetic.where_clause import ordered, translate
from tap_epicor_kinetic.odata.metadata import Column
from tap_epicor_kinetic.odata.query import after, any_of, compare

NUMBER, TEXT, FLAG = Column("A", "Edm.Int64"), Column("B", "Edm.String"), Column("C", "Edm.Boolean")
TIME = Column("D", "Edm.DateTimeOffset")

EXACT = {
    "SysRevID gt 6000000001": "SysRevID > 6000000001",
    "SysRevID ge 5": "SysRevID >= 5",
    "SysRevID lt -5": "SysRevID < -5",
    "UnitCost le 12.50": "UnitCost <= 12.50",
    "Company1 eq 'EPIC06'": "Company1 = 'EPIC06'",
    "Name eq 'O''Brien and Sons (or so)'": "Name = 'O''Brien and Sons (or so)'",
    "Active eq true": "Active = true",
    "ChangeDate ge 2024-01-01T10:20:30Z": "ChangeDate >= '2024-01-01T10:20:30'",
    "DueDate lt 2024-01-01": "DueDate < '2024-01-01'",
    "A gt 7 or (A eq 7 and B gt 'x')": "A > 7 or (A = 7 and B > 'x')",
    "(GroupID eq 'A' or GroupID eq 'B')": "(GroupID = 'A' or GroupID = 'B')",
}


@pytest.mark.parametrize("condition", EXACT)
def test_a_condition_is_said_in_other_words(condition):
    assert translate([condition]) == (EXACT[condition], ())


def test_conditions_are_joined_and_an_or_is_kept_together():
    clause, left_out = translate(["A gt 7 or (A eq 7 and B gt 'x')", "C eq true"])

    assert (clause, left_out) == ("(A > 7 or (A = 7 and B > 'x')) and C = true", ())
    assert translate([]) == ("", ())


@pytest.mark.parametrize(
    "condition", ["Inactive ne true", "ChangeDate ge 2024-01-01T00:00:00Z or ChangeDate eq null"]
)
def test_a_condition_that_lets_null_in_is_left_out_and_told(condition):
    clause, left_out = translate(["Company1 eq 'EPIC06'", condition, "SysRevID gt 5"])

    assert clause == "Company1 = 'EPIC06' and SysRevID > 5"
    assert left_out == (condition,)


@pytest.mark.parametrize(
    "condition",
    [
        "ChangeDate eq null",
        "SysRevID gt 5 or ChangeDate eq null",
        "(Inactive ne true)",
        "(Inactive ne true) or A eq 1",
        "SysRevID gt 5 and Inactive ne true",
        "contains(Name,'x')",
        "not A eq 1",
        "A in (1,2)",
        "A eq B",
        "A = 1",
        "A eq 1 mod 2",
        "ChangeDate ge 2024-01-01T00:00:00.123Z",
        "ChangeDate ge 2024-01-01T00:00:00+01:00",
        "SysRowID eq 0a1b2c3d-0000-4000-8000-000000000000",
        "Name eq 'open",
        "A eq 1; drop",
        "A eq 1B eq 2",
    ],
)
def test_what_can_be_neither_said_nor_left_out_is_refused_by_name(condition):
    with pytest.raises(QueryRefused, match="GetRows where clause") as refused:
        translate(["A gt 1", condition])

    assert repr(condition) in str(refused.value)


def test_the_order_stands_behind_the_clause_or_alone():
    assert ordered("A > 5", ("A",)) == "A > 5 BY A"
    assert ordered("", ("SysRevID desc",)) == "BY SysRevID desc"
    assert ordered("A > 5", ("A", "B desc")) == "A > 5 BY A, B desc"
    assert ordered("A > 5", ()) == "A > 5"


NUMBERS, TEXTS = st.integers(-2, 2), st.sampled_from(["", "a", "B", "a b", "it's", "or", "("])
TIMES = st.sampled_from(["2024-01-01T00:00:00Z", "2024-01-01T00:00:01Z", "2023-12-31T23:59:59Z"])
ORDERS = st.sampled_from(["eq", "gt", "ge", "lt", "le"])
ROWS = st.lists(
    st.fixed_dictionaries(
        {"A": NUMBERS, "B": TEXTS, "C": st.none() | st.booleans(), "D": st.none() | TIMES}
    ),
    max_size=8,
)
CONDITIONS = st.lists(
    st.one_of(
        st.builds(compare, st.just(NUMBER), ORDERS, NUMBERS),
        st.builds(compare, st.just(TEXT), ORDERS, TEXTS),
        st.builds(compare, st.just(TIME), ORDERS, TIMES),
        st.builds(compare, st.just(FLAG), st.sampled_from(["eq", "ne"]), st.booleans()),
        st.builds(lambda a, b: after([NUMBER, TEXT], [a, b]), NUMBERS, TEXTS),
        st.builds(lambda t: any_of([compare(TIME, "ge", t), "D eq null"]), TIMES),
    ),
    max_size=4,
)


@given(ROWS, CONDITIONS)
def test_a_database_finds_the_rows_that_odata_means_and_more_only_where_told(rows, conditions):
    clause, left_out = translate(conditions)
    said = [c for c in conditions if c not in left_out]

    assert found(rows, clause) == [row for row in rows if satisfies(row, said)]


def found(rows, clause):
    """What SQL makes of the clause; times are stored as methods show them, without a zone."""
    with sqlite3.connect(":memory:") as database:
        database.execute("create table t (n integer, A integer, B text, C boolean, D text)")
        for number, row in enumerate(rows):
            local = row["D"] and row["D"].removesuffix("Z")
            database.execute(
                "insert into t values (?,?,?,?,?)", (number, row["A"], row["B"], row["C"], local)
            )
        query = "select n from t" + (f" where {clause}" if clause else "")
        numbers = [number for (number,) in database.execute(query)]
    database.close()
    return [rows[number] for number in sorted(numbers)]


def satisfies(row, conditions):
    """What the third-party OData parser makes of the conditions."""
    return all(holds(ODataParser().parse(ODataLexer().tokenize(c)), row) for c in conditions)
