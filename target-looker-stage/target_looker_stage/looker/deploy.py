"""A branch of LookML becomes what production runs, if nothing is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_looker_stage.errors import ConfigError, LookerError

from .api import LookerApi, place
from .clock import CLOCK
from .refusals import ApiError, Denied, Unsure, counted, shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from target_looker_stage.config import Config

    from .clock import Clock

_WRONG = ("error", "fatal")
_TOLD_AT_MOST = 20


def deploy(
    config: Config,
    say: Callable[[str], None],
    *,
    ref: str = "",
    runs_tests: bool = False,
    clock: Clock = CLOCK,
) -> None:
    """Validate a branch in the API user's dev workspace, then deploy it.

    Args:
        config: the settings.
        say: gets a line for each thing that is done.
        ref: a tag or commit in place of the branch. It is deployed unseen and validated then:
            a look at it before would need a hard reset, which Looker pushes to the remote.
        runs_tests: run the LookML tests, which query the warehouse.
        clock: for waits.

    Raises:
        ConfigError: when no project is named.
        LookerError: with file and line of what is wrong.
    """
    if not config.looker_project:
        raise ConfigError("`looker_project` is missing: the LookML project that is deployed")
    with LookerApi(config, clock) as api:
        project = _Project(api, config, say)
        if ref:
            project.deploy(ref=ref)
            project.validate("production")
            return
        project.enter_dev_workspace()
        production, takes_commits = project.settings()
        branch = config.looker_branch or production
        commit = project.check_out(branch)
        project.validate(branch)
        if runs_tests:
            project.test(branch)
        # What is pushed meanwhile is not what was looked at.
        project.deploy(**({"ref": commit} if commit and takes_commits else {"branch": branch}))
        at = f" at {commit}" if commit else ""
        say(f"{config.looker_project}: production runs branch {branch}{at}")


class _Project:
    def __init__(self, api: LookerApi, config: Config, say: Callable[[str], None]) -> None:
        self._api = api
        self._config = config
        self._say = say
        self._name = config.looker_project
        self._path = f"/projects/{place(self._name)}"

    def enter_dev_workspace(self) -> None:
        try:
            self._api.use_dev_workspace()
        except ApiError as error:
            raise self._without("develop", error) from error

    def settings(self) -> tuple[str, bool]:
        """The production branch, and whether a commit can be deployed (Advanced Deploy Mode)."""
        query = {"fields": "git_production_branch_name,git_release_mgmt_enabled"}
        told = self._ask("GET", "", query=query, expects=dict)
        branch = str(told.get("git_production_branch_name") or "master")
        return branch, bool(told.get("git_release_mgmt_enabled"))

    def check_out(self, branch: str) -> str:
        """Bring the dev workspace to the remote's state of a branch; its commit, if known."""
        try:
            told = self._ask("PUT", "/git_branch", body={"name": branch}, expects=dict)
        except ApiError as error:
            raise LookerError(
                f"branch {branch} of {self._name} cannot be checked out ({error}): push it to the "
                "project's remote repository, or correct `looker_branch`"
            ) from error
        if ahead := told.get("ahead_count"):
            raise LookerError(
                f"the API user's own copy of branch {branch} has {counted(ahead, 'commit')} that "
                "the remote repository lacks: nothing is reset over them; push or discard them in "
                "Looker as that user (sudo), then deploy again"
            )
        self._ask("POST", "/reset_to_remote")
        told = self._ask("GET", "/git_branch", expects=dict)
        return str(told.get("ref") or "")

    def validate(self, where: str) -> None:
        told = self._ask("POST", "/validate", expects=dict)
        found = [each for each in told.get("errors") or () if each.get("severity") in _WRONG]
        if found:
            after = "" if where != "production" else ", which was deployed"
            raise LookerError(
                f"the LookML of {self._name} ({where}) has {counted(len(found), 'error')}"
                f"{after}:{_listed(map(_place_and_text, found))}"
            )
        others = len(told.get("errors") or ())
        more = f", {counted(others, 'warning')}" if others else ""
        self._say(f"{self._name}: the LookML of {where} is valid{more}")

    def test(self, branch: str) -> None:
        query = {"model": self._config.lookml_model}
        try:
            results = self._api.ask(
                "GET", f"{self._path}/lookml_tests/run", query=query, expects=list,
                is_repeatable=False,
            )  # fmt: skip
        except Unsure as error:
            raise LookerError(
                f"the LookML tests of {self._name} gave no result ({error}): raise "
                "`looker_timeout_seconds` if they take longer"
            ) from error
        failed = [each for each in results if not each.get("success")]
        if failed:
            raise LookerError(
                f"{len(failed)} of {len(results)} LookML tests of {self._name} ({branch}) failed:"
                f"{_listed(map(_failed_test, failed))}"
            )
        self._say(f"{self._name}: {counted(len(results), 'LookML test')} passed")

    def deploy(self, **what: str) -> None:
        try:
            self._ask("POST", "/deploy_ref_to_production", query=what)
        except Denied as error:
            raise self._without("deploy", error) from error
        except ApiError as error:
            raise LookerError(
                f"Looker does not deploy {next(iter(what.values()))} of {self._name} ({error}): "
                "see that it is in the remote repository; another branch than the production "
                "branch needs Advanced Deploy Mode (the project's settings)"
            ) from error

    def _ask(self, method: str, path: str, **content: Any) -> Any:  # noqa: ANN401
        try:
            return self._api.ask(method, self._path + path, **content)
        except Denied as error:
            if "deploy_ref" in path:
                raise
            raise LookerError(
                f"Looker does not show project {self._name} to the API user ({error.status}): "
                "correct `looker_project`, or have an administrator add `develop` to the "
                "permission set of the user's role, for the project's models"
            ) from error

    def _without(self, permission: str, error: ApiError) -> LookerError:
        return LookerError(
            f"Looker does not let the API user {permission} {self._name} ({error.status}): an "
            f"administrator has to add `{permission}` to the permission set of its role"
        )


def _listed(lines: Iterable[str]) -> str:
    found = list(lines)
    more = [f"... and {len(found) - _TOLD_AT_MOST} more"] if len(found) > _TOLD_AT_MOST else []
    return "".join(f"\n  {line}" for line in [*found[:_TOLD_AT_MOST], *more])


def _place_and_text(error: Mapping[str, Any]) -> str:
    """As compilers write it; of its two messages the one that is made for logs."""
    where = str(error.get("file_path") or "the project")
    if error.get("line_number") is not None:
        where += f":{error['line_number']}"
    said = error.get("sanitized_message") or error.get("message") or "no reason given"
    return shortened(f"{where}: {said}")


def _failed_test(result: Mapping[str, Any]) -> str:
    reasons = "; ".join(map(_place_and_text, result.get("errors") or ())) or "an assertion failed"
    return f"{result.get('model_name')}, test {result.get('test_name')}: {reasons}"
