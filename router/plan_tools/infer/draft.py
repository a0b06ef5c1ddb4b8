"""From what was seen at a place to a schema, and a sample without anything personal in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from router.mask import MASK
from router.plan_tools.importers.convert import UUID
from router.plan_tools.infer.seen import SeenValues, type_of

_OWN = re.compile(r"(^|_)(id|ids|key|token|email|mail|phone|name|username|firstname|lastname|address|ip|title|url)$")
_SAMPLES = {
    "date-time": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_LONGEST_OPTION = 40


@dataclass(frozen=True, slots=True)
class InferenceSettings:
    """`required` is the share of events that must have a property, `options` the most values of an enum."""

    required: float = 1.0
    options: int = 10


def schema(seen: SeenValues, name: str, settings: InferenceSettings) -> dict[str, Any]:
    """A schema that everything seen conforms to. `x-seen` counts the values."""
    found: dict[str, Any] = {}
    types = _types(seen)
    if types:
        found["type"] = types[0] if len(types) == 1 else types
    options = options_of(seen, name, settings)
    if options and types == ["string"]:
        found["enum"] = options
    elif "string" in types and (form := format_of(seen)):
        found |= {"pattern": UUID} if form == "uuid" else {"format": form}
    found["x-seen"] = seen.count
    if "object" in types:
        found |= _object(seen, settings)
    if "array" in types and seen.item is not None and seen.item.count:
        found["items"] = schema(seen.item, name, settings)
    return found


def _types(seen: SeenValues) -> list[str]:
    names = [name for name in ("string", "number", "integer", "boolean", "object", "array", "null") if seen.types[name]]
    return [name for name in names if name != "integer" or "number" not in names]


def _object(seen: SeenValues, settings: InferenceSettings) -> dict[str, Any]:
    if seen.dynamic:
        return {"additionalProperties": True, "x-note": "names made at run time"}
    if not seen.names:
        return {}
    objects = seen.types["object"]
    required = [name for name, inner in seen.names.items() if inner.count >= settings.required * objects]
    properties = {name: schema(inner, name, settings) for name, inner in seen.names.items()}
    return ({"required": required} if required else {}) | {"properties": properties}


def options_of(seen: SeenValues, name: str, settings: InferenceSettings) -> list[str]:
    """The values of a text that has few, each seen several times; none for ids and for what may be personal."""
    if not seen.texts or format_of(seen) or _OWN.search(_snake(name)):
        return []
    few = 2 <= len(seen.texts) <= settings.options and seen.types["string"] >= 3 * len(seen.texts)
    plain = all(text.strip() == text != "" and len(text) <= _LONGEST_OPTION for text in seen.texts)
    digits = all(re.fullmatch(r"[0-9.,-]+", text) for text in seen.texts)
    return sorted(seen.texts) if few and plain and not digits else []


def format_of(seen: SeenValues) -> str:
    """The one format that all texts have."""
    return next(iter(sorted(seen.formats)), "") if seen.types["string"] else ""


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace("-", "_")


def sample(value: Any, seen: SeenValues, name: str, settings: InferenceSettings) -> Any:
    """The value in shape: texts masked but for those an enum names, numbers made up."""
    kind = type_of(value)
    if kind == "string":
        options = options_of(seen, name, settings)
        return value if value in options and _types(seen) == ["string"] else _SAMPLES.get(format_of(seen), MASK)
    if kind in ("integer", "number"):
        return 1 if kind == "integer" else 1.5
    if kind == "array":
        return [sample(item, seen.item, name, settings) for item in value[:2]] if seen.item else []
    if kind == "object":
        return {key: sample(item, seen.names[key], key, settings) for key, item in value.items() if key in seen.names}
    return value
