"""`looker-refresh test`: does everything work that telling needs, and who mends what does not?"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from target_looker_stage.audit import AUDIT
from target_looker_stage.errors import LoadError, LookerError
from target_looker_stage.warehouse import open_warehouse

from . import datagroups
from .api import LookerApi, place
from .clock import CLOCK
from .refusals import ApiError, Away, Denied, LoginRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_looker_stage.config import Config, Pdt

    from .clock import Clock

_PATIENCE = 30.0
"""Seconds: somebody waits at a terminal."""
_NAMED_AT_MOST = 6
_OK, _FAILED, _UNKNOWN, _SKIPPED = "ok", "FAILED", "unknown", "skipped"


@dataclass(frozen=True)
class Line:
    """A check and what it came to.

    Attributes:
        status: ok, FAILED, unknown or skipped.
        name: of the check.
        text: what was seen, or what is missing and who can mend it.
    """

    status: str
    name: str
    text: str = ""

    @property
    def is_failure(self) -> bool:
        """Whether something has to be mended."""
        return self.status == _FAILED

    def __str__(self) -> str:
        return f"{self.status:<8} {self.name:<12} {self.text}".rstrip()


def check(config: Config, clock: Clock = CLOCK) -> Iterator[Line]:
    """Every check in its order; nothing is changed, and nobody gets a mail."""
    with LookerApi(config, clock, patience_seconds=_PATIENCE) as api:
        checks = _Checks(api, config)
        try:
            yield checks.login()
            yield from checks.datagroups()
            yield checks.model()
            yield from checks.connection()
            yield from checks.schedules()
            yield from checks.project()
        except (Away, LoginRefused) as error:
            name = "login" if isinstance(error, LoginRefused) else "Looker"
            yield Line(_FAILED, name, str(error))


class _Checks:
    def __init__(self, api: LookerApi, config: Config) -> None:
        self._api = api
        self._config = config

    def login(self) -> Line:
        told = self._api.ask("GET", "/user", query={"fields": "id,display_name"}, expects=dict)
        return Line(_OK, "login", f"{self._api.url} as {told.get('display_name') or told['id']}")

    def datagroups(self) -> Iterator[Line]:
        if not self._config.looker_datagroups:
            return
        try:
            shown = datagroups.shown(self._api)
        except (Away, LoginRefused):
            raise
        except LookerError as error:
            yield Line(_FAILED, "datagroups", str(error))
            return
        for name in self._config.looker_datagroups:
            try:
                yield _datagroup_line(datagroups.find(name, shown))
            except LookerError as error:
                yield Line(_FAILED, "datagroup", str(error))

    def model(self) -> Line:
        name = self._config.lookml_model
        try:
            told = self._api.ask("GET", f"/lookml_models/{place(name)}", expects=dict)
        except Denied as error:
            return Line(
                _FAILED, "model",
                f"Looker shows no model {name} ({error.status}): deploy the LookML, have a "
                "developer configure the model (Develop > Projects), or have an administrator add "
                "it to the model set of the API user's role; `lookml_model` names it",
            )  # fmt: skip
        allowed = told.get("allowed_db_connection_names") or []
        wanted = self._config.lookml_connection
        if not told.get("unlimited_db_connections") and wanted not in allowed:
            return Line(
                _FAILED, "model",
                f"model {name} may not use connection {wanted}: a developer has to allow it "
                "(Develop > Projects > Edit model), or correct `lookml_connection`",
            )  # fmt: skip
        return Line(_OK, "model", f"{name} of project {told.get('project_name')}")

    def connection(self) -> Iterator[Line]:
        name = self._config.lookml_connection
        path = f"/connections/{place(name)}"
        try:
            query = {"fields": "name,pdt_api_control_enabled"}
            told = self._api.ask("GET", path, query=query, expects=dict)
            query = {"tests": "connect,query"}
            tests = self._api.ask("PUT", f"{path}/test", query=query, expects=list)
        except Denied as error:
            yield Line(
                _UNKNOWN, "connection",
                f"Looker does not show connection {name} to the API user ({error.status}): correct "
                "`lookml_connection`, or have an administrator add `manage_project_connections` to "
                "the permission set of its role, or look at Admin > Connections",
            )  # fmt: skip
            yield Line(_SKIPPED, "tables", "needs the connection")
            return
        failed = [each for each in tests if each.get("status") != "success"]
        for each in failed:
            yield Line(
                _FAILED, "connection",
                f"{name}, test {each.get('name')}: {each.get('message')}; an administrator mends "
                "it in Admin > Connections",
            )  # fmt: skip
        for pdt in self._config.looker_pdts:
            yield _pdt_line(pdt, name, told.get("pdt_api_control_enabled"))
        if failed:
            yield Line(_SKIPPED, "tables", "needs the connection")
            return
        yield Line(_OK, "connection", f"{name} connects and answers")
        try:
            yield self._tables(path)
        except LoadError as error:
            yield Line(_FAILED, "tables", f"{error}")

    def _tables(self, path: str) -> Line:
        """Whether Looker's own database user sees what this loader staged."""
        schema = self._config.schema
        with closing(open_warehouse(self._config)) as warehouse:
            staged = {name for name in warehouse.tables() if not name.startswith("_looker")}
        if not staged:
            return Line(_UNKNOWN, "tables", f"nothing is staged in schema {schema} yet; load first")
        grant = (
            f"a database administrator has to give Looker's database user USAGE of schema {schema} "
            "and SELECT on all its tables, future ones too"
        )
        try:
            query = {"cache": "false"}
            schemas = self._api.ask("GET", f"{path}/schemas", query=query, expects=list)
            # As the warehouse spells it: Snowflake's are in upper case.
            spelt = next(
                (each["name"] for each in schemas if str(each.get("name")).lower() == schema), None
            )
            if spelt is None:
                return Line(
                    _FAILED, "tables",
                    f"Looker's database user does not see schema {schema}: {grant}; or the "
                    "connection leads to another database than `sqlalchemy_url`",
                )  # fmt: skip
            query = {"schema_name": spelt, "cache": "false"}
            told = self._api.ask("GET", f"{path}/tables", query=query, expects=list)
        except ApiError as error:
            if isinstance(error, (Away, LoginRefused)):
                raise
            return Line(_FAILED, "tables", f"Looker cannot list tables: {error}")
        seen = {
            str(table["name"]).lower()
            for each in told
            if str(each.get("name")).lower() == schema
            for table in each.get("tables") or ()
        }
        is_cut = any(each.get("table_limit_hit") for each in told)
        return self._compared(staged, seen, grant, is_cut=is_cut)

    def _compared(self, staged: set[str], seen: set[str], grant: str, *, is_cut: bool) -> Line:
        missing = sorted(staged - seen)
        if not missing:
            return Line(_OK, "tables", f"Looker's database user sees all {len(staged)}")
        if is_cut:
            return Line(
                _UNKNOWN, "tables",
                f"Looker lists only a part of the tables; {len(missing)} of {len(staged)} are not "
                "in it",
            )  # fmt: skip
        named = ", ".join(missing[:_NAMED_AT_MOST]) + (
            f" and {len(missing) - _NAMED_AT_MOST} more" if len(missing) > _NAMED_AT_MOST else ""
        )
        audit = "; without it the datagroup's own trigger fails too" if AUDIT in missing else ""
        return Line(
            _FAILED, "tables",
            f"Looker's database user does not see {named} of schema {self._config.schema}: {grant}"
            f"{audit}",
        )  # fmt: skip

    def schedules(self) -> Iterator[Line]:
        for schedule in self._config.looker_schedules:
            try:
                path = f"/scheduled_plans/{place(schedule)}"
                told: Any = self._api.ask("GET", path, expects=dict)
            except Denied as error:
                yield Line(
                    _FAILED, "schedule",
                    f"Looker does not show schedule {schedule} to the API user ({error.status}): "
                    "correct `looker_schedules`, or make it a schedule of the API user itself",
                )  # fmt: skip
            else:
                yield Line(_OK, "schedule", f"{schedule}: {told.get('name')}")

    def project(self) -> Iterator[Line]:
        name = self._config.looker_project
        if not name:
            return
        path, branch = f"/projects/{place(name)}", self._config.looker_branch
        try:
            query = {"fields": "id,git_production_branch_name"}
            told = self._api.ask("GET", path, query=query, expects=dict)
            if branch:
                self._api.ask("GET", f"{path}/git_branch/{place(branch)}")
        except Denied as error:
            yield Line(
                _FAILED, "project",
                f"Looker shows no project {name}{f' with branch {branch}' if branch else ''} to "
                f"the API user ({error.status}): correct `looker_project` and `looker_branch`, or "
                "have an administrator add `develop` to the permission set of its role",
            )  # fmt: skip
            return
        shown = branch or told.get("git_production_branch_name")
        yield Line(_OK, "project", f"{name}, branch {shown}; the right to deploy shows at a deploy")


def _datagroup_line(datagroup: datagroups.Datagroup) -> Line:
    if datagroup.may_update is False:
        return Line(
            _FAILED, "datagroup",
            f"{datagroup.name} may not be triggered by the API user: an administrator has to add "
            "`update_datagroups` to the permission set of its role",
        )  # fmt: skip
    if datagroup.trigger_error:
        return Line(
            _FAILED, "datagroup",
            f"{datagroup.name}: Looker's own look at its trigger failed "
            f"({datagroup.trigger_error}); see that Looker's database user may read {AUDIT}",
        )  # fmt: skip
    unsaid = "" if datagroup.may_update else "; whether it may be triggered shows at a notice"
    return Line(_OK, "datagroup", f"{datagroup.name}{unsaid}")


def _pdt_line(pdt: Pdt, connection: str, is_enabled: bool | None) -> Line:  # noqa: FBT001
    name = f"{pdt.model}.{pdt.view}"
    if is_enabled is False:
        return Line(
            _FAILED, "PDT",
            f"{name} cannot be built through the API: an administrator has to switch on Enable PDT "
            f"API Control of connection {connection}",
        )  # fmt: skip
    return Line(_OK, "PDT", f"{name}; the right to build it shows at a build")
