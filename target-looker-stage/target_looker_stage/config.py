"""Settings judged once: what the rest may rely on."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinetic_batches.settings import ConfigError, Settings, address, existing_file, of_file
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from .settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

STAGE = Settings("target-looker-stage", SETTINGS)
WAREHOUSES = ("postgresql", "duckdb", "snowflake", "bigquery", "databricks", "redshift")
_SCHEMA_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_VOLUME = re.compile(r"[^./\s]+\.[^./\s]+\.[^./\s]+")
_BUCKET = re.compile(r"s3://[^/\s]+(/\S*)?")
_SECRET = re.compile("token|secret|passw|pwd|key", re.IGNORECASE)
"""Names of parameters of a URL."""
_SHORTEST_SECRET = 3
"""A shorter text would be cut out of words."""


@dataclass(frozen=True)
class Pdt:
    """A derived table that Looker is asked to rebuild."""

    model: str
    view: str
    force_rebuild: bool


@dataclass(frozen=True)
class Config:
    """What a run needs to know; see `settings.py` for what each means."""

    url: URL = field(repr=False)
    schema: str
    hard_delete: bool
    batch_size_rows: int
    databricks_volume: str
    redshift_s3: str
    redshift_iam_role: str
    lookml_folder: Path
    lookml_model: str
    lookml_connection: str
    looker_url: str
    looker_client_id: str
    looker_client_secret: str = field(repr=False)
    looker_ca_bundle: str
    looker_timeout_seconds: int
    looker_deadline_seconds: int
    looker_datagroups: Mapping[str, tuple[str, ...]]
    looker_notice: str
    looker_pdts: tuple[Pdt, ...]
    looker_schedules: tuple[str, ...]
    looker_project: str
    looker_branch: str
    on_looker_error: str

    @property
    def warehouse(self) -> str:
        """Which kind it is: one of `WAREHOUSES`."""
        return self.url.get_backend_name()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What may stand in no log."""
        query = [value for name, value in self.url.query.items() if _SECRET.search(name)]
        held = (self.url.password, self.looker_client_secret, *query)
        return tuple(str(each) for each in held if each and len(str(each)) > _SHORTEST_SECRET)

    @classmethod
    def read(cls, file: Path | None, environment: Mapping[str, str]) -> Config:
        """Settings of a JSON file and of TARGET_LOOKER_STAGE_* variables, which win.

        Raises:
            ConfigError: naming what is wrong.
        """
        given = of_file(file) if file else {}
        return cls.of({**given, **STAGE.of_environment(environment)})

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Config:
        """Judge the settings.

        Raises:
            ConfigError: naming the setting that is missing, unknown or wrong.
        """
        values = STAGE.judged(given)
        url = _warehouse_url(values["sqlalchemy_url"])
        _check_place(url.get_backend_name(), values)
        return cls(
            url=url,
            schema=values["schema"].lower(),
            hard_delete=values["hard_delete"],
            batch_size_rows=values["batch_size_rows"],
            databricks_volume=values["databricks_volume"] or "",
            redshift_s3=(values["redshift_s3"] or "").rstrip("/"),
            redshift_iam_role=values["redshift_iam_role"] or "",
            lookml_folder=Path(values["lookml_folder"]),
            lookml_model=values["lookml_model"],
            lookml_connection=values["lookml_connection"],
            looker_url=_looker_url(values),
            looker_client_id=values["looker_client_id"] or "",
            looker_client_secret=values["looker_client_secret"] or "",
            looker_ca_bundle=existing_file(values, "looker_ca_bundle"),
            looker_timeout_seconds=values["looker_timeout_seconds"],
            looker_deadline_seconds=values["looker_deadline_seconds"],
            looker_datagroups=_datagroups(values),
            looker_notice=values["looker_notice"],
            looker_pdts=tuple(
                Pdt(each["model"], each["view"], bool(each.get("force_rebuild")))
                for each in values["looker_pdts"]
            ),
            looker_schedules=tuple(map(str, values["looker_schedules"])),
            looker_project=values["looker_project"] or "",
            looker_branch=values["looker_branch"] or "",
            on_looker_error=values["on_looker_error"],
        )


def _warehouse_url(text: str | None) -> URL:
    if not text:
        raise ConfigError(
            "`sqlalchemy_url` is missing: such as postgresql://user:password@host/database; it "
            f"can be of {', '.join(WAREHOUSES)}"
        )
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:  # a port that is no number
        raise ConfigError(
            "`sqlalchemy_url` is no URL such as postgresql://user:password@host/database; "
            "characters like @, : and / of a password are written %40, %3A and %2F"
        ) from error
    kind = {"postgres": "postgresql"}.get(url.get_backend_name(), url.get_backend_name())
    if kind not in WAREHOUSES:
        raise ConfigError(
            f"`sqlalchemy_url` begins with {url.drivername}://, for which there is no loader; "
            f"there are {', '.join(WAREHOUSES)}"
        )
    return url.set(drivername=_DRIVERS.get(kind, kind))


_DRIVERS = {"postgresql": "postgresql+psycopg", "redshift": "redshift+redshift_connector"}


def _check_place(kind: str, values: Mapping[str, Any]) -> None:
    """Schema, and where files pass through."""
    if not _SCHEMA_NAME.fullmatch(values["schema"]):
        raise ConfigError(
            f"`schema`: {values['schema']!r} is no name of letters, digits and underscores, of at "
            "most 63 characters"
        )
    if kind == "databricks" and not _VOLUME.fullmatch(values["databricks_volume"] or ""):
        raise ConfigError("`databricks_volume` has to be catalog.schema.volume")
    if kind == "redshift" and not _BUCKET.fullmatch(values["redshift_s3"] or ""):
        raise ConfigError("`redshift_s3` has to be s3://bucket or s3://bucket/prefix")
    if kind == "redshift" and not (values["redshift_iam_role"] or "").startswith("arn:"):
        raise ConfigError("`redshift_iam_role` has to be the ARN of a role, arn:aws:iam::...")


def _looker_url(values: Mapping[str, Any]) -> str:
    parts = address(values, "looker_url")
    if not parts:
        return ""
    for name in ("looker_client_id", "looker_client_secret"):
        if not values[name]:
            raise ConfigError(f"`{name}` is missing, which `looker_url` needs")
    return parts.geturl().rstrip("/")


def _datagroups(values: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    given = values["looker_datagroups"]
    if given is None:
        return {f"{values['lookml_model']}::epicor_kinetic": ("*",)}
    return {name: tuple(globs) for name, globs in given.items()}
