"""The setting `tables` of the BigQuery loader is judged before a row is loaded."""

from dataclasses import dataclass

import pytest
from kinetic_target_bigquery.errors import GuardError
from kinetic_target_bigquery.layout import Layout, read_layouts, settle


@dataclass
class Column:
    name: str
    field_type: str


COLUMNS = [
    Column("InvoiceNum", "INTEGER"),
    Column("InvoiceDate", "TIMESTAMP"),
    Column("DueDate", "DATE"),
    Column("DocInvoiceAmt", "NUMERIC"),
    Column("Rate", "FLOAT"),
    Column("_sdc_batched_at", "TIMESTAMP"),
]
NAMES = {column.name: column.name for column in COLUMNS}
DEFAULT = Layout(partition_by="_sdc_batched_at", grain="day", cluster_by=("InvoiceNum",))


def settled(**options) -> Layout:
    layout = read_layouts({"ap_invoices": options})["ap_invoices"]
    return settle(layout, "ap_invoices", COLUMNS, NAMES, DEFAULT)


def test_a_stream_that_is_not_named_is_divided_by_day_of_load_and_sorted_by_its_key():
    layout = settle(Layout(), "ap_invoices", COLUMNS, NAMES, DEFAULT)

    assert layout.partitions == "partitioned by day of _sdc_batched_at"
    assert layout.cluster_by == ("InvoiceNum",)


def test_a_business_date_divides_by_month_unless_told_otherwise():
    assert settled(partition_by="InvoiceDate").partitions == "partitioned by month of InvoiceDate"
    by_year = settled(partition_by="DueDate", partition_granularity="year")
    assert by_year.partitions == "partitioned by year of DueDate"


def test_what_is_not_said_stays_as_it_is_for_all():
    layout = settled(table="fact_ap_invoices")

    assert (layout.table, layout.grain, layout.cluster_by) == (
        "fact_ap_invoices", "day", ("InvoiceNum",)
    )  # fmt: skip
    assert settled(cluster_by=[]).cluster_by == ()
    assert settled(cluster_by=["DueDate", "InvoiceNum"]).cluster_by == ("DueDate", "InvoiceNum")


def test_a_column_may_be_named_as_the_tap_or_as_bigquery_has_it():
    names = {"Invoice Date": "InvoiceDate", **{c.name: c.name for c in COLUMNS[2:]}}
    for name in ("Invoice Date", "InvoiceDate"):
        layout = read_layouts({"s": {"partition_by": name}})["s"]
        assert settle(layout, "s", COLUMNS, names, DEFAULT).partition_by == "InvoiceDate"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"partition_by": "Nope"}, "`tables.ap_invoices.partition_by` names Nope, which"),
        ({"partition_by": "invoicedate"}, "does not have: InvoiceDate"),
        ({"partition_by": "DocInvoiceAmt"}, "NUMERIC; BigQuery divides by DATE and TIMESTAMP"),
        (
            {"partition_by": "DueDate", "partition_granularity": "hour"},
            "it can be day, month, year",
        ),
        ({"partition_by": ["InvoiceDate"]}, "`tables.ap_invoices.partition_by` has to be text"),
        ({"partition_granularity": "week"}, "is week; it can be hour, day, month, year"),
        (
            {"cluster_by": ["Nope"]},
            "`tables.ap_invoices.cluster_by` names Nope, which the stream does not have",
        ),
        ({"cluster_by": ["Rate"]}, "FLOAT, by which BigQuery cannot sort"),
        ({"cluster_by": ["A"] * 5}, "up to four"),
        ({"cluster_by": [1]}, "names of columns"),
        ({"cluster_by": "DueDate"}, "has to be an array of columns"),
        ({"table": "other.fact"}, "without project or dataset"),
        ({"partition": "InvoiceDate"}, "has no option partition; it knows table, partition_by"),
    ],
)
def test_what_bigquery_could_not_do_is_one_sentence_that_names_the_option(options, said):
    with pytest.raises(GuardError) as refused:
        settled(**options)

    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "`tables` has to be an object"),
        ({"ap_invoices": "fact"}, "`tables.ap_invoices` has to be an object"),
        ({"a": {"table": "Fact"}, "b": {"table": "fact"}}, "sends a and b into one table"),
        ({"a": {"table": "b"}, "b": {}}, "sends a and b into one table"),
    ],
)
def test_what_makes_no_sense_without_a_column_is_told_at_the_start(given, said):
    with pytest.raises(GuardError, match=said):
        read_layouts(given)
