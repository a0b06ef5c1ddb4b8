"""What the tests of pages share: a topology, counts, and a page rendered in its frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from router.config.loader import Loaded, load_topology
from router.console.access import ConsoleUser
from router.console.app import frame_values
from router.console.period import chosen_period
from router.console.sight import LatestCounts
from router.console.templates import Shown, render
from router.destinations.registry import destination_types
from router.process.health import Check, Report
from router.process.snapshot import DestinationRow, ProcessRow, Snapshot
from router.status.pages import Look

HOSTILE = "<img src=x onerror=alert(1)>\u202e"
SECRET = "a-secret-of-the-partner"
KEY = "a-write-key-of-the-web"
OPERATOR = ConsoleUser("otto", "operator", "session-token")
SPAN = chosen_period({}, 1_790_000_000_000)
VIEWER = ConsoleUser("vera", "viewer", "other-token")


def shop(folder: Path, **more: Any) -> Loaded:
    """Source `web`; destinations `crm` with a secret, `ads`, and `off`, which is switched off."""
    settings = {"url": "https://crm.example/e", "secret": SECRET}
    data = {
        "name": "shop",
        "topics": {"partitions": 1},
        "sources": {"web": {"write_keys": [KEY], "description": HOSTILE}},
        "destinations": {
            "crm": {"type": "webhook", "settings": settings, "events": ["Order Completed"]},
            "ads": {"type": "webhook", "settings": {"url": "https://ads.example/e"}},
            "off": {"type": "webhook", "settings": {"url": "https://off.example/e"}, "enabled": False},
        },
    } | more
    file = folder / "shop.yaml"
    file.write_text(yaml.safe_dump(data))
    return load_topology([file], registry=destination_types())


def seen(**more: Any) -> Snapshot:
    """Ten events received, each ended; `crm` is held back, `ads` is fine."""
    ended = {"invalid": 1, "blocked": 2, "duplicate": 3, "resolved": 4}
    rows = (
        DestinationRow("ads", routed=4, delivered=4, p95_seconds=0.2),
        DestinationRow("crm", routed=9, delivered=2, dead=1, taken=6, paused=("down",), oldest_seconds=900.0),
    )
    values: dict[str, Any] = {
        "received": 10, "ended": ended, "merged": 0, "lost": 0, "waiting": 0, "accepted": 10, "destinations": rows,
        "processes": (ProcessRow("deliver", True, True, True),),
    }  # fmt: skip
    return Snapshot(**(values | more))


def counts(**more: Any) -> LatestCounts:
    """Of `seen`; the delivery process says of `crm` what a hostile partner says."""
    why = f"held back since 13:40: connection refused {HOSTILE}"
    live = Report(True, {"deliver deliver.crm": Check(True, why)})
    return LatestCounts(Look(seen(**more), Report(True), live), 1_790_000_000_000)


def html(shown: Shown, person: ConsoleUser = OPERATOR) -> str:
    """The whole page."""
    return render(shown, frame_values("Overview", person, "shop"))


def inert(page: str) -> bool:
    """Whether nothing of the hostile text is markup, and its hidden character is seen."""
    return "<img" not in page and "onerror" in page and "\u202e" not in page and "⟨U+202E⟩" in page
