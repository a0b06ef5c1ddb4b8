"""What an event is made of, for maps whose result is an event: of a row, of a line, of what a partner posts. Pure."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from typing import Any

from router.document import nearest
from router.mapping.expression import FORMS
from router.mapping.mapping import Mapping
from router.mapping.path import MappingError

TEXTS = frozenset(
    ("type", "event", "name", "category", "userId", "anonymousId", "groupId", "previousId", "messageId", "timestamp")
) | {"originalTimestamp", "sentAt", "receivedAt", "channel"}
TARGETS = TEXTS | {"properties", "traits", "context", "integrations"}


def event_mapping(given: Dict[str, Any]) -> Mapping:
    """Compiled. Raises MappingError, also where an id, a name or a time would be a list or an object."""
    mapping = Mapping(given)
    for target, expression in given.items():
        if target in TEXTS and (got := _several(expression)):
            raise MappingError(target, f"expected one value, such as {{path: id}}, got {got}")
    return mapping


def _several(expression: Any) -> str:
    """What an expression makes that is more than one value; empty where it makes one."""
    if isinstance(expression, list):
        return "a list"
    if not isinstance(expression, Dict) or any(form in expression and form != "each" for form in FORMS):
        return ""
    if "each" in expression:
        return "a list"
    names = ", ".join(map(str, expression))
    hint = next((near for name in expression if (near := nearest(str(name), FORMS))), "")
    return f"an object of {names or 'nothing'}" + (f" (did you mean {hint}?)" if hint else "")
