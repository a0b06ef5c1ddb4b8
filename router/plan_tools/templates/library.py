"""Reads the shipped templates. Each event is defined once, whichever templates take it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from router.document import Document, nearest, read
from router.errors import FileError, Problem, UsageError
from router.plan.model import Rule, Schema
from router.plan.shape import read_rule
from router.plan_tools.templates.template import USE_CASE, Template
from router.plan_tools.templates.use_cases import read_use_cases

DATA = Path(__file__).parent / "data"
SHARED = ("base", "use-cases")
SHOWN_FIRST = ("starter", "common")


@dataclass(frozen=True)
class Library:
    """`rules` by event name or call type; `extra`: properties that only use cases name, by the same keys.

    `common` are the sections of a common schema, `defs` the files of definitions by their path in a plan's folder.
    `templates` are in the order of a list for people.
    """

    rules: Mapping[str, Rule]
    extra: Mapping[str, Mapping[str, Schema]]
    common: Mapping[str, Schema]
    defs: Mapping[str, Any]
    templates: Mapping[str, Template]

    def template(self, name: str) -> Template:
        """Raises UsageError for a name that no template has, with the nearest one."""
        if name in self.templates:
            return self.templates[name]
        close = nearest(name, self.templates) or nearest(USE_CASE + name, self.templates)
        hint = f" (did you mean {close}?)" if close else ""
        raise UsageError(f"expected a template (`router plan new --list` shows them), got {name}{hint}")


@cache
def library() -> Library:
    """The shipped templates. Raises FileError when a file of theirs is damaged."""
    base, cases = (read(DATA / f"{name}.yaml").data for name in SHARED)
    files = {path.stem: read(path).data for path in sorted(DATA.glob("*.yaml")) if path.stem not in SHARED}
    names = sorted(files, key=lambda name: (name not in SHOWN_FIRST, name))
    rules = dict(_rules({"base": base} | files))
    templates = {name: _template(name, files[name]) for name in names} | read_use_cases(cases)
    defs = {f"defs/{path.name}": read(path).data for path in sorted((DATA / "defs").glob("*.yaml"))}
    return Library(rules, cases["properties"], base["common"], defs, templates)


def _template(name: str, data: Mapping[str, Any]) -> Template:
    rules = (*data.get("calls", ()), *data.get("events", ()), *data.get("include", ()))
    common = ("properties", *data.get("common", ()))
    allow = tuple(data.get("allow", ()))
    return Template(name, data["title"], data["description"], rules, data.get("context"), common, allow)


def _rules(files: Mapping[str, Any]) -> Iterator[tuple[str, Rule]]:
    problems: list[Problem] = []
    for file, data in files.items():
        heads = {call_type: {"type": call_type} for call_type in data.get("calls", ()) if file == "base"}
        heads |= {event: {"type": "track", "event": event} for event in data.get("events", ())}
        for key, head in heads.items():
            body = data["calls" if file == "base" else "events"][key]
            path = f"{key}.yaml" if key in ("identify", "group") else ""
            rule = read_rule(path, Document(f"{file}.yaml: {key}", {**head, **body}), problems)
            if rule:
                yield key, rule
    if problems:
        raise FileError(problems)
