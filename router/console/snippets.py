"""Texts that send a first event to a source, with its key for an operator who asks for it; and whether one has come.

A write key stands in no page: it is sent for an action alone, which is written down.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.config.models import Topology
from router.config.options import RunOptions
from router.console.live.hub import LiveHub
from router.console.sight import LatestCounts
from router.errors import UsageError
from router.gateway.snippets import SNIPPET_TITLES, snippet

PLACEHOLDER = "YOUR_WRITE_KEY"
_NOBODY = ("", "none")  # what the gateway refuses is of no source where the key is unknown


def gateway_address(topology: Topology, options: RunOptions) -> str:
    """Where clients reach the gateway."""
    host, port = options.gateway
    local = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    return (topology.gateway.public_url or local).rstrip("/")


def snippets(topology: Topology, options: RunOptions, key: str = PLACEHOLDER) -> Mapping[str, str]:
    """By kind, in the order of the tabs."""
    address = gateway_address(topology, options)
    return {kind: snippet(kind, key, address) for kind in SNIPPET_TITLES}


def snippets_with_key(topology: Topology, options: RunOptions, source: str) -> Mapping[str, str]:
    """With the first write key of a source. Raises UsageError where it has none."""
    keys = topology.sources[source].write_keys
    if not keys:
        raise UsageError(f"{source} has no write key: its events come by its topics")
    return snippets(topology, options, keys[0].get_secret_value())


def arrival(hub: LiveHub, counts: LatestCounts, source: str, since: int) -> dict[str, Any]:
    """The first event of a source that came after `since` (ms since 1970), and what the gateway has had so far.

    Only while some page looks at live events is there anything to be found: the page that asks does.
    """
    seen = counts.look.seen if counts.look else None
    unknown = sum(sum(seen.refused.get(name, {}).values()) for name in _NOBODY) if seen else 0
    row = hub.first(source, since)
    return {"row": row.as_dict() if row else None, "accepted": seen.accepted if seen else 0, "unknown": unknown}
