"""Events to try a destination with, where none are given: the plan's valid examples, else one of each call type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from router.config.loader import Loaded
from router.config.models import DestinationConfig, chosen
from router.destinations.registry import destination_types
from router.document import nearest
from router.errors import UsageError
from router.events.event import CALL_TYPES

_USER = "u-1"
_PLAIN: dict[str, dict[str, Any]] = {
    "identify": {"traits": {"email": "ada@example.com", "firstName": "Ada", "plan": "free"}},
    "track": {"event": "Order Completed", "properties": {"order_id": "1", "total": 9.5, "currency": "EUR"}},
    "page": {"name": "Home", "properties": {"url": "https://shop.example.com/"}},
    "screen": {"name": "Home", "properties": {}},
    "group": {"groupId": "g-1", "traits": {"name": "Example Ltd"}},
    "alias": {"previousId": "a-1"},
}


def sample_events(loaded: Loaded, name: str, source: str) -> Iterator[dict[str, Any]]:
    """One event of each rule of the source's plan that the destination subscribes to, without a messageId."""
    config = loaded.topology.destinations[name]
    planned = [event for event in _planned(loaded, source) if _subscribed(config, event)]
    if planned:
        yield from planned
        return
    known = destination_types()[config.type].types
    for call_type in CALL_TYPES:
        if call_type in known:
            event = {"type": call_type, "userId": _USER, **_PLAIN[call_type]}
            if call_type == "track" and config.events:
                event["event"] = config.events[0]
            if _subscribed(config, event):
                yield event


def _planned(loaded: Loaded, source: str) -> Iterator[dict[str, Any]]:
    from router.plan_tools.examples import event_of

    plan = loaded.plans.get(source)
    for rule in plan.plan.rules if plan is not None else ():
        example = next((one for one in rule.examples if one.valid), None)
        if example is not None:
            event = event_of(rule, example.value)
            ids = {key: one for key, one in _PLAIN[rule.type].items() if key in ("groupId", "previousId")}
            yield {"userId": _USER, **ids, **event}


def _subscribed(config: DestinationConfig, event: dict[str, Any]) -> bool:
    if config.types and event["type"] not in config.types:
        return False
    name = event.get("event")
    return event["type"] != "track" or ((not config.events or name in config.events) and name not in config.except_)


def source_for(loaded: Loaded, name: str, asked: str) -> str:
    """The source of events for a destination: the one asked for, else the first it takes. Raises UsageError."""
    sources = loaded.topology.sources
    if asked and asked not in sources:
        hint = nearest(asked, sources)
        raise UsageError(f"expected a source, got {asked}" + (f" (did you mean {hint}?)" if hint else ""))
    globs = loaded.topology.destinations[name].sources
    environment = loaded.topology.environment
    taken = [one for one, config in sources.items() if not config.refusal(environment) and chosen(globs, one)]
    if not asked and not taken:
        raise UsageError(f"expected --source SOURCE: {name} takes no source whose events are accepted")
    return asked or taken[0]
