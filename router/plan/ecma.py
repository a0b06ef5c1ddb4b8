"""Patterns as ECMA-262 means them, written for the router's engine.

A pattern means what `new RegExp(pattern, "u")` means, and what `new RegExp(pattern)` means where the `u` flag
refuses it (`[\\w-\\.]`, `\\<`, a lone `{`). What the engine cannot say, or what is legal and never meant, is refused
with advice.
"""

from __future__ import annotations

import re

_COUNT = re.compile(r"\{[0-9]+(?:,[0-9]*)?\}")
_CODE = re.compile(r"x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|u\{0*([0-9A-Fa-f]{1,6})\}")
_LOW_HALF = re.compile(r"\\u([dD][c-fC-F][0-9A-Fa-f]{2})")
_PROPERTY = re.compile(r"[pP]\{(?:[CLMNPSZ][a-z]?|(?:gc|General_Category)=\w+|(?:sc|Script)=\w+|[A-Za-z_]+)\}")
_DELIMITED = re.compile(r"/\^.*|.*\$/[a-z]*|/.+/[dgimsuvy]+", re.DOTALL)
_SYNTAX = frozenset("^$\\.*+?()[]{}|/")
_ADVICE = {
    "A": "write ^",
    "Z": "write $",
    "z": "write $",
    "h": "write [ \\t]",
    "R": "write \\r?\\n",
    "Q": "escape each",
}
_ANY_BUT_LINE_ENDS = "[^\\n\\r\\u2028\\u2029]"


class PatternRefused(ValueError):
    """A construct with another meaning here than in JavaScript; the text says what to write."""


_WRITTEN: dict[str, str] = {}
"""What plans wrote for each translated pattern, for messages."""


def as_written(translated: str) -> str:
    """The pattern that a plan wrote for one that the engine names."""
    return _WRITTEN.get(translated, translated)


def for_engine(pattern: str) -> str:
    """The pattern in constructs that mean the same in both; unchanged where it is no regular expression at all.

    Raises PatternRefused.
    """
    if _DELIMITED.fullmatch(pattern):
        raise PatternRefused("expected a pattern alone, got one between slashes; leave out the slashes and flags")
    translated = _Translator(pattern).translate()
    if translated != pattern:
        _WRITTEN.setdefault(translated, pattern)
    return translated


class _Translator:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.legacy = False
        """Whether only a pattern without the `u` flag may say this."""
        self.unicode = False
        """Whether only one with the flag may."""

    def translate(self) -> str:
        parts: list[str] = []
        while self.at < len(self.text):
            parts.append(self._token())
        if self.legacy and self.unicode:
            raise PatternRefused(
                "expected a pattern that is legal with the u flag, since it has \\p{…} or \\u{…}, got a needless "
                "escape, a hyphen beside a class or a lone bracket; escape brackets and put hyphens last"
            )
        return "".join(parts)

    def _take(self) -> str:
        self.at += 1
        return self.text[self.at - 1]

    def _token(self) -> str:
        sign = self._take()
        if sign == "\\" and self.at < len(self.text):
            return self._escape()
        if sign == "[":
            return self._class()
        if sign == ".":
            return _ANY_BUT_LINE_ENDS
        if sign in "]}":
            self.legacy = True
            return f"\\{sign}"
        if sign == "{":
            if count := _COUNT.match(self.text, self.at - 1):
                self.at = count.end()
                return count[0]
            self.legacy = True
            return "\\{"
        return sign

    def _escape(self) -> str:
        sign = self.text[self.at]
        if sign in "bB":
            raise PatternRefused(
                f"expected no \\{sign}, whose words are ASCII in JavaScript and Unicode here; "
                "name the characters around"
            )
        if sign in "123456789k":  # the engine refuses back-references in words of its own
            return f"\\{self._take()}"
        return self._character(in_class=False)

    def _character(self, *, in_class: bool) -> str:
        """The escape after a backslash."""
        if code := _CODE.match(self.text, self.at):
            self.at = code.end()
            self.unicode = self.unicode or code[3] is not None
            return self._code(int(next(filter(None, code.groups())), 16))
        if name := _PROPERTY.match(self.text, self.at):
            self.at, self.unicode = name.end(), True
            return f"\\{name[0]}"
        sign = self._take()
        if sign in "dDwWsStnvfr":
            return f"\\{sign}"
        if sign == "b" and in_class:
            return "\\u0008"
        following = self.text[self.at : self.at + 1]
        if sign == "c" and following.isascii() and following.isalpha():
            return f"\\u{ord(self._take()) % 32:04x}"
        if sign == "0" and not following.isdigit():
            return "\\u0000"
        if sign.isascii() and sign.isalnum():
            advice = _ADVICE.get(sign, "write the character itself, or its code as \\u0041")
            raise PatternRefused(f"expected an escape of ECMA-262, got \\{sign}; {advice}")
        self.legacy = self.legacy or not (sign in _SYNTAX or (in_class and sign == "-"))
        return _literal(sign)

    def _code(self, code: int) -> str:
        if 0xD800 <= code < 0xDC00 and (low := _LOW_HALF.match(self.text, self.at)):
            self.at, self.unicode = low.end(), True
            code = 0x10000 + ((code - 0xD800) << 10) + int(low[1], 16) - 0xDC00
        if 0xD800 <= code < 0xE000 or code > 0x10FFFF:
            raise PatternRefused("expected the code of a character, got half a surrogate pair or a larger number")
        return f"\\u{code:04x}" if code < 0x10000 else f"\\u{{{code:x}}}"

    def _class(self) -> str:
        negated = self.text.startswith("^", self.at)
        start = self.at + negated
        if self.text.startswith("]", start):
            self.at = start + 1
            if negated:
                return "[\\s\\S]"
            raise PatternRefused("expected a class that matches something, got []; write \\[\\] for brackets")
        if self.text.startswith(("[:", "[.", "[="), start):
            raise PatternRefused("expected a class of ECMA-262, got one of POSIX such as [[:alpha:]]; write [A-Za-z]")
        self.at = start
        parts: list[str] = []
        while self.at < len(self.text):
            if self.text[self.at] == "]":
                self.at += 1
                return f"[{'^' if negated else ''}{''.join(parts)}]"
            parts.append(self._range())
        raise PatternRefused("expected a regular expression, got an error: missing ]")

    def _range(self) -> str:
        low = self._member()
        if self.text[self.at : self.at + 1] != "-" or self.text[self.at + 1 : self.at + 2] in ("]", ""):
            return low
        self.at += 1
        high = self._member()
        if _is_set(low) or _is_set(high):
            self.legacy = True
            return f"{low}\\u002d{high}"
        return f"{low}-{high}"

    def _member(self) -> str:
        sign = self._take()
        if sign == "\\" and self.at < len(self.text):
            return self._character(in_class=True)
        return _literal(sign)


def _is_set(member: str) -> bool:
    return member[0] == "\\" and member[1] in "dDwWsSpP"


def _literal(sign: str) -> str:
    """A character that no engine takes for syntax."""
    return f"\\u{ord(sign):04x}" if sign.isascii() and not sign.isalnum() else sign
