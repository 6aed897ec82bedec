"""LookML projects: branches, validation, tests, and what production runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kinetic_sandbox.looker.call import Call, Done, Refused, invalid, not_found
from kinetic_sandbox.looker.resources import Commit, Datagroup, LookmlError, LookmlTest, Project

if TYPE_CHECKING:
    from collections.abc import Mapping


def session(call: Call) -> Done:
    """The workspace of this token."""
    return Done({"workspace_id": call.session.workspace, "sudo_user_id": None})


def workspace_chosen(call: Call) -> Done:
    """Change the workspace, for as long as this token lives."""
    chosen = call.body.get("workspace_id")
    if chosen not in {"production", "dev"}:
        raise invalid({"workspace_id": f"Invalid workspace {chosen}"})
    if chosen == "dev":
        call.needs("develop")
    call.session.workspace = chosen
    return session(call)


def one(call: Call) -> Done:
    """What a project is."""
    project = _found(call)
    told = {
        "id": project.id,
        "name": project.id,
        "uses_git": True,
        "git_production_branch_name": project.production_branch,
        "git_release_mgmt_enabled": project.has_advanced_deploy,
        "has_production_counterpart": True,
        "can": {"show": True, "deploy": call.session.user.may("deploy")},
    }
    wanted = call.query.get("fields")
    names = wanted.split(",") if wanted else list(told)
    return Done({name: value for name, value in told.items() if name in names})


def model(call: Call) -> Done:
    """A model that was configured, for those whose role names it."""
    found = call.looker.models.get(call.path["lookml_model_name"])
    models = call.session.user.models
    if found is None or (models is not None and found.name not in models):
        raise not_found()
    return Done(
        {
            "name": found.name,
            "project_name": found.project,
            "allowed_db_connection_names": list(found.connections),
            "unlimited_db_connections": False,
            "has_content": True,
        }
    )


def branch(call: Call) -> Done:
    """What is checked out."""
    project = _developed(call)
    return Done(_told_branch(call, project, *_checked_out(call, project)))


def find_branch(call: Call) -> Done:
    """One of the remote's."""
    project = _found(call)
    name = call.path["branch_name"]
    if name not in project.branches:
        raise not_found()
    return Done(_told_branch(call, project, name, project.branches[name][-1]))


def checked_out(call: Call) -> Done:
    """Check a branch out as it was last seen here; with a ref, reset it to that, hard."""
    project = _developed(call)
    user = call.session.user.id
    name, commit = _checked_out(call, project)
    wanted = call.body.get("name") or name
    if wanted != name:
        if wanted not in project.branches:
            raise invalid({"name": f"Branch {wanted} does not exist"})
        # As a clone does: the branch was fetched when the workspace was made, and not since.
        name, commit = wanted, _fetched(call, project, wanted)
    if ref := call.body.get("ref"):
        found = project.find(ref)
        if found is None:
            raise invalid({"ref": f"{ref} is no commit"})
        commit = found
        project.local_only.pop(user, None)
    project.checked_out[user] = (name, commit)
    return Done(_told_branch(call, project, name, commit))


def reset_to_remote(call: Call) -> Done:
    """The dev workspace becomes what the remote's branch is."""
    project = _developed(call)
    name, _ = _checked_out(call, project)
    project.checked_out[call.session.user.id] = (name, project.branches[name][-1])
    project.local_only.pop(call.session.user.id, None)
    return Done(status=204)


def validated(call: Call) -> Done:
    """What is wrong with the LookML of this workspace."""
    call.needs("develop")
    commit = _in_workspace(call, _found(call))
    return Done(
        {
            "errors": [_told_error(error) for error in commit.errors],
            "project_digest": commit.ref,
            "models_not_validated": [],
            "computation_time": 0.1,
        }
    )


def tests(call: Call) -> Done:
    """The data tests of this workspace."""
    call.needs("develop")
    commit = _in_workspace(call, _found(call))
    return Done(
        [
            {
                "name": test.name,
                "model_name": test.model,
                "explore_name": test.explore,
                "file": test.file,
                "line": test.line,
            }
            for test in commit.tests
        ]
    )


def tests_run(call: Call) -> Done:
    """What they come to."""
    call.needs("develop")
    commit = _in_workspace(call, _found(call))
    wanted: Mapping[str, str] = call.query
    return Done(
        [
            _told_test(test)
            for test in commit.tests
            if wanted.get("model") in {None, test.model} and wanted.get("test") in {None, test.name}
        ]
    )


def ref_deployed(call: Call) -> Done:
    """A branch or a ref of the remote becomes what production runs."""
    call.needs("deploy")
    project = _found(call)
    name, ref = call.query.get("branch"), call.query.get("ref")
    if bool(name) == bool(ref):
        raise Refused(400, "Can only specify either a branch or a ref")
    commit = project.find(ref or "")
    if name and name in project.branches:
        commit = project.branches[name][-1]
    if commit is None:
        raise Refused(400, f"Could not find {name or ref} in the remote repository")
    if name != project.production_branch and not project.has_advanced_deploy:
        raise Refused(400, "Advanced deploy mode is not enabled for this project")
    _deploy(call, project, commit)
    return Done(status=204)


def _deploy(call: Call, project: Project, commit: Commit) -> None:
    project.production = commit
    project.deploys.append(commit.ref)
    held = {(each.model_name, each.name) for each in call.looker.datagroups}
    for model, name in commit.datagroups:
        if (model, name) not in held:
            number = str(max((int(each.id) for each in call.looker.datagroups), default=0) + 1)
            created = int(call.looker.now())
            call.looker.datagroups.append(Datagroup(number, model, name, created))


def _found(call: Call) -> Project:
    project = call.looker.projects.get(call.path["project_id"])
    if project is None or not call.session.user.may("develop"):
        raise not_found()
    return project


def _developed(call: Call) -> Project:
    project = _found(call)
    if call.session.workspace != "dev":
        raise Refused(400, "Must be in the dev workspace")
    return project


def _checked_out(call: Call, project: Project) -> tuple[str, Commit]:
    """A workspace is made as a clone of the production branch."""
    name = project.production_branch
    start = (name, _fetched(call, project, name))
    return project.checked_out.setdefault(call.session.user.id, start)


def _fetched(call: Call, project: Project, name: str) -> Commit:
    known = project.checked_out.get(call.session.user.id)
    return known[1] if known and known[0] == name else project.branches[name][0]


def _in_workspace(call: Call, project: Project) -> Commit:
    if call.session.workspace == "dev":
        return _checked_out(call, project)[1]
    return project.production


def _told_branch(call: Call, project: Project, name: str, commit: Commit) -> dict[str, Any]:
    commits = project.branches[name]
    behind = len(commits) - 1 - commits.index(commit) if commit in commits else 0
    return {
        "name": name,
        "remote": "origin",
        "remote_name": name,
        "is_local": True,
        "is_remote": True,
        "is_production": name == project.production_branch,
        "ahead_count": project.local_only.get(call.session.user.id, 0),
        "behind_count": behind,
        "ref": commit.ref,
        "remote_ref": commits[-1].ref,
    }


def _told_error(error: LookmlError) -> dict[str, Any]:
    return {
        "severity": error.severity,
        "kind": "model",
        "message": error.message,
        "sanitized_message": error.message,
        "file_path": error.file_path,
        "line_number": error.line_number,
    }


def _told_test(test: LookmlTest) -> dict[str, Any]:
    failures = [_told_error(LookmlError(test.error, test.file, test.line))] if test.error else []
    return {
        "model_name": test.model,
        "test_name": test.name,
        "assertions_count": 1,
        "assertions_failed": len(failures),
        "errors": failures,
        "warnings": [],
        "success": not failures,
    }
