"""docs/embedding.md: its Python is run as it stands there, its commands are known to tests."""

from pathlib import Path

import pytest
from harness import expected_rows
from kinetic_sandbox.kinetic import KineticServer, Tenant
from page import Page

ROOT = Path(__file__).parents[2]
PAGE = Page("docs/embedding.md")
RUN_BY = {
    "examples/pipe/sync.sh": "test_pipe.py",
    "examples/dlt/kinetic_to_duckdb.py": "test_dlt.py",
    "examples/dagster/definitions.py": "test_dagster.py",
    "examples/spark/load_history.py": "test_spark.py",
}


def test_the_python_of_the_document_works():
    pytest.importorskip("pyarrow", reason="NOT TESTED: docs/embedding.md, pyarrow is not installed")
    tenant = Tenant(profile="real", seed=7, scale=0.2)
    names = {"take_out": print, "print": lambda *_: None}
    with KineticServer(tenant) as server:
        given = (
            f'"{server.url}", username="{server.username}", password="{server.password}", '
            f'api_key="{server.api_key}"'
        )
        written = '"https://host/instance", username="reader", password="...", api_key="..."'
        assert PAGE.text.count(written) == 1

        for block in PAGE.blocks("python"):
            loaded = []
            names["load"] = lambda rows, loaded=loaded: loaded.append(
                getattr(rows, "num_rows", None) or len(rows)
            )
            exec(block.replace(written, given), names)

        assert len(PAGE.blocks("python")) == 5
        assert names["vendors"].company == "EPIC06"
        every = len(expected_rows(tenant, "gl_transactions", "EPIC06"))
        assert every <= sum(loaded) <= every + 1  # what reaches the mark is read again


def test_each_command_is_run_by_a_test():
    lines = "".join(PAGE.blocks("bash")).splitlines()

    assert len(lines) == len(RUN_BY)
    for line, (program, tests) in zip(lines, RUN_BY.items(), strict=True):
        assert program in line
        assert (ROOT / program).exists()
        assert Path(program).name in (ROOT / "tests" / "examples" / tests).read_text()


def test_the_spark_block_is_what_the_example_does():
    (block,) = PAGE.blocks("python spark")

    example = (ROOT / "examples" / "spark" / "load_history.py").read_text(encoding="utf-8")
    for line in block.splitlines()[:3]:
        assert line in example
