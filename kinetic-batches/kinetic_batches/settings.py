"""Where settings come from, and what is wrong with one that is looked at alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from jsonschema import Draft7Validator

if TYPE_CHECKING:
    from collections.abc import Mapping
    from urllib.parse import SplitResult

    from .declare import JsonSchema

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class ConfigError(Exception):
    """Changing a setting mends it; its text names the setting."""


@dataclass(frozen=True)
class Settings:
    """What a plugin can be told.

    Attributes:
        plugin: its name; target-databricks has the variables TARGET_DATABRICKS_<NAME>.
        schema: of the settings; each says its kind first, as in ["integer", "null"].
    """

    plugin: str
    schema: JsonSchema

    @property
    def declared(self) -> dict[str, JsonSchema]:
        """Schema by name."""
        declared: dict[str, JsonSchema] = self.schema["properties"]
        return declared

    def of_environment(self, environment: Mapping[str, str]) -> dict[str, Any]:
        """What variables say; all but texts are JSON.

        Raises:
            ConfigError: naming the variable that cannot be read.
        """
        found: dict[str, Any] = {}
        for name, schema in self.declared.items():
            variable = f"{self.plugin}_{name}".replace("-", "_").upper()
            text = environment.get(variable, "")
            kind = schema["type"][0]
            if text and kind == "string":
                found[name] = text
            elif text:
                try:
                    found[name] = json.loads(text.lower() if kind == "boolean" else text)
                except ValueError as error:
                    raise ConfigError(f"{variable} is no {kind} in JSON") from error
        return found

    def judged(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Every setting by name; what is not given, or empty, has its default or is None.

        Raises:
            ConfigError: naming the setting that is unknown or of a wrong kind.
        """
        if unknown := sorted(given.keys() - self.declared.keys()):
            raise ConfigError(
                f"`{unknown[0]}` is no setting of {self.plugin}; remove it, or correct it to one "
                f"of {', '.join(self.declared)}"
            )
        for fault in Draft7Validator(self.schema).iter_errors(dict(given)):
            name, *inside = map(str, fault.absolute_path)
            if self.declared[name].get("secret"):
                raise ConfigError(f"`{name}` is no text")
            raise ConfigError(f"{_place(given, name, inside)}: {fault.message}")
        defaults = {name: schema.get("default") for name, schema in self.declared.items()}
        return defaults | {name: each for name, each in given.items() if each not in (None, "")}


def _place(given: Mapping[str, Any], name: str, inside: list[str]) -> str:
    """`rules`, rule payables; where an entry has no name, its number counts from one."""
    if not inside:
        return f"`{name}`"
    entries = given[name]
    if not isinstance(entries, list):
        return f"`{name}`, {inside[0]}"
    index = int(inside[0])
    entry = entries[index]
    title = entry.get("name") if isinstance(entry, dict) else None
    return f"`{name}`, {name.rpartition('_')[2].removesuffix('s')} {title or index + 1}"


def of_file(file: Path) -> dict[str, Any]:
    """What a JSON file says.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        given = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{file} is no JSON: {error}") from error
    if not isinstance(given, dict):
        raise ConfigError(f"{file} holds no JSON object")
    return given


def existing_file(values: Mapping[str, Any], name: str) -> str:
    """The path that a setting gives, empty where it gives none.

    Raises:
        ConfigError: there is no such file.
    """
    path = values[name]
    if path and not Path(path).is_file():
        raise ConfigError(f"`{name}`: there is no file {path}")
    return path or ""


def address(values: Mapping[str, Any], name: str) -> SplitResult | None:
    """The https:// address that a setting gives; http:// goes to this machine only.

    Raises:
        ConfigError: it is another thing, or would show a login.
    """
    text = (values[name] or "").strip()
    if not text:
        return None
    try:
        parts = urlsplit(text)
    except ValueError as error:  # such as half an IPv6 address
        raise ConfigError(f"`{name}` is no address: {error}") from error
    if parts.username or parts.password:
        raise ConfigError(f"`{name}` holds a login; give it with the settings of its own")
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    if not is_safe or not parts.hostname:
        raise ConfigError(f"`{name}` has to begin with https:// and a host")
    return parts
