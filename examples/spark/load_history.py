"""Loads the history of a stream with Spark, key range by key range, and leaves the rest to the tap.

    pip install './tap-epicor-kinetic[spark]'
    spark-submit load_history.py gl_transactions history/gl_transactions state.json

On Databricks: install the same package on the cluster, and write a table in place of Parquet files.
The tap's settings come from the driver's environment (TAP_EPICOR_KINETIC_API_URL, ..._COMPANIES,
..._USERNAME, ..._PASSWORD, ..._API_KEY) or from options of the same names without the prefix.

What changes while Spark reads is not in the files for certain. `state.json` is a Singer STATE of
the moment when the read was planned: the tap, given it, sends everything that has changed since.
Read once: each action on the frame plans and reads anew.
"""

from __future__ import annotations

import sys

from pyspark.sql import SparkSession
from tap_epicor_kinetic.spark import EpicorKinetic


def main() -> None:
    """Write the open rows of all companies as Parquet, and STATE beside them."""
    stream, folder, state = sys.argv[1:]
    spark = SparkSession.builder.appName(f"history of {stream}").getOrCreate()
    spark.dataSource.register(EpicorKinetic)
    rows = (
        spark.read.format("epicor_kinetic")
        .option("stream", stream)
        .option("partitions", 32)
        .option("state_path", state)
        .load()
    )
    rows.write.parquet(folder)


if __name__ == "__main__":
    main()
