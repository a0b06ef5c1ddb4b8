"""What was seen at one place of many events: types, names, texts, within bounds, whatever comes."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import jsonschema_rs

from router.plan_tools.lint.words import made_at_run_time

_CHECKS = {
    name: jsonschema_rs.Draft7Validator({"format": name}, validate_formats=True)
    for name in ("date-time", "date", "email", "uri")
}
MAX_TEXTS = 50
MAX_NAMES = 200
MAX_LEVELS = 12
_LONGEST = 60
_ZONE = r"(Z|[+-][0-9]{2}:[0-9]{2})"
FORMATS = {
    "date-time": re.compile(rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}(\.[0-9]+)?{_ZONE}\Z"),
    "date": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z"),
    "email": re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+\Z"),
    "uri": re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?([/?#][A-Za-z0-9._~:/?#@!$&'()*+,;=%-]*)?\Z"),
    "uuid": re.compile(r"[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z"),
}


class SeenValues:
    """Counts of the values at one place. Memory is bounded; `dynamic` says that names are made at run time."""

    __slots__ = ("count", "dynamic", "formats", "item", "names", "texts", "types")

    def __init__(self) -> None:
        self.count = 0
        self.types: Counter[str] = Counter()
        self.names: dict[str, SeenValues] = {}
        self.item: SeenValues | None = None
        self.texts: Counter[str] | None = Counter()
        self.formats = set(FORMATS)
        self.dynamic = False

    def add(self, value: Any, level: int = 0) -> None:
        self.count += 1
        name = type_of(value)
        self.types[name] += 1
        if name == "string":
            self._text(value)
        elif name == "object" and level < MAX_LEVELS:
            self._object(value, level)
        elif name == "array" and level < MAX_LEVELS:
            self.item = self.item or SeenValues()
            for item in value:
                self.item.add(item, level + 1)

    def _text(self, text: str) -> None:
        self.formats = {name for name in self.formats if _has(name, text)}
        if self.texts is not None:
            self.texts[text] += 1
            if len(self.texts) > MAX_TEXTS or len(text) > _LONGEST:
                self.texts = None

    def _object(self, value: dict[str, Any], level: int) -> None:
        if self.dynamic:
            return
        for name, item in value.items():
            if name not in self.names:
                if len(self.names) >= MAX_NAMES or made_at_run_time(name):
                    self.dynamic = True
                    self.names.clear()
                    return
                self.names[name] = SeenValues()
            self.names[name].add(item, level + 1)


def _has(name: str, text: str) -> bool:
    """Whether a text has a format, as the validator sees it too."""
    return bool(FORMATS[name].match(text)) and (name not in _CHECKS or _CHECKS[name].is_valid(text))


def type_of(value: Any) -> str:
    """The JSON type of a value, whole numbers apart."""
    if isinstance(value, bool):
        return "boolean"
    known: dict[type, str] = {str: "string", int: "integer", float: "number", dict: "object", list: "array"}
    if isinstance(value, float) and value.is_integer():
        return "integer"
    return known.get(type(value), "null")
