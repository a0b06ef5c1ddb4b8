"""What a connector makes of an event by default, in the mapping language: found out by asking the connector itself."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from pydantic import ValidationError

from router.destinations.base import Connector
from router.destinations.default_map.derive import DefaultTarget, Targets, default_map, lines
from router.destinations.http import HttpDestination

__all__ = ["DefaultTarget", "Targets", "default_map", "default_map_of", "lines", "with_examples"]

_VARIABLE = re.compile(r"\$\{(\w+)\}")


@cache
def default_map_of(connector: type[Connector]) -> dict[str, Targets | str] | None:
    """The default map of a type with the settings of its example; None where it has no requests to be mapped."""
    made = with_examples(connector)
    return default_map(made) if isinstance(made, HttpDestination) else None


def with_examples(connector: type[Connector]) -> Connector | None:
    """A connector with the examples of its settings; None where they make none."""
    fields = connector.Settings.model_fields
    examples = {field.alias or name: field.examples[0] for name, field in fields.items() if field.examples}
    try:
        return connector("example", connector.Settings.model_validate(_filled(examples)), 10.0)
    except ValidationError:
        return None


def _filled(value: Any) -> Any:
    """With something in place of each variable."""
    if isinstance(value, str):
        return _VARIABLE.sub(lambda found: found[1].lower().replace("_", "-"), value)
    if isinstance(value, dict):
        return {key: _filled(inner) for key, inner in value.items()}
    return [_filled(inner) for inner in value] if isinstance(value, list) else value
