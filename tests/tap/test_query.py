"""Queries on the wire: encoded as IIS reads them, short enough for it, seeking past ties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_epicor_kinetic.odata.metadata import Column
from tap_epicor_kinetic.odata.query import MAX_QUERY_LENGTH, Query, after, compare

NUMBER = Column("A", "Edm.Int32")
TEXT = Column("B", "Edm.String")
FLAG = Column("C", "Edm.Boolean")


def test_a_space_is_never_a_plus():
    text = Query(("A gt 1", "B eq 'x+y z'"), ("A",), top=5).encode()

    assert text == "$filter=A%20gt%201%20and%20B%20eq%20'x%2By%20z'&$orderby=A&$top=5"


def test_an_or_is_kept_together_among_other_conditions():
    assert Query(("A gt 1 or A eq null", "B ne 'x'")).filter == "(A gt 1 or A eq null) and B ne 'x'"


def test_a_select_that_would_be_too_long_for_iis_is_left_out():
    query = Query(("A gt 1",), select=tuple(f"Column{n:04}" for n in range(500)), top=1)

    assert query.encode() == "$filter=A%20gt%201&$top=1"


def test_a_filter_that_is_too_long_is_an_error_and_not_a_cut():
    with pytest.raises(ValueError, match=str(MAX_QUERY_LENGTH)):
        Query(("B eq '" + "x" * 3000 + "'",)).encode()


def test_a_composite_key_is_sought_column_by_column():
    assert after([NUMBER, TEXT], [7, "x"]) == "A gt 7 or (A eq 7 and B gt 'x')"


def test_false_comes_before_true_without_comparing_flags_by_size():
    assert after([NUMBER, FLAG], [7, False]) == "A gt 7 or (A eq 7 and C eq true)"
    assert after([NUMBER, FLAG], [7, True]) == "A gt 7"


ROWS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc"), st.booleans()), unique=True)


@given(ROWS)
def test_seeking_from_row_to_row_meets_each_row_once(rows):
    columns = [NUMBER, TEXT, FLAG]
    rest = sorted(rows)
    for row in sorted(rows):
        following = [r for r in rest if satisfies(after(columns, row), r)]
        assert following == rest[rest.index(row) + 1 :]


def satisfies(condition: str, row: tuple) -> bool:
    """Evaluate the text as Python, which reads this small subset alike."""
    names = dict(zip("ABC", row, strict=True), true=True, false=False)
    for word, sign in (("gt", ">"), ("eq", "==")):
        condition = condition.replace(f" {word} ", f" {sign} ")
    return bool(eval(condition, {}, names))


def test_conditions_name_column_operator_and_literal():
    spelled = [compare(NUMBER, op, 1) for op in ("ge", "ne")]

    assert spelled == ["A ge 1", "A ne 1"]
