"""docs/warehouses/bigquery.md does what it says: snippets are parsed, or run on the emulator."""

import re
from pathlib import Path

import pytest
import sqlglot
from bigquery import MOMENT, PAGE, PROJECT, TEXT, documented_tables, messages
from environments import ROOT
from page import assert_shell
from sqlglot import exp

ROLES = {"roles/bigquery.dataEditor", "roles/bigquery.dataViewer", "roles/bigquery.jobUser"}
"""Of Google's list of predefined roles, those that the page may name."""
GRANT = re.compile(
    r"grant `(roles/[\w.]+)` on (?:schema `[\w-]+\.\w+`|project `[\w-]+`)\s"
    r"to '(?:serviceAccount|group):[\w@.-]+'"
)
"""As Google's page on data control language has it; sqlglot knows no grant on a project."""


def parsed() -> list[exp.Expression]:
    """The statements of the page but its grants."""
    texts = [text for block in PAGE.blocks("sql") for text in block.split(";") if text.strip()]
    others = [text for text in texts if not GRANT.fullmatch(text.strip())]
    return [sqlglot.parse_one(text, dialect="bigquery") for text in others]


def granted() -> list[str]:
    return [role for block in PAGE.blocks("sql") for role in GRANT.findall(block)]


def test_the_shell_commands_are_shell():
    assert PAGE.blocks("bash")
    assert_shell(PAGE.blocks("bash"))


def test_each_statement_is_one_of_bigquerys_and_each_role_one_of_googles():
    assert {type(each) for each in parsed()} == {exp.Create, exp.Drop, exp.Alter}
    assert set(granted()) == ROLES


def test_the_rights_that_a_refusal_names_are_those_that_the_page_grants():
    source = (ROOT / "loaders/target-bigquery/kinetic_target_bigquery/explain.py").read_text()

    told = set(re.findall(r"roles/bigquery\.\w+", source))

    assert told == {"roles/bigquery.dataEditor", "roles/bigquery.jobUser"}
    assert told < set(granted())


def test_each_message_of_the_page_is_shown_by_a_test():
    shown = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*bigquery*.py"))

    assert [each for each in PAGE.messages() if each not in shown] == []


@pytest.mark.full
def test_the_example_and_its_statements_do_what_the_page_says(bigquery):
    creates = [each for each in parsed() if isinstance(each, exp.Create)]
    bigquery.query(*(here(each) for each in creates if each.kind == "SCHEMA"))
    bigquery.configure(dataset="docs", tables=documented_tables())
    assert bigquery.load(invoices("a", "b")).returncode == 0
    as_made = layout(bigquery)
    assert as_made == ({"type": "MONTH", "field": "InvoiceDate"}, ["Company", "VendorNum"])

    (section,) = [block for block in PAGE.blocks("sql") if "ap_invoices_new" in block]
    for statement in sqlglot.parse(section, dialect="bigquery"):
        bigquery.query(here(statement))
    assert layout(bigquery) == as_made
    closed = "2026-11-21T12:00:00Z"
    assert bigquery.load(invoices("b", "c", _sdc_deleted_at=closed)).returncode == 0

    (view,) = [each for each in creates if each.kind == "VIEW"]
    bigquery.query(here(view))
    table, shown = bigquery.query(
        f"select K from `{PROJECT}.docs.ap_invoices`",
        f"select K from `{PROJECT}.docs_open.ap_invoices`",
    )
    assert sorted(row["K"] for row in table) == ["a", "b", "c"]
    assert shown == [{"K": "a"}]


def here(statement: exp.Expression) -> str:
    """A statement of the page in the emulator's project."""
    text = statement.sql("bigquery", identify=True)
    for name in ("kinetic_open", "kinetic"):
        text = text.replace(f"my-project.{name}", f"{PROJECT}.{name.replace('kinetic', 'docs')}")
        text = text.replace(
            f"`my-project`.`{name}`", f"`{PROJECT}`.`{name.replace('kinetic', 'docs')}`"
        )
    assert "my-project" not in text
    return text


def invoices(*keys, **more) -> bytes:
    rows = [
        {"K": key, "Amount": "1", "Company": "EPIC06", "VendorNum": 1,
         "InvoiceDate": "2026-01-05T00:00:00Z", **more}
        for key in keys
    ]  # fmt: skip
    columns = {"Company": TEXT, "VendorNum": {"type": ["integer", "null"]}, "InvoiceDate": MOMENT}
    return messages("ap_invoices", rows, more=columns)


def layout(bigquery) -> tuple[dict, list[str]]:
    table = bigquery.resource("docs/tables/ap_invoices")
    partitions = table["timePartitioning"]
    return {name: partitions[name] for name in ("type", "field")}, table["clustering"]["fields"]
