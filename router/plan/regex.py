"""The structure of a regular expression: sequences, alternatives, repeats, and classes as bit masks.

Only what the ambiguity check needs: a class is a mask of the 128 ASCII characters and, for all others, of Unicode's
general categories; anchors and group names vanish. Input is a pattern that the engine has compiled.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

_CATEGORIES = re.findall("..", "LuLlLtLmLoMnMcMeNdNlNoPcPdPsPePiPfPoSmScSkSoZsZlZpCcCfCsCoCn")
_ASCII = (1 << 128) - 1
ANY = (1 << 128 + len(_CATEGORIES)) - 1
_NEST = 60


def _bit(character: str) -> int:
    if ord(character) < 128:
        return 1 << ord(character)
    return 1 << 128 + _CATEGORIES.index(unicodedata.category(character))


def _mask(characters: str) -> int:
    return sum({_bit(character) for character in characters})


_DIGIT = _mask("0123456789")
_WORD = _mask("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_SPACE = _mask(" \t\n\r\f\v\u00a0\u2028\u2029\ufeff")
_CLASSES = {"d": _DIGIT, "w": _WORD, "s": _SPACE, "D": ANY ^ _DIGIT, "W": ANY ^ _WORD, "S": ANY ^ _SPACE}
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a", "0": "\0"}
_COUNT = re.compile(r"\{([0-9]+)(,([0-9]*))?\}")
_GROUP = re.compile(r"\((\?(:|P?<[A-Za-z_][A-Za-z0-9_]*>))?")
_HEX = re.compile(r"x\{([0-9A-Fa-f]+)\}|x([0-9A-Fa-f]{2})|u\{([0-9A-Fa-f]+)\}|u([0-9A-Fa-f]{4})")
_PROPERTY = re.compile(r"[pP](\{\^?([^}]*)\}|([A-Za-z]))")


@dataclass(frozen=True)
class PatternNode:
    """`set` has a mask, `seq` and `alt` have parts, `rep` has one part and its counts (`most` None: no end)."""

    kind: Literal["set", "seq", "alt", "rep"]
    parts: tuple[PatternNode, ...] = ()
    mask: int = 0
    least: int = 0
    most: int | None = None


class _Unknown(Exception):
    """Syntax this reader does not know."""


def parse(pattern: str) -> PatternNode | None:
    """The structure, or None for syntax that this reader does not know."""
    reader = _Reader(pattern)
    try:
        node = reader.alternatives(0)
    except (_Unknown, IndexError):
        return None
    return node if reader.at == len(pattern) else None


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _take(self) -> str:
        self.at += 1
        return self.text[self.at - 1]

    def alternatives(self, depth: int) -> PatternNode:
        if depth > _NEST:
            raise _Unknown
        options = [self._sequence(depth)]
        while self._peek() == "|":
            self.at += 1
            options.append(self._sequence(depth))
        return options[0] if len(options) == 1 else PatternNode("alt", tuple(options))

    def _sequence(self, depth: int) -> PatternNode:
        parts: list[PatternNode] = []
        while self._peek() not in ("", "|", ")"):
            atom = self._atom(depth)
            if atom is not None:
                parts.append(self._repeated(atom))
        return PatternNode("seq", tuple(parts))

    def _repeated(self, atom: PatternNode) -> PatternNode:
        while (counts := self._counts()) is not None:
            atom = PatternNode("rep", (atom,), least=counts[0], most=counts[1])
            if self._peek() == "?":
                self.at += 1
        return atom

    def _counts(self) -> tuple[int, int | None] | None:
        simple: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        sign = self._peek()
        if sign in simple:
            self.at += 1
            return simple[sign]
        match = _COUNT.match(self.text, self.at) if sign == "{" else None
        if match is None:
            return None
        self.at = match.end()
        least = int(match[1])
        return least, least if match[2] is None else int(match[3]) if match[3] else None

    def _atom(self, depth: int) -> PatternNode | None:
        """One class or group; None for an anchor."""
        if self._peek() == "(":
            return self._group(depth)
        sign = self._take()
        if sign in "^$":
            return None
        if sign == ".":
            return PatternNode("set", mask=ANY ^ _mask("\n"))
        if sign == "[":
            return PatternNode("set", mask=self._class())
        if sign == "\\":
            return None if self._peek() in "bBAzZ" and self._take() else PatternNode("set", mask=self._escape())
        return PatternNode("set", mask=_bit(sign))

    def _group(self, depth: int) -> PatternNode:
        match = _GROUP.match(self.text, self.at)
        if match is None or (match[0] == "(" and self.text[match.end()] == "?"):
            raise _Unknown
        self.at = match.end()
        inner = self.alternatives(depth + 1)
        if self._take() != ")":
            raise _Unknown
        return inner

    def _escape(self) -> int:
        if match := _HEX.match(self.text, self.at):
            self.at = match.end()
            return _bit(chr(min(int(next(filter(None, match.groups())), 16), 0x10FFFF)))
        if match := _PROPERTY.match(self.text, self.at):
            self.at = match.end()
            return _property(match)
        sign = self._take()
        if sign == "c":
            return _bit(chr(ord(self._take()) % 32))
        return _CLASSES.get(sign) or _bit(_CONTROLS.get(sign, sign))

    def _class(self) -> int:
        """The inside of [...]; nested classes and set operators count as any character."""
        negated = self._peek() == "^" and bool(self._take())
        mask = 0
        first = True
        while first or self._peek() != "]":
            first = False
            mask |= self._range()
        self.at += 1
        return ANY ^ (mask & _ASCII) if negated else mask

    def _range(self) -> int:
        sign = self._take()
        if sign == "[" or self.text.startswith((f"{sign}{sign}&&", "&&", "--", "~~"), self.at - 1):
            raise _Unknown
        low = self._escape() if sign == "\\" else _bit(sign)
        if self._peek() != "-" or self.text[self.at + 1] == "]" or low.bit_count() != 1:
            return low
        self.at += 1
        sign = self._take()
        high = self._escape() if sign == "\\" else _bit(sign)
        if high.bit_count() != 1:
            return low | high | _bit("-")
        return ((high << 1) - 1) & ~(low - 1) if (low | high) <= _ASCII else ANY & ~(low - 1 & _ASCII)


def _property(match: re.Match[str]) -> int:
    """A general category such as L or Nd; any other property may be anything."""
    name = match[2] or match[3] or ""
    if match[0][0] == "P" or "^" in match[1] or not any(category.startswith(name) for category in _CATEGORIES):
        return ANY
    ascii_part = {1 << code for code in range(128) if unicodedata.category(chr(code)).startswith(name)}
    return sum(ascii_part) | sum(1 << 128 + n for n, category in enumerate(_CATEGORIES) if category.startswith(name))
