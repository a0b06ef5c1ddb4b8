"""The functions of FQL, one row each, and the types of values.

A function gets values of the types that its row names, or null: what it makes of null is its own affair.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

NAMES_OF_TYPES = {str: "string", int: "number", float: "number", bool: "bool", type(None): "null", list: "list"}
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")


def type_name(value: object) -> str:
    """string, number, bool, null, list or object."""
    return NAMES_OF_TYPES.get(type(value), "object")


@dataclass(frozen=True, slots=True)
class Function:
    """`takes`: the types it works on, for each argument; `call` may raise ValueError with what it got instead.

    `pattern`: the second argument is a glob, given compiled.
    """

    takes: tuple[frozenset[str], ...]
    returns: str
    call: Callable[..., Any]
    pattern: bool = False


def contains(text: str | None, part: str | None) -> bool:
    return text is not None and part is not None and part in text


def match(text: str | None, fits: Callable[[str], bool]) -> bool:
    return text is not None and fits(text)


def length(value: str | list[Any] | None) -> int:
    """Items of a list, bytes of a string."""
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
    return len(value) if value is not None else 0


def words(text: str) -> list[str]:
    """Runs of letters and digits, parted where a capital begins a word: `HTMLPage2 view` is HTML, Page2, view."""
    found: list[str] = []
    before = ""
    for at, character in enumerate(text):
        if character.isalnum():
            following = text[at + 1 : at + 2]
            begins = character.isupper() and (not before.isupper() or following.islower())
            if begins or not before.isalnum():
                found.append(character)
            else:
                found[-1] += character
        before = character
    return found


def _spelled(spell: Callable[[str], str]) -> Function:
    return Function((_STRING,), "string", lambda text: None if text is None else spell(text))


def to_bool(value: bool | int | float | str | None) -> bool:
    """A number is true unless 0, null is false; of strings `true` and `false` alone."""
    if isinstance(value, str):
        if value not in ("true", "false"):
            raise ValueError("another string")
        return value == "true"
    return bool(value)


def to_string(value: bool | int | float | str | None) -> str | None:
    """As JSON writes it; a whole number without a fraction."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    return None if value is None else str(value)


def to_number(value: bool | int | float | str | None) -> int | float | None:
    """1 and 0 for true and false; a string has to be a number as JSON writes it."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value):
            raise ValueError("another string")
        number = float(value)
        if not math.isfinite(number):
            raise ValueError("one that no double holds")
        return int(value) if value.lstrip("-").isdigit() else number
    return value


_STRING = frozenset({"string", "null"})
_SIZED = frozenset({"string", "list", "null"})
_SCALAR = frozenset({"string", "number", "bool", "null"})
_ANY = _SCALAR | {"list", "object"}

FUNCTIONS = {
    "contains": Function((_STRING, _STRING), "bool", contains),
    "match": Function((_STRING, _STRING), "bool", match, pattern=True),
    "length": Function((_SIZED,), "number", length),
    "lowercase": _spelled(str.lower),
    "uppercase": _spelled(str.upper),
    "snakecase": _spelled(lambda text: "_".join(words(text)).lower()),
    "kebabcase": _spelled(lambda text: "-".join(words(text)).lower()),
    "titlecase": _spelled(lambda text: " ".join(word[:1].upper() + word[1:].lower() for word in words(text))),
    "typeof": Function((_ANY,), "string", type_name),
    "bool": Function((_SCALAR,), "bool", to_bool),
    "string": Function((_SCALAR,), "string", to_string),
    "number": Function((_SCALAR,), "number", to_number),
}
