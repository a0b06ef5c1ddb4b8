"""What stands in the cells of a sheet: types, presence, allowed values, names of nested properties."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson

from router.document import read

WORDS: dict[str, Any] = read(Path(__file__).with_name("sheet_words.yaml")).data
PRESENCE = {word: name == "required" for name, words in WORDS["presence"].items() for word in words}
TRAITS: dict[str, str] = WORDS["traits"]
ITEMS = frozenset(WORDS["items"])
KINDS = frozenset((*TRAITS, *ITEMS, *WORDS["other_kinds"]))
_TYPES: dict[str, dict[str, Any]] = {word: entry["schema"] for entry in WORDS["types"] for word in entry["words"]}
_LIST = re.compile(r"(?:array|list)(?:\s+of\s+|\s*[<(\[]\s*)(.+?)s?\s*[>)\]]?\Z|\[\s*(.+?)\s*\]\Z|(.+?)\s*\[\]\Z")
_SPLIT = re.compile(r"\s*(?:\||\n|;)\s*")
_PROSE = re.compile(
    r"\b(?:e\.? ?g\b|i\.? ?e\b|etc\b|such as|for example|example|free text|any\b|anything|and so on"
    r"|other values|and more"
    r"|between|up to|at least|at most|greater than|less than|depends|see )|\.\.\.|…|[<>≤≥]"
)
_RANGE = re.compile(r"-?[0-9.]+ ?(?:-|–|—|to|\.\.) ?-?[0-9.]+%?|-?[0-9.]+ ?\+|[a-z] ?[-–] ?[a-z]", re.IGNORECASE)
_NOTHING = frozenset(WORDS["nothing"])


def kind_of(cell: str) -> str:
    """What a property is of, in a word: `User`, `user-scoped` and `User scope` are one."""
    return re.sub(r"[ -](?:scoped?|level)\Z", "", cell.strip().lower())


def is_type(word: str) -> bool:
    """Whether a cell names a type."""
    return type_of(word) is not None


def type_of(cell: str) -> dict[str, Any] | None:
    """The schema of a type in words; None for a word that is not known."""
    word = re.sub(r"\s+", " ", cell.strip().lower()).removesuffix("(iso 8601)").removesuffix("(iso-8601)").strip()
    if word in _TYPES:
        return dict(_TYPES[word])
    if match := _LIST.match(word):
        item = type_of(next(part for part in match.groups() if part))
        return None if item is None else {"type": "array"} | ({"items": item} if item else {})
    if word.startswith("nullable "):
        return _nullable(type_of(word.removeprefix("nullable ")))
    parts = [part for part in re.split(r"\s*(?:\||/|,| or )\s*", word) if part]
    return _union([type_of(part) for part in parts]) if len(parts) > 1 else None


def _nullable(schema: dict[str, Any] | None) -> dict[str, Any] | None:
    return _union([schema, {"type": "null"}]) if schema else schema


def _union(schemas: list[dict[str, Any] | None]) -> dict[str, Any] | None:
    if any(schema is None for schema in schemas):
        return None
    known = [schema for schema in schemas if schema is not None]
    if any(not schema for schema in known):
        return {}
    plain = [schema["type"] for schema in known if schema.keys() == {"type"}]
    if len(plain) == len(known):
        return {"type": plain}
    if len(known) == 2 and known[1] == {"type": "null"}:
        return {**known[0], "type": [known[0]["type"], "null"]}
    return {"anyOf": known}


def presence(cell: str) -> bool | None:
    """Whether a property is required; None for a word that is not known."""
    return PRESENCE.get(cell.strip().lower().removesuffix(" property"))


def not_a_list(cell: str) -> bool:
    """Whether a cell of allowed values is prose, a range, or names only some of them."""
    text = cell.strip().lower()
    if text.startswith("[") and text.endswith("]") and "..." not in text and "…" not in text:
        return False
    return bool(_PROSE.search(text)) or any(_RANGE.fullmatch(part) or len(part.split()) > 5 for part in allowed(cell))


def allowed(cell: str) -> list[str]:
    """The values of a cell: a JSON list, or split at bars, semicolons, lines, else commas."""
    text = cell.strip()
    if text.lower() in _NOTHING:
        return []
    if text.startswith("["):
        try:
            found = orjson.loads(text)
        except orjson.JSONDecodeError:
            text = text.strip("[]")
        else:
            return [item if isinstance(item, str) else orjson.dumps(item).decode() for item in found]
    parts = _SPLIT.split(text) if _SPLIT.search(text) else text.split(",")
    return list(dict.fromkeys(part.strip().strip("\"'“”").strip() for part in parts if part.strip().strip("\"'“”")))


def typed_value(text: str, types: list[str]) -> Any:
    """A value of an allowed list in the property's type; None where it has none of them."""
    if not types or "string" in types:
        return text
    if "boolean" in types and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if {"integer", "number"} & set(types) and re.fullmatch(r"-?[0-9]{1,15}", text):
        return int(text)
    if "number" in types and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text):
        return float(text)
    return None


def path_of_property(name: str) -> list[str]:
    """`products.$.price`, `products[].price` and `address.city` as steps; `[]` is a step into the items."""
    name = re.sub(r"\[(?:[0-9n*$]*)\]", ".[]", name.strip())
    steps = [step.strip() for step in name.split(".")]
    steps = ["[]" if step in ("$", "*", "n", "0") else step for step in steps]
    return steps if all(steps) and steps[0] != "[]" else [name.strip()]
