"""A branch is validated, tested where that is asked for, and deployed, or nothing is."""

from __future__ import annotations

import pytest
from kinetic_sandbox.looker import Commit, Fault, LookmlError, LookmlTest
from looker_instance import serving
from looker_refresh import MODEL, stage
from target_looker_stage.errors import ConfigError, LookerError
from target_looker_stage.looker.deploy import deploy

BRANCH = "generated"
GOOD = Commit("b2", datagroups=((MODEL, "epicor_kinetic"),))
BROKEN = Commit(
    "c3",
    errors=(
        LookmlError("Unknown field vendors.nmae", "views/vendors.view.lkml", 12),
        LookmlError("Circular include"),
        LookmlError("Unused view", "views/parts.view.lkml", 1, severity="warning"),
    ),
)


@pytest.fixture
def server():
    with serving() as running:
        running.looker.projects["epicor"].push(BRANCH, GOOD)
        yield running


@pytest.fixture
def project(server):
    return server.looker.projects["epicor"]


@pytest.fixture
def said():
    return []


@pytest.fixture
def run(server, tmp_path, said):
    def deployed(*, ref: str = "", runs_tests: bool = False, **settings):
        given = {"looker_project": "epicor", "looker_branch": BRANCH, **settings}
        here = stage(server, tmp_path, **given)
        deploy(here.config, said.append, ref=ref, runs_tests=runs_tests, clock=here.clock)

    return deployed


def test_a_branch_is_validated_in_the_dev_workspace_and_then_deployed(server, project, run, said):
    run()

    root = "/projects/epicor"
    assert server.asked == [
        "POST /login", "PATCH /session", f"GET {root}", f"PUT {root}/git_branch",
        f"POST {root}/reset_to_remote", f"GET {root}/git_branch", f"POST {root}/validate",
        f"POST {root}/deploy_ref_to_production", "DELETE /logout",
    ]  # fmt: skip
    assert project.deploys == ["b2"]
    assert said == [
        "epicor: the LookML of generated is valid",
        "epicor: production runs branch generated at b2",
    ]


def test_what_is_pushed_later_is_what_is_validated_and_deployed(project, run):
    run()
    project.push(BRANCH, BROKEN)
    with pytest.raises(LookerError):
        run()
    project.push(BRANCH, Commit("d4"))
    run()

    assert project.deploys == ["b2", "d4"]


@pytest.mark.parametrize("branch", [BRANCH, "main"])
def test_what_is_pushed_after_the_validation_is_not_deployed(server, tmp_path, project, branch):
    project.push(branch, Commit("d4"))
    said = []

    def pushed_meanwhile(line):
        said.append(line)
        project.push(branch, BROKEN)

    here = stage(server, tmp_path, looker_project="epicor", looker_branch=branch)
    deploy(here.config, pushed_meanwhile, clock=here.clock)

    assert project.deploys == ["d4"]
    assert said[-1] == f"epicor: production runs branch {branch} at d4"


def test_without_advanced_deploy_the_production_branch_is_deployed_by_its_name(
    server, project, run
):
    project.has_advanced_deploy = False
    project.push("main", Commit("d4"))
    run(looker_branch="main")

    assert project.deploys == ["d4"]
    (call,) = [call for call in server.calls if "deploy_ref" in call.path]
    assert call.query == {"branch": "main"}


def test_errors_are_told_with_file_and_line_and_nothing_is_deployed(project, run):
    project.push(BRANCH, BROKEN)
    with pytest.raises(LookerError) as raised:
        run()

    assert str(raised.value).splitlines() == [
        "the LookML of epicor (generated) has 2 errors:",
        "  views/vendors.view.lkml:12: Unknown field vendors.nmae",
        "  the project: Circular include",
    ]
    assert project.deploys == []


def test_warnings_do_not_keep_from_a_deploy(project, run, said):
    project.push(BRANCH, Commit("e5", errors=(BROKEN.errors[2],)))
    run()

    assert project.deploys == ["e5"]
    assert said[0].endswith("is valid, 1 warning")


def test_many_errors_are_told_in_part(project, run):
    errors = tuple(LookmlError("wrong", "a.lkml", line) for line in range(30))
    project.push(BRANCH, Commit("f6", errors=errors))
    with pytest.raises(LookerError) as raised:
        run()

    assert len(str(raised.value).splitlines()) == 22
    assert str(raised.value).endswith("... and 10 more")


def test_tests_run_where_that_is_asked_for_and_keep_from_a_deploy(server, project, run, said):
    failing = LookmlTest("total_is_positive", MODEL, "vendors", "tests.lkml", 7, "total was -1")
    passing = LookmlTest("vendor_is_unique", MODEL, "vendors", "tests.lkml", 1)
    project.push(BRANCH, Commit("g7", tests=(passing, failing)))
    with pytest.raises(LookerError) as raised:
        run(runs_tests=True)
    assert str(raised.value).splitlines() == [
        "1 of 2 LookML tests of epicor (generated) failed:",
        "  epicor_kinetic, test total_is_positive: tests.lkml:7: total was -1",
    ]
    assert project.deploys == []

    project.push(BRANCH, Commit("h8", tests=(passing,)))
    run(runs_tests=True)
    assert project.deploys == ["h8"]
    assert "epicor: 1 LookML test passed" in said


def test_tests_that_take_too_long_are_not_run_twice(server, run):
    server.faults.add(Fault("slow", where="lookml_tests", seconds=2))
    with pytest.raises(LookerError, match="`looker_timeout_seconds`"):
        run(runs_tests=True, looker_timeout_seconds=1)

    assert sum("lookml_tests" in call for call in server.asked) == 1


def test_a_token_that_ends_in_the_middle_does_not_validate_production(server, project, run):
    project.push(BRANCH, BROKEN)
    server.faults.add(Fault("expire", where="validate"))
    with pytest.raises(LookerError, match="has 2 errors"):
        run()

    again = server.asked.index("POST /login", 1)
    assert server.asked[again : again + 3] == [
        "POST /login", "PATCH /session", "POST /projects/epicor/validate"]  # fmt: skip
    assert project.deploys == []


def test_without_a_branch_the_production_branch_is_deployed(project, run, said):
    project.push("main", Commit("i9"))
    run(looker_branch=None)

    assert project.deploys == ["i9"]


def test_commits_that_only_the_users_copy_has_are_not_reset(server, project, run):
    project.local_only["11"] = 2
    with pytest.raises(LookerError, match="2 commits that the remote repository lacks"):
        run()

    assert not any("reset" in call for call in server.asked)
    assert project.deploys == []


def test_a_ref_is_deployed_and_validated_after(server, project, run, said):
    run(ref="b2")
    assert project.deploys == ["b2"]
    assert said == ["epicor: the LookML of production is valid"]

    project.push(BRANCH, BROKEN)
    with pytest.raises(LookerError, match="has 2 errors, which was deployed"):
        run(ref="c3")


@pytest.mark.parametrize("permission", ["develop", "deploy"])
def test_a_missing_permission_is_named(server, project, run, permission):
    server.looker.users[0].permissions.discard(permission)
    with pytest.raises(LookerError, match=f"administrator has to add `{permission}`"):
        run()

    assert project.deploys == []


def test_an_unknown_branch_ref_and_project_are_told_by_their_settings(run):
    with pytest.raises(LookerError, match=r"branch nope of epicor .* `looker_branch`"):
        run(looker_branch="nope")
    with pytest.raises(LookerError, match=r"does not deploy nope .* remote repository"):
        run(ref="nope")
    with pytest.raises(LookerError, match=r"does not show project nope .* `looker_project`"):
        run(looker_project="nope")
    with pytest.raises(ConfigError, match="`looker_project` is missing"):
        run(looker_project=None)


def test_a_project_without_advanced_deploy_says_what_it_needs(project, run):
    project.has_advanced_deploy = False
    with pytest.raises(LookerError, match="Advanced Deploy Mode"):
        run()
