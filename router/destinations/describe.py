"""A destination type in words: its settings with type, default and meaning, and an example, all from its class."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

import yaml
from pydantic_core import PydanticUndefined

from router.destinations.base import Connector


def describe(connector: type[Connector]) -> dict[str, Any]:
    """`type`, `summary`, `about`, what it is like, `settings` (a list) and `example` (YAML text)."""
    settings = _settings(connector)
    needed = {setting["name"]: setting["example"] for setting in settings if setting["required"] or setting["example"]}
    destination = {"type": connector.type, **({"settings": needed} if needed else {})}
    return {
        "type": connector.type,
        "summary": connector.summary,
        "about": (sys.modules[connector.__module__].__doc__ or connector.__doc__ or "").strip(),
        "integrations": list(connector.integrations),
        "ignores_integrations": connector.ignores_integrations,
        "types": list(connector.types),
        "limits": asdict(connector.limits),
        "order": connector.order,
        "idempotency": connector.idempotency,
        "probe": connector.can_check(),
        "maps": connector.maps,
        "settings": settings,
        "example": yaml.safe_dump({"destinations": {f"my-{connector.type}": destination}}, sort_keys=False),
    }


def _settings(connector: type[Connector]) -> list[dict[str, Any]]:
    schema = connector.Settings.model_json_schema()
    described = []
    for name, field in connector.Settings.model_fields.items():
        key = field.alias or name
        required = field.is_required()
        described.append(
            {
                "name": key,
                "type": _type(schema["properties"][key]),
                "required": required,
                "default": None if required or field.default is PydanticUndefined else field.default,
                "description": field.description or "",
                "example": (field.examples or [None])[0],
            }
        )
    return described


def _type(schema: dict[str, Any]) -> str:
    """A schema's type in a word or two."""
    if "anyOf" in schema:
        return " or ".join(_type(choice) for choice in schema["anyOf"] if choice.get("type") != "null")
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if schema.get("format") == "password":
        return "secret"
    kind = schema.get("type", "object")
    kinds = [kind] if isinstance(kind, str) else kind
    inner = schema.get("items") or schema.get("additionalProperties")
    suffix = f" of {_type(inner)}" if isinstance(inner, dict) else ""
    return " or ".join(kinds) + suffix
