"""What a tenant calls its columns, titles, streams and segments breaks out of nothing."""

import json
from contextlib import closing
from pathlib import Path

import duckdb
import lkml
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lookml_tenant import SCHEMA, Modelled, named
from target_looker_stage.lookml.safe_text import field_name, is_safe_name, label, spoken

HOSTILE = [
    "a ;; } view: evil {",
    'b" UNION SELECT 1 --',
    "c${ap_invoices.spend}",
    "d{{ _user_attributes['secret'] }}",
    "e{% raw %}",
    "f`; DROP TABLE x; --",
    "g\n} dimension: injected { sql: 1 ;; }",
    "h' OR '1'='1",
    "i\\",
    "j--k",
    "l/*m*/",
    "n\u202eo\u0000",
]
FINE = ["Größe_c", "Preis netto", "日付", "Number01", "Calculated_Total", "_hidden"]
FORBIDDEN = (";;", "${", "{{", "{%", "`", '"', "\n", "\\", "}")


def modelled(folder: Path, columns: dict[str, str], *, stream: str = "own_baq") -> Modelled:
    """A stream of a tenant with these columns, name and title; each holds text."""
    names = ["Key1", *columns]
    titles = {"Key1": "Key1", **columns}
    schema = {
        name: {"type": ["string", "null"], "title": titles.get(name, name)}
        for name in [*names, "_epicor_company"]
    }
    catalog = folder / "catalog.json"
    entry = {"stream": stream, "tap_stream_id": stream, "schema": {"properties": schema}}
    catalog.write_text(json.dumps({"streams": [{**entry, "key_properties": ["Key1"]}]}))
    file = folder / "stage.duckdb"
    with closing(duckdb.connect(str(file))) as database:
        database.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        listed = ", ".join(
            '"{}" VARCHAR'.format(name.lower().replace('"', '""')) for name in schema
        )
        database.execute(f'CREATE TABLE {SCHEMA}."{stream.lower()}" ({listed})')
    return Modelled(None, f"duckdb:///{file}", catalog, folder / "lookml")


@pytest.mark.parametrize("name", [name for name in HOSTILE if "\u0000" not in name])
def test_a_hostile_column_name_is_left_out_and_told(tmp_path, name):
    made = modelled(tmp_path, {name: "Harmless"})

    done = made.lookml()

    assert done.exit_code == 0, done.output
    assert "is left out: its name could break out of SQL" in done.output
    (view,) = made.views().values()
    assert named(view, "dimensions").keys() == {"row_key", "key1", "epicor_company"}
    assert "injected" not in (tmp_path / "lookml/views/own_baq.view.lkml").read_text()
    assert all(line.startswith(("note: ", "3 files")) for line in done.output.splitlines())


@pytest.mark.parametrize("title", HOSTILE)
def test_a_hostile_title_becomes_a_harmless_label(tmp_path, title):
    made = modelled(tmp_path, {"amount_c": title}).generated()

    (view,) = made.views().values()
    shown = named(view, "dimensions")["amount_c"]["label"]
    assert shown
    assert not any(each in shown for each in FORBIDDEN)
    assert lkml.load(lkml.dump({"views": [view]})) == {"views": [view]}


@pytest.mark.parametrize("stream", ["b-a-q", "Ägypten.neu", "group", "1st"])
def test_a_strange_stream_has_a_view_with_a_name_that_lookml_takes(tmp_path, stream):
    made = modelled(tmp_path, {"Wert_c": "Wert"}, stream=stream).generated()

    (view,) = made.views()
    assert view == field_name(stream)
    assert (tmp_path / f"lookml/views/{view}.view.lkml").exists()
    assert "1 problems" in made.check().output


def test_a_stream_whose_name_is_no_name_is_left_out(tmp_path):
    modelled(tmp_path, {}, stream="fine")
    made = modelled(tmp_path, {}, stream="b}; {{ x }}")

    done = made.lookml()

    assert "none of the catalog's streams" in done.output
    assert not made.folder.exists()


@pytest.mark.parametrize("name", FINE)
def test_letters_of_every_alphabet_are_modelled(tmp_path, name):
    made = modelled(tmp_path, {name: name}).generated()

    (view,) = made.views().values()
    (column,) = named(view, "dimensions").keys() - {"row_key", "key1", "epicor_company"}
    assert column.replace("_", "").isalnum()
    assert column.isascii()
    assert named(view, "dimensions")[column]["sql"] == f'${{TABLE}}."{name.lower()}"'
    assert "1 problems" in made.check().output  # there was no load, so there is no audit


def test_columns_that_meet_in_one_name_are_both_there(tmp_path):
    made = modelled(tmp_path, {"a b": "A", "a_b": "B", "ä b": "C", "count": "D", "row_key": "E"})

    done = made.lookml()

    assert done.exit_code == 0, done.output
    (view,) = made.views().values()
    texts = [each["sql"] for each in view["dimensions"]]
    for stored in ("a b", "a_b", "ä b", "count", "row_key"):
        assert f'${{TABLE}}."{stored}"' in texts
    names = [each["name"] for each in (*view["dimensions"], *view["measures"])]
    assert len(names) == len(set(names))
    assert named(view, "dimensions")["a_b"]["sql"] == '${TABLE}."a_b"'


@given(st.text())
def test_a_label_holds_nothing_that_lookml_or_liquid_reads(text):
    for shown in (label(text), spoken(text)):
        assert not any(each in shown for each in FORBIDDEN)
        content = {"views": [{"name": "v", "label": shown, "dimensions": [{"name": "d"}]}]}
        assert lkml.load(lkml.dump(content)) == content


@given(st.text(min_size=1))
def test_a_name_that_is_taken_for_safe_stays_within_its_quotes(text):
    if is_safe_name(text):
        assert not any(each in text for each in (*FORBIDDEN, "'", "--", "/*", ";", "#", "$"))


@given(st.text(), st.text())
def test_different_columns_never_share_a_field_name(one, other):
    if one.lower().strip("_") != other.lower().strip("_"):
        assert field_name(one) != field_name(other)


def test_segments_of_a_tenant_are_labels_without_a_way_out(tmp_path):
    made = modelled(tmp_path, {})
    catalog = json.loads(made.catalog.read_text())
    with closing(duckdb.connect(str(tmp_path / "stage.duckdb"))) as database:
        for stream, columns, key in (
            ("gl_segments", "company coacode segmentnbr segmentname", ["company", "coacode",
                                                                       "segmentnbr"]),
            ("gl_segment_values", "company coacode segmentnbr segmentcode segmentname",
             ["company", "coacode", "segmentnbr", "segmentcode"]),
            ("gl_transactions", "company coacode journalnum segvalue1 segvalue2 segvalue3",
             ["company", "journalnum"]),
        ):  # fmt: skip
            names = [*columns.split(), "_epicor_company"]
            database.execute(
                f"CREATE TABLE {SCHEMA}.{stream} ({', '.join(f'{n} VARCHAR' for n in names)})"
            )
            properties = {name: {"type": ["string", "null"]} for name in names}
            catalog["streams"].append(
                {"stream": stream, "key_properties": key, "schema": {"properties": properties}}
            )
        database.execute(
            f"INSERT INTO {SCHEMA}.gl_segments VALUES "
            "('E', 'M', '1', 'Dept\" ;; } evil {{ x }}', 'E'), ('E', 'N', '1', 'Abteilung', 'E')"
        )
    made.catalog.write_text(json.dumps(catalog))

    done = made.lookml()

    assert done.exit_code == 0, done.output
    text = (tmp_path / "lookml/epicor_kinetic.explore.lkml").read_text()
    journal = next(e for e in lkml.load(text)["explores"] if e["name"] == "gl_journal")
    (join,) = [each for each in journal["joins"] if "from" in each]
    assert join["view_label"] == "Abteilung / Dept evil x"
    dimensions = named(made.views()["gl_transactions"], "dimensions")
    assert dimensions["segvalue1"]["label"] == "Abteilung / Dept evil x Code"
    assert dimensions["segvalue2"]["hidden"] == "yes"


@pytest.mark.parametrize(
    ("epicor", "shown"),
    [
        ("InvoiceNum", "Invoice Num"),
        ("GLAcctDispGLShortAcct", "GL Acct Disp GL Short Acct"),
        ("PlantRating_c", "Plant Rating"),
        ("Größe_c", "Größe"),
        ("UD_SysRevID", "UD Sys Rev ID"),
        ("POs", "POs"),
        ("slow_movers", "Slow Movers"),
    ],
)
def test_epicors_name_is_read_as_words(epicor, shown):
    assert spoken(epicor) == shown


def test_a_title_of_nothing_but_signs_leaves_the_columns_name(tmp_path):
    made = modelled(tmp_path, {"amount_c": "{{}}"}).generated()

    (view,) = made.views().values()
    assert named(view, "dimensions")["amount_c"]["label"] == "amount_c"
