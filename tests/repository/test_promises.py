"""docs/promises.md is true: all settings and streams have a row, and each named test exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from tap_epicor_kinetic.audit import AUDIT_STREAM
from tap_epicor_kinetic.business_objects import BUSINESS_OBJECTS
from tap_epicor_kinetic.settings import SETTINGS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/promises.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[^`]*\.py)::([^`]+)`", PAGE)))


def rows(heading: str) -> list[list[str]]:
    """The rows of the table below a heading, cell by cell, without its head."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def headings() -> list[str]:
    return re.findall(r"^## (.+)$", PAGE, re.MULTILINE)


@cache
def functions_of(path: str) -> dict[str, ast.FunctionDef]:
    """Functions of a file, with what marks the file or their class among their decorators."""
    body = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
    assigned = [node for node in body if isinstance(node, ast.Assign)]
    marks = [node.value for node in assigned if ast.unparse(node.targets[0]) == "pytestmark"]
    found = {}
    for node in body:
        is_class = isinstance(node, ast.ClassDef)
        for each in node.body if is_class else [node]:
            if isinstance(each, ast.FunctionDef):
                each.decorator_list += marks + (node.decorator_list if is_class else [])
                found[each.name] = each
    return found


def test_every_setting_has_a_row_and_no_other_name_has():
    assert [first.strip("`") for first, *_ in rows("Settings")] == list(SETTINGS["properties"])


def test_every_stream_has_a_row_and_no_other_name_has():
    streams = [each.name for each in BUSINESS_OBJECTS]

    assert [first.strip("`") for first, *_ in rows("Streams")] == [*streams, AUDIT_STREAM]


@pytest.mark.parametrize("heading", headings())
def test_each_row_names_a_test(heading):
    for row in rows(heading):
        assert len(row) == 2, row
        assert re.search(r"`tests/[^`]+\.py::test_[^`]+`", row[1]), row[0]


@pytest.mark.parametrize(("path", "name"), NAMED, ids=[f"{p}::{n}" for p, n in NAMED])
def test_a_named_test_exists_and_the_heavy_ones_are_marked(path, name):
    assert (ROOT / path).exists(), f"docs/promises.md names {path}, which is not there"
    assert name in functions_of(path), f"docs/promises.md names {name}, which is not in {path}"
    marks = {ast.unparse(each) for each in functions_of(path)[name].decorator_list}
    is_heavy = bool(marks & {"full", "pytest.mark.full"})
    assert (f"`{path}::{name}` (*full*" in PAGE) == is_heavy
