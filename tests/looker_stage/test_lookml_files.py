"""The folder: written once, compared, never over what people wrote; and what a tenant lacks."""

import json
import re
from contextlib import closing

import duckdb
import lkml
import pytest
from kinetic_sandbox.kinetic import KineticServer, Tenant
from lookml_tenant import SCHEMA, Modelled, as_staged, discover, named, staged_empty
from target_looker_stage.lookml.catalog import read_catalog
from target_looker_stage.lookml.errors import LookmlError
from target_looker_stage.lookml.project import generate

INVOICES = "views/ap_invoices.view.lkml"


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    with KineticServer(Tenant(profile="real", seed=7, scale=0.01)) as server:
        return discover(tmp_path_factory.mktemp("catalog"), server, "snake_case")


@pytest.fixture
def modelled(catalog, tmp_path) -> Modelled:
    return staged_empty(tmp_path, catalog, "ap_invoices", "vendors", "companies")


def without(modelled: Modelled, stream: str, *columns: str) -> None:
    with closing(duckdb.connect(modelled.url.removeprefix("duckdb:///"))) as database:
        for column in columns:
            database.execute(f"ALTER TABLE {SCHEMA}.{stream} DROP COLUMN {column}")


def everything(modelled: Modelled) -> dict:
    files = sorted(path for path in modelled.folder.rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in files}


def test_diff_shows_what_would_change_and_writes_nothing(modelled):
    first = modelled.lookml("--diff")
    assert first.exit_code == 1
    assert not modelled.folder.exists()

    modelled.generated()
    same = modelled.lookml("--diff")
    without(modelled, "ap_invoices", "plant")
    before = everything(modelled)
    changed = modelled.lookml("--diff")

    assert (same.exit_code, same.output) == (0, "")
    assert changed.exit_code == 1
    assert "-  dimension: plant {" in changed.output
    assert f"{modelled.folder / INVOICES} (generated)" in changed.output
    assert everything(modelled) == before


def test_what_is_written_does_not_depend_on_the_order_of_columns_or_streams(modelled, tmp_path):
    modelled.generated()
    before = everything(modelled)
    catalog = json.loads(modelled.catalog.read_text())
    catalog["streams"].reverse()
    for stream in catalog["streams"]:
        properties = stream["schema"]["properties"]
        stream["schema"]["properties"] = dict(reversed(properties.items()))
    modelled.catalog.write_text(json.dumps(catalog))
    with closing(duckdb.connect(modelled.url.removeprefix("duckdb:///"))) as database:
        names = [row[0] for row in database.execute(f"DESCRIBE {SCHEMA}.vendors").fetchall()]
        reordered = ", ".join(f'"{name}"' for name in reversed(names))
        database.execute(f"CREATE TABLE {SCHEMA}.other AS SELECT {reordered} FROM {SCHEMA}.vendors")
        database.execute(f"DROP TABLE {SCHEMA}.vendors")
        database.execute(f"ALTER TABLE {SCHEMA}.other RENAME TO vendors")

    done = modelled.lookml()

    assert "0 of them written" in done.output
    assert everything(modelled) == before


def test_a_file_that_was_changed_by_hand_is_not_overwritten(modelled):
    modelled.generated()
    file = modelled.folder / INVOICES
    file.write_text(file.read_text().replace("Spend", "Spending"))
    without(modelled, "ap_invoices", "plant")
    before = everything(modelled)

    done = modelled.lookml()

    assert done.exit_code != 0
    assert f"{file} was changed by hand: keep the change as a refinement" in done.output
    assert everything(modelled) == before


def test_a_checkout_with_other_line_ends_counts_as_unchanged(modelled):
    modelled.generated()
    file = modelled.folder / INVOICES
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))

    assert modelled.lookml("--diff").exit_code == 0
    assert "0 of them written" in modelled.lookml().output


def test_what_people_keep_in_the_folder_stays(modelled):
    modelled.generated()
    own = modelled.folder / "views/finance.view.lkml"
    own.write_text('view: +ap_invoices { label: "Bills" }\n')

    assert modelled.lookml().exit_code == 0
    assert own.read_text() == 'view: +ap_invoices { label: "Bills" }\n'


def test_a_file_of_ones_own_where_one_would_be_generated_stops_everything(modelled):
    (modelled.folder / "views").mkdir(parents=True)
    own = modelled.folder / INVOICES
    own.write_text("view: ap_invoices { }\n")

    done = modelled.lookml()

    assert done.exit_code != 0
    assert f"{own} was not generated" in done.output
    assert [path for path in modelled.folder.rglob("*") if path.is_file()] == [own]


def test_a_view_that_is_no_more_staged_is_removed(modelled):
    modelled.generated()
    with closing(duckdb.connect(modelled.url.removeprefix("duckdb:///"))) as database:
        database.execute(f"DROP TABLE {SCHEMA}.vendors")

    done = modelled.lookml()

    assert f"removed {modelled.folder / 'views/vendors.view.lkml'}" in done.output
    assert "note: stream vendors is left out: epicor_stage has no table for it" in done.output
    assert "note: explore payables does not join vendors: vendors is not staged" in done.output
    assert not (modelled.folder / "views/vendors.view.lkml").exists()
    assert modelled.check().exit_code == 0


def test_what_a_catalog_does_not_select_is_not_modelled_even_if_it_is_still_staged(modelled):
    catalog = json.loads(modelled.catalog.read_text())
    for stream in catalog["streams"]:
        if stream["stream"] == "vendors":
            stream["metadata"] = [{"breadcrumb": [], "metadata": {"selected": False}}]
        if stream["stream"] == "ap_invoices":
            stream["metadata"] += [
                {"breadcrumb": ["properties", "plant"], "metadata": {"selected": False}},
                {"breadcrumb": ["properties", "posted"], "metadata": {"inclusion": "unsupported"}},
            ]
    modelled.catalog.write_text(json.dumps(catalog))

    modelled.generated()

    views = modelled.views()
    assert views.keys() == {"ap_invoices", "companies"}
    assert not {"plant", "posted"} & named(views["ap_invoices"], "dimensions").keys()


LEFT_OUT = {
    "invoice_bal": ("open_payables", "not_due", "overdue_over_90", "without_due_date"),
    "due_date": ("not_due", "overdue_1_30", "without_due_date"),
    "posted": ("spend", "open_payables", "document_amount"),
    "doc_invoice_amt": ("document_amount",),
}


@pytest.mark.parametrize("column", LEFT_OUT)
def test_a_column_that_a_tenant_lacks_leaves_its_measures_out_with_a_note(modelled, column):
    without(modelled, "ap_invoices", column)

    done = modelled.lookml()

    measures = named(modelled.views()["ap_invoices"], "measures")
    head = (modelled.folder / "epicor_kinetic.model.lkml").read_text()
    for name in LEFT_OUT[column]:
        assert name not in measures
        (note,) = re.findall(rf"^note: (measure ap_invoices\.{name} is left out: .*)$",
                             done.output, re.MULTILINE)  # fmt: skip
        assert "ap_invoices has no column" in note
        assert f"# - {note}\n" in head
    assert "count" in measures
    checked = modelled.check()
    assert checked.exit_code == 0, checked.output


def test_amounts_without_a_companys_currency_show_none(modelled):
    without(modelled, "companies", "currency_code")

    done = modelled.lookml()

    spend = named(modelled.views()["ap_invoices"], "measures")["spend"]
    assert "html" not in spend
    assert spend["value_format_name"] == "decimal_2"
    assert "amounts of ap_invoices show no currency: companies has no column Curr" in done.output
    assert modelled.check().exit_code == 0


def test_a_stream_of_which_nothing_is_known_is_explored_by_itself(modelled, tmp_path):
    catalog = json.loads(modelled.catalog.read_text())
    properties = {
        "Calculated_Total": {"type": ["number", "null"]}, "Part_PartNum": {"type": "string"},
    }  # fmt: skip
    catalog["streams"].append(
        {"stream": "slow_movers", "key_properties": ["Part_PartNum"],
         "schema": {"properties": properties}}
    )  # fmt: skip
    modelled.catalog.write_text(json.dumps(catalog))
    with closing(duckdb.connect(modelled.url.removeprefix("duckdb:///"))) as database:
        database.execute(
            f"CREATE TABLE {SCHEMA}.slow_movers "
            "(calculated_total DECIMAL(20, 3), part_partnum VARCHAR, stray JSON)"
        )
        database.execute(f"INSERT INTO {SCHEMA}.slow_movers VALUES (1.5, 'P', null)")

    modelled.generated()

    rows = modelled.ask("slow_movers", "slow_movers.part_partnum", "slow_movers.count")
    assert rows == [("P", 1)]
    assert modelled.check().exit_code == 0


def test_without_anything_staged_one_sentence_says_what_to_do(modelled):
    with closing(duckdb.connect(modelled.url.removeprefix("duckdb:///"))) as database:
        database.execute(f"DROP SCHEMA {SCHEMA} CASCADE")

    done = modelled.lookml()

    assert done.exit_code != 0
    assert "none of the catalog's streams is staged in `schema` epicor_stage" in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize("text", ["", "[]", '{"streams": 1}', '{"streams": [{}]}'])
def test_a_file_that_is_no_catalog_is_told(modelled, text):
    modelled.catalog.write_text(text)

    done = modelled.lookml()

    assert done.exit_code != 0
    assert f"{modelled.catalog} is no Singer catalog" in done.output


def test_checking_before_generating_is_told(modelled):
    done = modelled.check()

    assert done.exit_code != 0
    assert f"there is no folder {modelled.folder}: generate first" in done.output


@pytest.mark.parametrize("name", ["../up", "Model", 'a" b', "a\nb", ""])
def test_a_model_that_could_not_be_a_file_is_refused(modelled, name):
    staged = as_staged(modelled.catalog, "duckdb")

    with pytest.raises(LookmlError, match="`lookml_model`"):
        generate(read_catalog(modelled.catalog), staged, name, "connection")


def test_a_connection_with_quotes_stays_within_them(modelled):
    staged = as_staged(modelled.catalog, "duckdb")

    for name in ('a" include: "/etc', "a\n}", "a;;"):
        try:
            made = generate(read_catalog(modelled.catalog), staged, "m", name)
        except LookmlError:
            continue
        model = lkml.load(made.files["m.model.lkml"])
        assert model.keys() == {"connection", "includes", "persist_with"}
