"""What web pages and apps ask a topology for before they send: a source's settings, and the browser library.

Pure, but for the library's files, which are read once, when a topology is loaded. Without state: kill -9 loses nothing.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from router.config.models import Topology, chosen
from router.destinations.registry import destination_types

SCRIPT = "analytics.min.js"  # what pages call the library


class Script(NamedTuple):
    """A file of the library as it is sent; `tag` is its ETag."""

    name: str
    content: bytes
    zipped: bytes
    tag: str


def scripts(entry: Path | None) -> dict[str, Script]:
    """The script that pages begin with, as `analytics.min.js`, and by name the parts of it that lie beside it."""
    if entry is None:
        return {}
    parts = {file.name: _script(file) for file in entry.parent.glob("*.bundle.*.js")}
    return {**parts, SCRIPT: _script(entry)}


def _script(file: Path) -> Script:
    content = file.read_bytes()
    tag = blake2b(content, digest_size=12).hexdigest()
    return Script(file.name, content, gzip.compress(content, mtime=0), f'"{tag}"')


class Pages:
    """What one topology gives to pages. `url` is where they reach the gateway; empty: where the request came to."""

    def __init__(
        self,
        integrations: Mapping[str, Mapping[str, Any]] | None = None,
        library: Mapping[str, Script] | None = None,
        url: str = "",
    ) -> None:
        self._integrations = integrations or {}
        self.library = library or {}
        self.url = url.rstrip("/")

    @classmethod
    def of(cls, topology: Topology) -> Pages:
        """Reads the library's files."""
        named = {name: dict(_device_mode(topology, name)) for name in topology.sources}
        return cls(named, scripts(topology.gateway.analytics_js), topology.gateway.public_url or "")

    def settings(self, source: str, key: str, url: str) -> bytes:
        """The settings that Segment's browser and mobile libraries read, for a gateway that they reach at `url`.

        No library sends metrics about itself to Segment, which is what they do where settings do not say so.
        """
        protocol, _, host = (self.url or url).partition("://")
        segment = {
            "apiKey": key, "apiHost": f"{host}/v1", "protocol": protocol,
            "addBundledMetadata": True, "unbundledIntegrations": [],
        }  # fmt: skip
        return orjson.dumps(
            {
                "integrations": {"Segment.io": segment, **self._integrations.get(source, {})},
                "metrics": {"sampleRate": 0},
                "plan": {"track": {"__default": {"enabled": True, "integrations": {}}}, "identify": {}, "group": {}},
                "middlewareSettings": {"routingRules": []},
                "enabledMiddleware": {},
                "remotePlugins": [],
                "legacyVideoPluginsEnabled": False,
            }
        )


def _device_mode(topology: Topology, source: str) -> dict[str, Any]:
    """What the page is told of each destination that it serves itself, by the name of its integration."""
    types = destination_types()
    found: dict[str, Any] = {}
    for name, config in topology.destinations.items():
        if config.device_mode is not None and config.enabled and chosen(config.sources, source):
            called = config.integration or next(iter(types[config.type].integrations), name)
            found[called] = {"bundlingStatus": "bundled", **config.device_mode}
    return found
