"""A tracking plan as data: the rules of a folder, and what belongs to all of them.

Everything here is plain and immutable, so that a plan can be read from files, imported, inferred or written in code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from router.document import Document

if TYPE_CHECKING:
    from router.plan.resources import Resources

Schema = dict[str, Any] | bool
Level = Literal["error", "warning", "info", "off"]

NAMED = {"track": "event", "page": "name", "screen": "name"}
"""The field that names an event, for the call types whose rules have one."""
CALL_TYPES = ("track", "page", "screen", "alias", "identify", "group")
SECTIONS = ("properties", "traits", "context", "message")
"""What a rule may hold a schema of: a field of the event, or (`message`) the event as a whole."""
DRAFT_07 = "http://json-schema.org/draft-07/schema#"
DRAFT_2020_12 = "https://json-schema.org/draft/2020-12/schema"


def section_of(call_type: str) -> str:
    """What the examples of a rule are values of, and where unplanned names are looked for."""
    if call_type in ("identify", "group"):
        return "traits"
    return "message" if call_type == "alias" else "properties"


def path_of(call_type: str, name: str | None, version: int = 1) -> str:
    """The file of a rule inside the plan's folder: events/order-completed.yaml, events/order-completed.2.yaml."""
    if call_type in ("identify", "group"):
        return f"{call_type}.yaml"
    slug = re.sub(r"[^a-z0-9]+", "-", (name or call_type).lower()).strip("-") or "event"
    return f"events/{slug}.yaml" if version == 1 else f"events/{slug}.{version}.yaml"


@dataclass(frozen=True, slots=True)
class Example:
    """A value of the rule's section that must conform, or must fail at each of `fails` (JSON pointers into it)."""

    value: Any
    valid: bool = True
    fails: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """What one version of an event may look like. `name` is the event's or page's; None stands for every one.

    `schemas` maps a section to its JSON Schema as written; a `$ref` in it is relative to `file`, the rule's path inside
    the plan's folder. A rule made in code may leave `file` empty.
    """

    type: str
    name: str | None = None
    version: int = 1
    description: str = ""
    why: str = ""
    owner: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    schemas: Mapping[str, Schema] = field(default_factory=dict)
    examples: tuple[Example, ...] = ()
    file: str = ""

    @property
    def title(self) -> str:
        """The event's or page's name, else the call type."""
        return self.name or self.type

    @property
    def path(self) -> str:
        """`file`, or where the rule would be written."""
        return self.file or path_of(self.type, self.name, self.version)

    @property
    def section(self) -> str:
        return section_of(self.type)

    @property
    def schema(self) -> Schema | None:
        """The schema of the rule's own section: `properties`, or `traits` of identify and group."""
        return self.schemas.get(self.section)


@dataclass(frozen=True, slots=True)
class Naming:
    """Naming conventions of a plan: the casing of names, and levels that differ from the lint rules' own."""

    events: Literal["title", "snake", "camel", "any"] = "title"
    properties: Literal["snake", "camel", "any"] = "snake"
    rules: Mapping[str, Level] = field(default_factory=dict)
    allow: frozenset[str] = frozenset()
    reserved: frozenset[str] = frozenset()
    synonyms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """A tracking plan. `revision` identifies the content of its files; empty for a plan made in code.

    `defs` maps the path of a definitions file inside the folder (`defs/product.yaml`) to its data, `documents` maps the
    path of every file to where its values stand.
    """

    name: str
    rules: tuple[Rule, ...] = ()
    description: str = ""
    owners: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    naming: Naming = Naming()
    common: Mapping[str, Schema] = field(default_factory=dict)
    defs: Mapping[str, Any] = field(default_factory=dict)
    folder: Path = Path()
    revision: str = ""
    documents: Mapping[str, Document] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def resources(self) -> Resources:
        """Its schemas by URI, and what their references mean."""
        from router.plan.resources import Resources

        return Resources(self)

    @property
    def stamp(self) -> str:
        """`name@revision`, as it stands on events; the name alone where the plan was made in code."""
        return f"{self.name}@{self.revision}" if self.revision else self.name

    def versions(self, call_type: str, name: str | None = None) -> tuple[Rule, ...]:
        """The rules of one call type and name, oldest version first."""
        return self._versions.get((call_type, name), ())

    @cached_property
    def _versions(self) -> dict[tuple[str, str | None], tuple[Rule, ...]]:
        found: dict[tuple[str, str | None], list[Rule]] = {}
        for rule in self.rules:
            found.setdefault((rule.type, rule.name), []).append(rule)
        return {key: tuple(sorted(rules, key=lambda rule: rule.version)) for key, rules in found.items()}
