"""Texts that stand where an id was meant and name nobody: `undefined`, `(null)`, zeros, `{{user.id}}`.

Clients send them when a variable was empty or a template was not filled in. Taken for an id, such a text would join all
who carry it into one profile, or drop all their events but one as repeats. Whoever compares ids asks here first; the
event itself keeps the text. Pure and immutable; time is linear in the length of the text, whatever the globs.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import re2

WORDS = frozenset(
    (
        # what languages and databases print for "no value"
        *("undefined", "null", "nil", "none", "nan", "n/a", "na", "#n/a", "n.a.", "\\n", "void", "nonetype"),
        *("optional(nil)", "optional(optional(nil))", "optional.empty", "optional[null]", 'optional("")', "%!s(<nil>)"),
        *("true", "false", "-1", "infinity", "-infinity"),
        # what people and forms write for it
        *("unknown", "anonymous", "anonymous user", "anonymous_user", "anon", "guest", "guest user", "guest_user"),
        *("not set", "not_set", "not available", "not_available", "not provided", "not_provided", "not applicable"),
        *("not_authenticated", "unauthenticated", "not logged in", "not_logged_in", "unset", "missing", "empty"),
        *("blank", "no value", "no_value", "nobody", "tbd"),
        # the name of the field in place of its value
        *("id", "user", "userid", "user_id", "user id", "user-id", "distinctid", "distinct_id", "anonymousid"),
        *("anonymous_id", "deviceid", "device_id", "customerid", "customer_id", "messageid", "message_id", "email"),
        *("uuid", "guid", "string"),
        # ids that many devices share
        *("ffffffff-ffff-ffff-ffff-ffffffffffff", "9774d56d682e549c", "02:00:00:00:00:00"),
    )
)
# Whole texts, in lower case.
PATTERNS = (
    # template expressions that were not filled in
    *(r"\{\{.*\}\}", r"\{%.*%\}", r"<%.*%>", r"\[\[.*\]\]", r"%%.*%%", r"\*\|.*\|\*", r"[$#%@]\{.*\}", r"\$\(.*\)"),
    # a word in brackets: (null), <nil>, [object Promise], {user_id}
    *(r"\([a-z][a-z_. -]*\)", r"<[a-z][a-z_. -]*>", r"\[[a-z][a-z_. -]*\]", r"\{[a-z][a-z_. -]*\}"),
    # formats without their argument, and programs in place of their result
    *(r"%(\([a-z_]+\))?[sdiufv@]", r"%!.?\((<nil>|missing|badprec|badwidth|noverb|extra).*\)"),
    *(r"<.* at 0x[0-9a-f]+>", r"function ?[a-z_0-9$]*\(.*", r"\(.*\) ?=>.*"),
    # several of the words, joined
    r"(undefined|null|nil|none|nan)([ ._:/|,@-]+(undefined|null|nil|none|nan))+",
)
_PATTERN_WORDS = frozenset(("und", "nul", "nil", "non", "nan", "fun"))  # three letters that patterns above begin with
_BLANKS = "0-+.:,;?!_/\\|*~#'\"()[]{}<> \t\r\n"  # zeros, dashes and such name nobody, however many
_PATTERN_STARTS = frozenset("{<[%*$#@(")  # of all other patterns
_ODD_STARTS = _PATTERN_STARTS | frozenset(("", *_BLANKS))
_AROUND = "\"'` \t\r\n"
_SHORT = 24  # characters; most ids are longer and begin with a letter or digit that no placeholder begins with
_ALPHANUMERIC = frozenset(string.ascii_letters + string.digits)
_LONG_STARTS = frozenset("0fF")  # of zeros, of the UUID of ones, of a function's text


class CertainlyNot(NamedTuple):
    """A text of more than `short` characters that begins with one of `starts` (ASCII) is no placeholder."""

    short: int
    starts: bytes


class Placeholders:
    """The built-in placeholders with what a topology adds and takes back, as globs of `*` and `?`.

    Letter case makes no difference. What is taken back wins over what is added; blank text is always a placeholder.
    """

    __slots__ = ("_added", "_patterns", "_plain", "_removed")

    def __init__(self, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        self._patterns = re2.compile(f"(?s)(?:{'|'.join(PATTERNS)})")
        self._added = _globs(add)
        self._removed = _globs(remove)
        self._plain = _ALPHANUMERIC - _LONG_STARTS - _first_characters(add)

    @property
    def certainly_not(self) -> CertainlyNot:
        """How to tell that most texts are none of them."""
        return CertainlyNot(_SHORT, "".join(self._plain).encode())

    def matches(self, text: str) -> bool:
        """Whether a text is a placeholder: blank, or one of them but for letter case, quotes and blanks around it."""
        if len(text) > _SHORT and text[0] in self._plain:
            return False
        bare = text.strip().strip(_AROUND).lower()
        if bare in WORDS:
            found = True
        elif bare[:1] in _ODD_STARTS:
            found = not bare.strip(_BLANKS) or (bare[0] in _PATTERN_STARTS and self._is_pattern(bare))
        else:
            found = bare[:3] in _PATTERN_WORDS and self._is_pattern(bare)
        if not found and (self._added is None or not self._added.fullmatch(_encodable(bare))):
            return False
        return self._removed is None or not bare.strip() or not self._removed.fullmatch(_encodable(bare))

    def _is_pattern(self, bare: str) -> bool:
        return self._patterns.fullmatch(_encodable(bare)) is not None


def _globs(globs: Sequence[str]) -> re2._Regexp | None:
    """One pattern for all of them, or None."""
    return re2.compile("(?s)(?:" + "|".join(map(_pattern, globs)) + ")") if globs else None


def _pattern(glob: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(character) or re2.escape(character) for character in glob.strip().lower())


def _first_characters(globs: Iterable[str]) -> frozenset[str]:
    """Characters that texts of these globs can begin with."""
    first = {glob.strip()[:1] for glob in globs}
    if first & {"*", "?"}:
        return _ALPHANUMERIC
    return frozenset(spelled for character in first for spelled in (character.lower(), character.upper()))


def _encodable(text: str) -> str:
    """Without the halves of surrogate pairs, which re2 does not take."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
