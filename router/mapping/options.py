"""What an event says to one partner: the object that its `integrations` have under one of the partner's names.

Names are compared without case, and looked for at the top level, in `options` and in `context`, as the choice of
destinations does. A mapping finds the options under each of the names: `integrations.Klaviyo.list`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def with_options(body: Mapping[str, Any], names: Sequence[str]) -> Mapping[str, Any]:
    """The body with the event's options for the partner of these names under each of them; itself without options."""
    options = options_of(body, names)
    if options is None:
        return body
    given = body.get("integrations")
    return {**body, "integrations": {**(given if isinstance(given, dict) else {}), **dict.fromkeys(names, options)}}


def options_of(body: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any] | None:
    """The first object under one of the names; None where there is none."""
    for place in (body, body.get("options"), body.get("context")):
        given = place.get("integrations") if isinstance(place, dict) else None
        if isinstance(given, dict):
            by_name = {name.strip().casefold(): value for name, value in given.items() if isinstance(value, dict)}
            found = next((by_name[name.casefold()] for name in names if name.casefold() in by_name), None)
            if found is not None:
                return found
    return None
