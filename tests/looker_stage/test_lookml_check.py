"""The check finds what Looker would stumble over, and names the file and the field."""

import shutil
from decimal import Decimal

import pytest
from kinetic_sandbox.kinetic import KineticServer, Tenant
from lookml_tenant import Modelled, discover, insert, staged_empty

PAYABLES = ("ap_invoices", "ap_invoice_lines", "vendors", "companies")
INVOICES, EXPLORES = "views/ap_invoices.view.lkml", "epicor_kinetic.explore.lkml"
DAY = "2026-01-31T00:00:00Z"


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    with KineticServer(Tenant(profile="real", seed=7, scale=0.01)) as server:
        return discover(tmp_path_factory.mktemp("catalog"), server, "source")


@pytest.fixture(scope="module")
def pristine(catalog, tmp_path_factory) -> Modelled:
    return staged_empty(tmp_path_factory.mktemp("pristine"), catalog, *PAYABLES).generated()


@pytest.fixture
def modelled(pristine, tmp_path) -> Modelled:
    """Files and a database of the test's own."""
    folder, database = tmp_path / "lookml", tmp_path / "stage.duckdb"
    shutil.copytree(pristine.folder, folder)
    shutil.copy(pristine.catalog.with_name("stage.duckdb"), database)
    return Modelled(None, f"duckdb:///{database}", pristine.catalog, folder)


BROKEN = {
    "a column that is not staged": (
        INVOICES, '${TABLE}."invoiceamt"', '${TABLE}."amount"', "ap_invoices.invoiceamt", "amount",
    ),
    "a reference to no field": (
        INVOICES, "${due_raw}", "${dew_raw}", "ap_invoices.age",
        "there is no field ap_invoices.dew",
    ),
    "a sum of text": (
        INVOICES, "sql: ${invoiceamt} ;;", "sql: ${invoicenum} ;;", "ap_invoices.spend", "VARCHAR",
    ),
    "a filter on no field": (
        INVOICES, 'posted: "yes",', 'psted: "yes",', "ap_invoices.spend",
        "ap_invoices.psted",
    ),
    "a drill to no set": (
        INVOICES, "drill_fields: [detail*]", "drill_fields: [details*]", "ap_invoices.count",
        "there is no set details*",
    ),
    "a set with no such field": (
        INVOICES, "  set: detail {\n    fields: [\n      epicor_company,",
        "  set: detail {\n    fields: [\n      firm,", "ap_invoices.count",
        "there is no field ap_invoices.firm",
    ),
    "a currency of no view": (
        INVOICES, "companies.one_currencycode._value", "firms.currency._value",
        "ap_invoices.spend", "firms is not joined in explore payables",
    ),
    "a link to no field": (
        INVOICES, "{{ epicor_source_url._value }}", "{{ epicor_url._value }}",
        "ap_invoices.invoicenum", "there is no field ap_invoices.epicor_url",
    ),
    "an order by no field": (
        INVOICES, "order_by_field: age_order", "order_by_field: aged", "ap_invoices.age",
        "there is no field ap_invoices.aged",
    ),
    "a field of itself": (
        INVOICES, '${TABLE}."invoicebal"', "${invoicebal}", "ap_invoices.invoicebal", "itself",
    ),
    "no primary key": (
        INVOICES, "primary_key: yes", "primary_key: no", "ap_invoices", "has no primary_key",
    ),
    "no end of SQL": (
        INVOICES, '${TABLE}."posted" ;;', '${TABLE}."posted"', "ap_invoices.posted", "syntax error",
    ),
    "no end of a view": (INVOICES, "\n}\n", "\n", "", "is no LookML"),
    "a join of no view": (
        EXPLORES, "join: vendors {", "join: sellers {", "explore payables", "no view sellers",
    ),
    "a join on no field": (
        EXPLORES, "${vendors.vendornum}", "${vendors.number}", "explore payables, join vendors",
        "there is no field vendors.number",
    ),
    "a join on what is joined later": (
        EXPLORES, "${ap_invoices.vendornum} = ${vendors.vendornum}",
        "${later.vendornum} = ${vendors.vendornum}", "explore payables, join vendors",
        "later is not joined before",
    ),
    "fields of no set": (
        EXPLORES, "vendors.attributes*", "vendors.all*", "explore payables", "no vendors.all*",
    ),
    "a test of no field": (
        EXPLORES, "field: vendors.row_key", "field: vendors.key", "test vendors_key_is_unique",
        "there is no field vendors.key",
    ),
    "a trigger on no column": (
        EXPLORES, '"completed_at"', '"finished_at"', "datagroup epicor_kinetic", "finished_at",
    ),
    "an include of nothing": (
        EXPLORES, "views/*.view.lkml", "view/*.view.lkml", "include view/*.view.lkml", "no file",
    ),
    "no such datagroup": (
        "epicor_kinetic.model.lkml", "persist_with: epicor_kinetic", "persist_with: nightly",
        "persist_with", "there is no datagroup nightly",
    ),
    "a tile of no field": (
        "epicor_kinetic.dashboard.lookml", "- ap_invoices.spend\n", "- ap_invoices.spent\n",
        "dashboard epicor_kinetic, Spend by supplier", "there is no field ap_invoices.spent",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_the_check_finds(modelled, what):
    file, old, new, field, reason = BROKEN[what]
    path = modelled.folder / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))

    done = modelled.check()

    assert done.exit_code == 1
    told = [line for line in done.output.splitlines() if line.startswith(str(path))]
    assert any(f": {field}: " in line if field else True for line in told), done.output
    assert any(reason in line for line in told), done.output
    assert ", 0 problems" not in done.output


def test_what_was_generated_has_no_problem_even_without_rows(modelled):
    done = modelled.check()

    assert done.exit_code == 0, done.output
    assert "4 explores with" in done.output
    assert "4 tests hold, 0 problems" in done.output


def test_a_key_that_is_there_twice_fails_its_test(modelled):
    for _ in range(2):
        insert(modelled, "vendors", company="E", vendornum=1, name="Twice", _epicor_company="E")

    done = modelled.check()

    assert done.exit_code == 1
    assert "test vendors_key_is_unique: ${vendors.number_of_rows} = 1 does not hold: it is 2" in (
        done.output
    )


def test_no_two_keys_look_alike_and_a_retracted_row_is_none(modelled):
    keys = [
        ("a", 1, "b"), ("a", 11, "b"), ("a", 1, "1b"), ("a1", 1, "b"), ("", 1, ""), (None, 1, ""),
        ("", 1, None), ("1:a", 1, "b"), ("a", 1, "1:b"), ("a||b", 1, "-"),
    ]  # fmt: skip
    for company, vendor, number in keys:
        insert(modelled, "ap_invoices", company=company, vendornum=vendor, invoicenum=number,
               _epicor_company=company)  # fmt: skip
    insert(modelled, "ap_invoices", company="a", vendornum=1, invoicenum="b",
           _epicor_company="a", _sdc_deleted_at=DAY)  # fmt: skip

    rows = modelled.ask("payables", "ap_invoices.row_key", "ap_invoices.number_of_rows")

    assert len(rows) == len(keys)
    assert {count for _, count in rows} == {1}


def test_a_sum_is_right_whatever_repeats_its_rows(modelled):
    for number, amount in (("A", 100), ("B", 10)):
        insert(modelled, "ap_invoices", company="E", vendornum=1, invoicenum=number, posted=True,
               invoiceamt=amount, invoicebal=amount, _epicor_company="E", duedate=DAY)  # fmt: skip
    for number, line, part in (("A", 1, "x"), ("A", 2, "x"), ("A", 3, "y"), ("B", 1, "x")):
        insert(modelled, "ap_invoice_lines", company="E", vendornum=1, invoicenum=number,
               invoiceline=line, partnum=part, extcost=7, _epicor_company="E")  # fmt: skip

    by_part = modelled.ask(
        "payables", "ap_invoice_lines.partnum", "ap_invoices.spend", "ap_invoices.count",
        "ap_invoice_lines.count", "ap_invoice_lines.line_spend",
    )  # fmt: skip
    (total,) = modelled.ask("payables", "ap_invoices.spend", "ap_invoice_lines.line_spend")

    assert sorted(by_part) == [
        ("x", Decimal(110), 2, 3, Decimal(21)), ("y", Decimal(100), 1, 1, Decimal(7)),
    ]  # fmt: skip
    assert total == (Decimal(110), Decimal(28))


def test_only_the_joins_that_are_needed_are_made(modelled):
    alone = modelled.compiled("payables", "ap_invoices.invoicenum")
    named = modelled.compiled("payables", "ap_invoices.invoicenum", "vendors.name")

    assert "JOIN" not in alone
    assert named.count("JOIN") == 1


REFINEMENT = """
view: +ap_invoices {
  dimension: plant { label: "Works" }
  measure: largest { type: max  sql: ${invoiceamt} ;; }
}
explore: +payables { label: "What we owe" }
"""


def test_refinements_of_another_folder_are_checked_together(modelled, tmp_path):
    folder = tmp_path / "refined"
    folder.mkdir()
    file = folder / "payables.lkml"
    file.write_text(REFINEMENT)

    fine = modelled.check("--with", str(folder))
    file.write_text(REFINEMENT.replace("${invoiceamt}", "${invoice_amt}"))
    wrong = modelled.check("--with", str(folder))

    assert fine.exit_code == 0, fine.output
    assert wrong.exit_code == 1
    assert f"{file}: ap_invoices.largest: there is no field ap_invoices.invoice_amt" in wrong.output


def test_what_extends_a_view_has_its_fields(modelled, tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    file = folder / "bills.lkml"
    text = (
        "view: bills { extends: [ap_invoices]"
        " measure: worst { type: max sql: ${invoiceamt} ;; } }"
        " explore: bills { join: companies { relationship: many_to_one"
        " sql_on: ${bills.epicor_company} = ${companies.epicor_company} ;; }"
        " fields: [bills.worst] }"
    )
    file.write_text(text)

    fine = modelled.check("--with", str(folder))
    file.write_text(text.replace("{ type: max", "{ type: number"))
    wrong = modelled.check("--with", str(folder))

    assert fine.exit_code == 0, fine.output
    assert wrong.exit_code == 1
    assert f"{file}: bills.worst: " in wrong.output


def test_measures_that_go_round_in_a_circle_are_found(modelled, tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "x.lkml").write_text(
        "view: +vendors { measure: a { type: number sql: ${b} ;; }"
        " measure: b { type: number sql: ${a} ;; } }"
        " explore: circle { view_name: vendors fields: [vendors.a] }"
    )

    done = modelled.check("--with", str(folder))

    assert done.exit_code == 1
    assert "vendors.a: ${a} refers to itself" in done.output


def test_what_only_looker_can_judge_is_said_and_no_problem(modelled, tmp_path):
    folder = tmp_path / "refined"
    folder.mkdir()
    (folder / "liquid.lkml").write_text(
        "view: +ap_invoices {\n"
        "  dimension: chosen { type: string sql: {% parameter which %} ;; }\n"
        "  measure: middle { type: median sql: ${invoiceamt} ;; }\n"
        "}\n"
    )

    done = modelled.check("--with", str(folder))

    assert done.exit_code == 0, done.output
    assert "not checked: " in done.output
    assert "ap_invoices.chosen: its SQL has Liquid" in done.output
    assert "ap_invoices.middle: measures of type median are not known here" in done.output


def test_a_refinement_of_nothing_is_found(modelled, tmp_path):
    folder = tmp_path / "refined"
    folder.mkdir()
    (folder / "x.lkml").write_text("view: +invoices { dimension: a { sql: 1 ;; } }")

    done = modelled.check("--with", str(folder))

    assert done.exit_code == 1
    assert "+invoices: refines no view that there is" in done.output
