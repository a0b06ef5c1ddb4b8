"""Compiles what events of one source, type and name must look like into the tables of the scanner (`scan.c`).

A schema is compiled only where all of it is understood: `Uncertain` for any other keyword, and its events are held
against the plan in Python. So what is here may be narrower than the plan, never wider: of a format, the spellings that
nearly all values have. Where it may be, or where it is not known which of several schemas refuses a value, the scanner
does not say what is wrong. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from router.native.automaton import Automaton, Uncertain, automaton

ANYTHING = -1
TYPES = {"null": 1, "boolean": 2, "integer": 4, "number": 12, "string": 16, "array": 32, "object": 64}
_ALL = sum({1, 2, 4, 8, 16, 32, 64})
MINIMUM, MAXIMUM, ABOVE, BELOW, CLOSED, BLURRED = 1, 2, 4, 8, 16, 32
_BOUNDS = {"minimum": MINIMUM, "exclusiveMinimum": ABOVE, "maximum": MAXIMUM, "exclusiveMaximum": BELOW}
_DAY = "[12][0-9]{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
_TIME = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_WORD, _LABEL = "[A-Za-z0-9]{1,20}", "[a-z0-9]{1,20}"
_PATH = "(?:[A-Za-z0-9._~/-]|%[0-9A-F]{2})*"
_QUERY = "(?:[A-Za-z0-9._~/&=+-]|%[0-9A-F]{2})*"
FORMATS = {  # what is certainly of the format
    "date": f"^{_DAY}$",
    "date-time": f"^{_DAY}T{_TIME}(?:[.][0-9]{{1,9}})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])$",
    "email": f"^{_WORD}(?:[._+-]{_WORD})?@(?:{_LABEL}[.-])?{_LABEL}[.][a-z]{{2,10}}$",
    "uri": f"^https?://[a-z0-9]+(?:[.-][a-z0-9]+)*(?::[0-9]{{2,4}})?(?:/{_PATH})?(?:\\?{_QUERY})?(?:#{_PATH})?$",
}
_LARGEST = 10**15  # beyond it numbers are not compared
_IGNORED = frozenset(
    (
        *("$schema", "$id", "$comment", "title", "description", "default", "examples", "readOnly", "writeOnly"),
        *("definitions", "$defs"),  # what nothing refers to says nothing
    )
)
_KNOWN = frozenset(
    (
        *("type", "properties", "required", "additionalProperties", "items", "enum", "const", "allOf", "$ref"),
        *("minLength", "maxLength", "pattern", "format", *_BOUNDS, *_IGNORED),
    )
)
_MOST_REQUIRED, _MOST_WORDS, _MOST_LEVELS, _MOST_NODES = 64, 256, 32, 50_000
_LOCAL = re.compile(r"#/definitions/(\w+)")
Schema = Any
Part = tuple[Schema, Schema]  # a schema, and the root that its references are relative to
Referred = Callable[[str, str], Part]  # of the URI of a root and a reference in it


def hash_of(text: bytes) -> int:
    """As in scan.c."""
    found = len(text)
    for at in range(0, len(text), 8):
        found = (found ^ int.from_bytes(text[at : at + 8], "little")) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
        found ^= found >> 32
    return found


@dataclass(slots=True)
class NodeRow:
    """A row of the nodes, in the order of the struct's fields."""

    minimum: float = 0.0
    maximum: float = 0.0
    required: int = 0
    types: int = 0
    flags: int = 0
    min_length: int = 0
    max_length: int = -1
    pattern: int = -1
    items: int = ANYTHING
    additional: int = ANYTHING
    first_property: int = 0
    properties: int = 0
    first_word: int = 0
    words: int = 0
    unused: int = 0


@dataclass(slots=True)
class Nodes:
    """All nodes, and what they refer to. `text` holds names and words."""

    nodes: list[NodeRow] = field(default_factory=list)
    properties: list[tuple[int, int, int, int, int]] = field(default_factory=list)  # hash, place, size, node, bit
    words: list[tuple[int, int]] = field(default_factory=list)
    automata: list[Automaton] = field(default_factory=list)
    text: bytearray = field(default_factory=bytearray)
    referred: Referred | None = field(default=None, compare=False)  # of references beyond the root's own definitions

    def put(self, text: bytes) -> tuple[int, int]:
        """Place and size of a text."""
        at = len(self.text)
        self.text += text
        return at, len(text)

    def node(self, schemas: Sequence[Schema], referred: Referred | None = None) -> int:
        """The node of a value that all these schemas apply to. Raises Uncertain, and adds nothing then.

        `referred` says what references mean that are not to a root's own definitions.
        """
        self.referred = referred
        sizes = (len(self.nodes), len(self.properties), len(self.words), len(self.automata), len(self.text))
        try:
            return self._node([(schema, schema) for schema in schemas], 0)
        except Uncertain:
            for held, size in zip((self.nodes, self.properties, self.words, self.automata), sizes, strict=False):
                del held[size:]  # type: ignore[attr-defined]
            del self.text[sizes[-1] :]
            raise

    def _node(self, parts: Sequence[Part], level: int) -> int:
        if level > _MOST_LEVELS or len(self.nodes) >= _MOST_NODES:
            raise Uncertain("a schema that goes on for ever")
        flat = [part for part in self._flat(parts) if part[0] is not True]
        if not flat:
            return ANYTHING
        row = NodeRow()
        index = len(self.nodes)
        self.nodes.append(row)
        schemas = [schema for schema, _ in flat]
        for schema in schemas:
            _scalar(row, schema)
        self._texts(row, schemas)
        row.items = self._inner(flat, "items", level)
        self._members(row, flat, level)
        return index

    def _inner(self, parts: Sequence[Part], keyword: str, level: int) -> int:
        inner = [(schema[keyword], root) for schema, root in parts if keyword in schema]
        if any(not isinstance(schema, dict | bool) for schema, _ in inner):
            raise Uncertain(keyword)
        return self._node(inner, level + 1)

    def _texts(self, row: NodeRow, schemas: Sequence[Mapping[str, Any]]) -> None:
        patterns = {schema["pattern"] for schema in schemas if "pattern" in schema}
        formats = {schema["format"] for schema in schemas if "format" in schema}
        lists = [schema["enum"] for schema in schemas if "enum" in schema]
        lists += [[schema["const"]] for schema in schemas if "const" in schema]
        if len(patterns) + len(formats) > 1 or len(lists) > 1 or not formats <= FORMATS.keys():
            raise Uncertain("an unknown format, or several patterns or enums of one value")
        for pattern in patterns:
            row.pattern = len(self.automata)
            self.automata.append(automaton(pattern))
        for name in formats:
            row.pattern = len(self.automata)
            self.automata.append(automaton(FORMATS[name])._replace(format=1 + list(FORMATS).index(name)))
        for words in lists:
            if not words or len(words) > _MOST_WORDS or not all(isinstance(word, str) for word in words):
                raise Uncertain("enum")
            row.first_word, row.words = len(self.words), len(words)
            self.words += [self.put(word.encode()) for word in words]

    def _members(self, row: NodeRow, parts: Sequence[Part], level: int) -> None:
        required = list(dict.fromkeys(name for schema, _ in parts for name in schema.get("required", ())))
        named = dict.fromkeys(name for schema, _ in parts for name in schema.get("properties", ()))
        if len(required) > _MOST_REQUIRED:
            raise Uncertain("required")
        if any(schema.get("additionalProperties", True) is False for schema, _ in parts):
            row.flags |= CLOSED
            if any(isinstance(schema.get("additionalProperties"), dict) for schema, _ in parts):
                row.flags |= BLURRED
        row.additional = ANYTHING if row.flags & CLOSED else self._inner(parts, "additionalProperties", level)
        rows = []
        for name in [*named, *(name for name in required if name not in named)]:
            inner = []
            for schema, root in parts:
                own = schema.get("properties", {}).get(name, schema.get("additionalProperties", True))
                if own is False:
                    break  # no such name is taken
                inner.append((own, root))
            else:
                place, size = self.put(name.encode())
                bit = required.index(name) if name in required else -1
                rows.append((hash_of(name.encode()), place, size, self._node(inner, level + 1), bit))
                continue
            if name in required or not row.flags & CLOSED:
                raise Uncertain("a name that one schema wants and another refuses")
            row.flags |= BLURRED  # what else is wrong with its value is not looked for
        row.required = (1 << len(required)) - 1
        row.first_property, row.properties = len(self.properties), len(rows)
        self.properties += rows

    def _flat(self, parts: Iterable[Part]) -> Iterable[Part]:
        """With what allOf and references stand for in their place. Raises Uncertain for unknown keywords."""
        stack = [(part, 0) for part in reversed(list(parts))]
        while stack:
            (schema, root), level = stack.pop()
            if schema is True:
                continue
            if not isinstance(schema, dict) or not schema.keys() <= _KNOWN or level > _MOST_LEVELS:
                raise Uncertain("a schema of other keywords")
            if schema is not root and "$id" in schema:
                raise Uncertain("references relative to another schema")
            if "$ref" in schema:
                if not schema.keys() <= _IGNORED | {"$ref"}:
                    raise Uncertain("$ref")
                stack.append((self._of_reference(schema["$ref"], root), level + 1))
                continue
            stack += [((inner, root), level + 1) for inner in reversed(schema.get("allOf", ()))]
            yield schema, root

    def _of_reference(self, reference: str, root: Schema) -> Part:
        if found := _LOCAL.fullmatch(reference):
            return root.get("definitions", {}).get(found[1], False), root
        if self.referred is None or "$id" not in root:
            raise Uncertain("$ref")
        return self.referred(root["$id"], reference)


def _scalar(row: NodeRow, schema: Mapping[str, Any]) -> None:
    if "type" in schema:
        names = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        row.types = (row.types or _ALL) & sum({bit for name in names for bit in _bits(TYPES[name])})
        if not row.types:
            raise Uncertain("type")
    for keyword, flag in _BOUNDS.items():
        if keyword in schema:
            _bound(row, flag, schema[keyword])
    shortest = _whole(schema.get("minLength", 0))
    if shortest and row.min_length:
        row.flags |= BLURRED
    row.min_length = max(row.min_length, shortest)
    if "maxLength" in schema:
        longest = _whole(schema["maxLength"])
        if row.max_length >= 0:
            row.flags |= BLURRED
        row.max_length = longest if row.max_length < 0 else min(longest, row.max_length)


def _bound(row: NodeRow, flag: int, limit: Any) -> None:
    lower = flag in (MINIMUM, ABOVE)
    taken = (MINIMUM | ABOVE) if lower else (MAXIMUM | BELOW)
    if isinstance(limit, bool) or not isinstance(limit, int | float) or abs(limit) > _LARGEST or row.flags & taken:
        raise Uncertain("a bound")
    row.flags |= flag
    if lower:
        row.minimum = float(limit)
    else:
        row.maximum = float(limit)


def _whole(number: Any) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 1 << 30:
        raise Uncertain("a length")
    return number


def _bits(mask: int) -> Iterable[int]:
    return (1 << bit for bit in range(7) if mask >> bit & 1)
