"""The JSON Schema of topology files, made from the models, for editors. `router check` says more than it can."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from router.config.models import Topology
from router.config.pulled import PULLED
from router.config.pulled import SUMMARY as PULLED_SUMMARY
from router.destinations.base import Connector
from router.partner_sources.catalog import PARTNER_SOURCES, SEGMENT
from router.transform.function import SPELLING

DIALECT = "https://json-schema.org/draft/2020-12/schema"
REFERENCE = {"type": "string", "pattern": r"\$\{", "description": "${NAME}, ${NAME:-default} or ${file:PATH}"}
_TYPED = ("integer", "number", "boolean")


def topology_schema(registry: Mapping[str, type[Connector]]) -> dict[str, Any]:
    """Draft 2020-12. Nothing is required at the root: a file may be included, or override another."""
    schema = Topology.model_json_schema()
    definitions = schema["$defs"]
    del schema["required"]
    definitions["SourceDefaults"] = _partial(definitions["SourceConfig"])
    definitions["DestinationDefaults"] = _partial(definitions["DestinationConfig"])
    schema["properties"] |= {
        "include": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Globs of files with the same keys, relative to this file; a name stands in one file only",
        },
        "defaults": {
            "type": "object",
            "additionalProperties": False,
            "description": "Merged under each source and each destination",
            "properties": {
                "source": {"$ref": "#/$defs/SourceDefaults"},
                "destination": {"$ref": "#/$defs/DestinationDefaults"},
            },
        },
    }
    _add_settings(definitions, registry)
    _add_source_settings(definitions)
    schema = _with_references(schema)
    return {"$schema": DIALECT, "title": "Topology of an event router", **schema}


def _without(schema: dict[str, Any], key: str) -> dict[str, Any]:
    return {k: v for k, v in schema.items() if k != key}


def _partial(definition: dict[str, Any]) -> dict[str, Any]:
    return _without(deepcopy(definition), "required")


def _add_settings(definitions: dict[str, Any], registry: Mapping[str, type[Connector]]) -> None:
    """The type of a destination decides what its `settings` are."""
    destination = definitions["DestinationConfig"]
    destination["properties"]["type"] |= {"anyOf": [{"enum": list(registry)}, {"pattern": SPELLING.pattern}]}
    destination["properties"]["settings"].pop("additionalProperties", None)
    choices = destination["allOf"] = []
    for name, connector in registry.items():
        settings = connector.Settings.model_json_schema(ref_template="#/$defs/{model}")
        definitions |= settings.pop("$defs", {})
        definitions[f"settings-{name}"] = settings | {"description": connector.summary}
        needed = {"required": ["settings"]} if settings.get("required") else {}
        choices.append(
            {
                "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
                "then": {"properties": {"settings": {"$ref": f"#/$defs/settings-{name}"}}, **needed},
            }
        )


def _add_source_settings(definitions: dict[str, Any]) -> None:
    """The same for a source, whose type is `segment` where it names none."""
    source = definitions["SourceConfig"]
    source["properties"]["type"] |= {"enum": sorted({SEGMENT, *PARTNER_SOURCES, *PULLED})}
    source["properties"]["settings"].pop("additionalProperties", None)
    choices = source["allOf"] = []
    models = {name: (partner.Settings, partner.summary) for name, partner in PARTNER_SOURCES.items()}
    models |= {name: (model, PULLED_SUMMARY) for name, model in PULLED.items()}
    for name, (model, summary) in models.items():
        settings = model.model_json_schema(ref_template="#/$defs/{model}")
        definitions |= settings.pop("$defs", {})
        definitions[f"source-settings-{name}"] = settings | {"description": summary}
        needed = {"required": ["settings"]} if settings.get("required") and name != SEGMENT else {}
        choices.append(
            {
                "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
                "then": {"properties": {"settings": {"$ref": f"#/$defs/source-settings-{name}"}}, **needed},
            }
        )


def _with_references(schema: Any) -> Any:
    """The schema with `${NAME}` allowed wherever a number, a boolean or one of a list of words is asked for."""
    if isinstance(schema, list):
        return [_with_references(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    # Titles that are only the field's name again would cover the descriptions in editors.
    kept = {key: value for key, value in schema.items() if not (key == "title" and isinstance(value, str))}
    walked = {key: value if key == "default" else _with_references(value) for key, value in kept.items()}
    if "patternProperties" in walked:
        walked["additionalProperties"] = False
    kind = walked.get("type")
    words = kind == "string" and ("enum" in walked or "pattern" in walked) and walked != REFERENCE
    if kind in _TYPED or words:
        outer = {key: walked.pop(key) for key in ("default", "description") if key in walked}
        return {"anyOf": [walked, REFERENCE], **outer}
    return walked
