"""Where an event happened, from its context: device, application, campaign, options for a partner, names of pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.destinations.base import Delivery
from router.destinations.shared.person import context, text

# The first mark that stands in a user agent names the browser: most also name those that they descend from.
_BROWSERS = (
    *(("Edg", "Microsoft Edge"), ("OPR/", "Opera"), ("SamsungBrowser/", "Samsung Internet"), ("FxiOS/", "Firefox")),
    *(("Firefox/", "Firefox"), ("CriOS/", "Chrome"), ("Chrome/", "Chrome"), ("Safari/", "Safari")),
)
_CAMPAIGN = {
    "utm_source": "campaign.source", "utm_medium": "campaign.medium", "utm_campaign": "campaign.name",
    "utm_term": "campaign.term", "utm_content": "campaign.content",
}  # fmt: skip


def at(event: Delivery, path: str) -> Any:
    """The value at a dotted path of the context, such as `os.name`; None where there is none."""
    found: Any = context(event)
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def fields(event: Delivery, paths: Mapping[str, str]) -> dict[str, Any]:
    """A partner's fields by the paths they are found at: texts and numbers, without those that are not there."""
    found = ((name, at(event, path)) for name, path in paths.items())
    return {
        name: value
        for name, value in found
        if isinstance(value, str | int | float) and not isinstance(value, bool) and value != ""
    }


def campaign(event: Delivery) -> dict[str, Any]:
    """`utm_source` and the like."""
    return fields(event, _CAMPAIGN)


def browser(event: Delivery) -> str:
    """The browser's name, from the user agent; empty for other clients."""
    agent = text(at(event, "userAgent"))
    return next((name for mark, name in _BROWSERS if mark in agent), "") if agent.startswith("Mozilla/") else ""


def page_event(event: Delivery, *names: str) -> str:
    """`Viewed Docs Setup Page` of a category and a name; without either, `Loaded a Page`. `Screen` for screens."""
    kind = "Screen" if event.type == "screen" else "Page"
    called = " ".join(filter(None, names))
    return f"Viewed {called} {kind}" if called else f"Loaded a {kind}"
