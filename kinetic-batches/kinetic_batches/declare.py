"""How a setting is declared: JSON schema with what people are shown."""

from __future__ import annotations

from typing import Any

JsonSchema = dict[str, Any]

TEXT: JsonSchema = {"type": ["string", "null"]}
TEXTS: JsonSchema = {"type": "array", "items": {"type": "string"}}
SWITCH: JsonSchema = {"type": ["boolean", "null"]}


def setting(title: str, description: str, schema: JsonSchema, **more: Any) -> JsonSchema:  # noqa: ANN401
    """A setting of any kind; `more` are keywords of JSON schema, such as default."""
    return {**schema, "title": title, **more, "description": description}


def text(title: str, description: str, **more: Any) -> JsonSchema:  # noqa: ANN401
    """A text."""
    return setting(title, description, TEXT, **more)


def secret(title: str, description: str) -> JsonSchema:
    """A text that is not shown."""
    return {**text(title, description), "secret": True, "writeOnly": True}


def choice(title: str, description: str, *choices: str) -> JsonSchema:
    """One of some words; the first is the default."""
    return {**text(title, description, default=choices[0]), "enum": list(choices)}


def whole(title: str, description: str, default: int) -> JsonSchema:
    """A whole number above zero."""
    schema = {"type": ["integer", "null"], "minimum": 1}
    return setting(title, description, schema, default=default)


def switch(title: str, description: str) -> JsonSchema:
    """True or false; false where nothing is said."""
    return setting(title, description, SWITCH, default=False)


def several(title: str, description: str, items: JsonSchema) -> JsonSchema:
    """A list, empty where nothing is said."""
    schema = {"type": ["array", "null"], "items": items}
    return setting(title, description, schema, default=[])


def by_name(title: str, description: str, values: JsonSchema) -> JsonSchema:
    """Values by a name of the user's."""
    schema = {"type": ["object", "null"], "properties": {}, "additionalProperties": values}
    return setting(title, description, schema)


def record(required: tuple[str, ...], **properties: JsonSchema) -> JsonSchema:
    """An object with these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }
