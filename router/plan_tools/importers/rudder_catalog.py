"""The entries that a RudderStack project's plans refer to, found by either spelling of a reference."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from router.plan_tools.importers.assemble import text
from router.plan_tools.importers.notes import Notes
from router.plan_tools.importers.source import Source

_KINDS = {"event": "events", "property": "properties", "custom-type": "custom-types", "category": "categories"}
_CURRENT = re.compile(r"#([a-z-]+):(.+)\Z")
_LEGACY = re.compile(r"#/([a-z-]+)/(?:(.+)/)?([^/]+)\Z")


@dataclass(frozen=True)
class Entry:
    """One entry of a catalog file; `group` is the name of its file's metadata, part of legacy references."""

    kind: str
    group: str
    id: str
    data: dict[str, Any]


class Catalog:
    """All entries of a project by kind."""

    def __init__(self) -> None:
        self._entries: dict[str, list[Entry]] = {}

    def add(self, source: Source, kind: str, key: str, notes: Notes) -> None:
        """The entries of one file, which stand under `spec.<key>`."""
        spec, metadata = source.data.get("spec"), source.data.get("metadata")
        group = text(metadata.get("name")) if isinstance(metadata, dict) else ""
        for item in (spec.get(key) if isinstance(spec, dict) else None) or ():
            if not isinstance(item, dict) or not isinstance(item.get("id"), str):
                notes.add("expected an entry with an id, got none; left out", ("spec", key))
                continue
            entry = Entry(kind, group, item["id"], item)
            if any(other.group == group and other.id == entry.id for other in self._entries.get(kind, ())):
                notes.add(f"expected the id {entry.id} once, got it again; the first is kept", ("spec", key))
                continue
            self._entries.setdefault(kind, []).append(entry)

    def names(self, kind: str) -> list[str]:
        return [entry.id for entry in self._entries.get(kind, ())]

    def find(self, kind: str, reference: Any) -> Entry | None:
        """The entry that `#property:id` or `#/properties/group/id` names."""
        current = _CURRENT.match(reference) if isinstance(reference, str) else None
        legacy = _LEGACY.match(reference) if isinstance(reference, str) else None
        if current and _KINDS.get(current[1]) == kind:
            group, name = None, current[2]
        elif legacy and legacy[1] == kind:
            group, name = legacy[2], legacy[3]
        else:
            return None
        found = [entry for entry in self._entries.get(kind, ()) if entry.id == name]
        return next((entry for entry in found if group in (None, entry.group)), found[0] if found else None)
