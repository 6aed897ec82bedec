"""A parser of LookML that was not written for this project reads what is generated."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from environments import ROOT
from kinetic_sandbox.kinetic import KineticServer, Tenant
from lookml_tenant import discover, staged_empty
from tap_epicor_kinetic.business_objects import BUSINESS_OBJECTS

pytestmark = pytest.mark.full

PACKAGE = "lookml-parser@7.1.3"
PARSE = """
const parser = require("lookml-parser")
parser.parseFiles({cwd: process.argv[2], fileOutput: "none"}).then(project => {
  const models = Object.entries(project.model || {}).map(([name, model]) => [name, {
    errors: [...(project.errors || []), ...(model.errors || [])].map(String),
    views: Object.fromEntries(Object.entries(model.view || {}).map(([n, v]) => [n, [
      ...Object.keys(v.dimension || {}), ...Object.keys(v.dimension_group || {}),
      ...Object.keys(v.measure || {})].sort()])),
    explores: Object.keys(model.explore || {}),
    tests: Object.keys(model.test || {}),
    datagroups: Object.keys(model.datagroup || {}),
    spend: (((model.view || {}).ap_invoices || {}).measure || {}).spend,
  }])
  console.log(JSON.stringify({errors: (project.errors || []).length,
                              models: Object.fromEntries(models)}))
})
"""


@pytest.fixture(scope="module")
def parser() -> Path:
    """The folder where the package is, kept from run to run."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("NOT TESTED: lookml-parser needs node and npm, which are not on this machine")
    folder = ROOT / ".tools" / "lookml" / PACKAGE
    if not (folder / "ready").exists():
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [npm, "install", "--loglevel=error", "--no-audit", "--no-fund", "--prefix", folder,
             PACKAGE],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        (folder / "parse.js").write_text(PARSE)
        (folder / "ready").touch()
    (folder / "parse.js").write_text(PARSE)
    return folder


@pytest.mark.parametrize("naming", ["source", "snake_case"])
@pytest.mark.parametrize("profile", ["real", "documented"])
def test_it_finds_every_view_explore_and_test(parser, tmp_path, profile, naming):
    with KineticServer(Tenant(profile=profile, seed=7, scale=0.01)) as server:
        catalog = discover(tmp_path, server, naming)
    (tmp_path / "staged").mkdir()
    modelled = staged_empty(tmp_path / "staged", catalog).generated()

    done = subprocess.run(
        ["node", parser / "parse.js", modelled.folder], capture_output=True, text=True, check=True
    )

    read = json.loads(done.stdout)
    assert read["errors"] == 0
    model = read["models"]["epicor_kinetic"]
    assert model["errors"] == []
    views = modelled.views()
    kinds = ("dimensions", "dimension_groups", "measures")
    assert model["views"] == {
        name: sorted(each["name"] for kind in kinds for each in view.get(kind, ()))
        for name, view in views.items()
    }
    assert len(model["explores"]) == len(model["tests"]) == len(views) > len(BUSINESS_OBJECTS)
    assert model["datagroups"] == ["epicor_kinetic"]
    assert model["spend"]["type"] == "sum"
