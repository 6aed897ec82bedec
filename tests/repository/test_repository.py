"""The repository checks itself: arrows, rendered files, versions, commands in the README."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import render  # noqa: E402
from tap_epicor_kinetic.kinetic import faults  # noqa: E402

TRACKED = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
    cwd=ROOT, capture_output=True, text=True, check=True,
).stdout.split("\n")[:-1]  # fmt: skip


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_imports_run_one_way():
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_rendered_files_are_in_step_with_the_code():
    assert render.stale(write=False) == []


def test_meltano_knows_each_setting_of_the_tap_as_it_is_declared():
    (tap, *heirs) = yaml.safe_load(text_of("meltano.yml"))["plugins"]["extractors"]

    assert all("settings" not in heir for heir in heirs)
    assert tap["settings"] == render.meltano_settings()


def test_meltano_is_told_the_kind_of_every_setting_that_is_not_text():
    kinds = {s["name"]: s.get("kind") for s in render.meltano_settings()}

    assert kinds["companies"] == "array"
    assert kinds["page_size"] == "integer"
    assert kinds["tls_verify"] == "boolean"
    assert kinds["stream_options"] == "object"
    assert kinds["start_date"] == "date_iso8601"
    assert kinds["closed_records"] == "options"
    assert kinds["api_url"] is None


def test_every_setting_that_meltano_yml_gives_a_value_exists():
    project = yaml.safe_load(text_of("meltano.yml"))
    plugins = [p for kind in project["plugins"].values() for p in kind]
    owners = {p["name"]: p.get("inherit_from", p["name"]) for p in plugins}
    declared = {p["name"]: {s["name"] for s in p.get("settings", ())} for p in plugins}
    known = {name: declared[owner] for name, owner in owners.items()}
    given = [*plugins]
    for environment in project["environments"]:
        given += [p for kind in environment["config"]["plugins"].values() for p in kind]
    for plugin in given:
        assert set(plugin.get("config", {})) <= known[plugin["name"]], plugin["name"]


def test_nothing_in_meltano_yml_is_secret_and_every_secret_is_marked():
    project = yaml.safe_load(text_of("meltano.yml"))
    tap, *_ = project["plugins"]["extractors"]

    secrets = {n for n, schema in render.settings().items() if schema.get("secret")}
    assert {s["name"] for s in tap["settings"] if s.get("sensitive")} == secrets
    assert not re.search(
        r"(password|api_key|secret|credentials_json): *[^\s$]", text_of("meltano.yml")
    )


@pytest.mark.parametrize("setting", render.settings())
def test_a_setting_has_a_title_and_a_description(setting):
    schema = render.settings()[setting]

    assert schema["title"]
    assert schema["description"]


def test_one_version_everywhere_and_in_the_changelog():
    versions = {
        name: re.search(r'^version = "(.+)"', text_of(name), re.MULTILINE)[1]
        for name in TRACKED
        if name.endswith("pyproject.toml")
    }
    newest = re.search(r"^## (\S+)", text_of("CHANGELOG.md"), re.MULTILINE)[1]

    assert set(versions.values()) == {newest}, versions


@pytest.mark.parametrize("name", [n for n in TRACKED if n.endswith(".md")])
def test_links_between_documents_lead_somewhere(name):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text_of(name)):
        assert (ROOT / name).parent.joinpath(target).exists(), target


def test_each_reason_to_stop_stands_in_the_table_of_errors():
    table = text_of("docs/errors.md")
    told_apart = {rule.fault.name for rule in faults._RULES}
    missing = {n for n in told_apart if n not in table}

    assert missing <= {"access denied", "not found", "gateway time-out", "session gone",
                       "too many requests", "server not ready"}  # fmt: skip
    assert "API key refused" in table


def test_no_setting_is_promised_in_the_docs_that_does_not_exist():
    known = set(render.settings())
    promised = set()
    for name in (
        "docs/errors.md",
        "docs/incremental.md",
        "docs/closed-records.md",
        "docs/streams.md",
    ):
        promised |= set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", text_of(name)))
    streams = {o.name for o in render.BUSINESS_OBJECTS} | {"epicor_sync_runs", "entity_set"}

    assert {p for p in promised - known - streams if not p.startswith("_")} <= {
        "replication_key", "closed_when", "hard_delete", "singer_decimal", "primary_keys",
        "read_method", "bookmark_parameter", "http_proxy", "https_proxy", "add_record_metadata",
    }  # fmt: skip
