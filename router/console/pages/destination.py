"""`/destinations/NAME`: what its partner took and refused, with samples; its settings; its dead letters.

Tabs are `?tab=`: delivery (the default), settings, letters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from aiohttp import web
from pydantic import BaseModel, SecretStr

from router.config.loader import Loaded
from router.console.delivery_errors import DeliverySummary, LetterList, read_letters, read_summary
from router.console.page import Page, not_found
from router.console.pages.overview import destination_lines
from router.console.sight import LatestCounts, Sight
from router.console.templates import Shown
from router.console.text import visible
from router.destinations.registry import destination_types
from router.document import nearest
from router.mask import Mask

TABS = {"delivery": "Delivery", "settings": "Settings", "letters": "Dead letters"}
SHOWN_LETTERS = 200
_RESENT = {
    "none": "It cannot tell repeats: an event that it took in spite of its error arrives twice.",
    "upsert": "An event sent again is written over the first: nothing changes.",
}
_RECOGNISES = "It knows our key of each event and drops what it already has."


async def answer(sight: Sight, request: web.Request) -> Shown:
    name, topology = request.match_info["name"], sight.loaded.topology
    if name not in topology.destinations:
        return not_found("destination", name, nearest(name, topology.destinations), "/destinations")
    tab = request.query.get("tab", "delivery")
    counts = await sight.counts()
    if tab == "settings":
        return destination(sight.loaded, counts, name, tab, settings=settings_text(sight.loaded, name, sight.mask))
    if tab == "letters":
        found = await sight.read(lambda: read_letters(sight, name))
        return destination(sight.loaded, counts, name, tab, letters=found, mask=sight.mask)
    seen = await sight.read(lambda: read_summary(sight, name))
    return destination(sight.loaded, counts, name, "delivery", summary=seen, mask=sight.mask)


def destination(
    loaded: Loaded, counts: LatestCounts, name: str, tab: str, *, summary: DeliverySummary | None = None,
    letters: LetterList | None = None, settings: str = "", mask: Mask | None = None,
) -> Shown:  # fmt: skip
    """The page of one destination. Pure."""
    line = next(line for line in destination_lines(loaded.topology, counts.look) if line.name == name)
    kind = destination_types().get(line.type)
    resent = _RESENT.get(kind.idempotency, _RECOGNISES) if kind else ""
    values = {
        "name": name, "line": line, "row": line.row, "tab": tab, "tabs": TABS, "counts": counts, "summary": summary,
        "letters": letters, "shown": letters.rows[:SHOWN_LETTERS] if letters else [], "settings": settings,
        "files": [str(path) for path in loaded.files], "resent": resent, "mask": mask or Mask(),
        "paused": "operator" in line.row.paused, "config": loaded.topology.destinations[name],
    }  # fmt: skip
    return Shown("destination.html", name, values)


def settings_text(loaded: Loaded, name: str, mask: Mask) -> str:
    """The topology's part for it as YAML, merged with defaults; of a secret only whether it is set."""
    config = loaded.topology.destinations[name]
    merged = config.model_dump(mode="json", by_alias=True, exclude={"settings"})
    settings = loaded.connector_settings.get(name)
    merged["settings"] = _plain(settings) if settings is not None else {}
    return visible(mask.text(yaml.safe_dump(mask.value(merged), sort_keys=False, allow_unicode=True)))


def _plain(value: Any) -> Any:
    """Settings as data, without secrets."""
    if isinstance(value, SecretStr):
        return "(set)" if value.get_secret_value() else "(not set)"
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


PAGE = Page("/destinations/{name}", "Destinations", answer)
