"""Names of schemas, tables and columns: Segment's snake case, and what makes any name one that each database takes.

Only ASCII letters and digits count, all else separates. A run of capitals and digits with the small letters after it is
one word, so an acronym sticks to the next one: `iOSVersion` is `i_osversion`. A name has at most 63 characters
(PostgreSQL's limit, kept everywhere, so that tables can move): a longer one is cut and ends in a hash of the original,
as does a name that has no ASCII at all. Reserved words and names that begin with a digit get a `_` in front.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

LONGEST = 63
_WORD = re.compile(r"[A-Z0-9]+[a-z0-9]*|[a-z0-9]+")
# Of PostgreSQL and DuckDB: what neither takes as a name without quotes.
_RESERVED = frozenset(
    """
    all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation
    column concurrently constraint create cross current_catalog current_date current_role current_schema current_time
    current_timestamp current_user default deferrable desc describe distinct do else end except false fetch for foreign
    freeze from full grant group having ilike in initially inner intersect into is isnull join lambda lateral leading
    left like limit localtime localtimestamp natural not notnull null offset on only or order outer overlaps pivot
    pivot_longer pivot_wider placing primary qualify references returning right select session_user show similar some
    summarize symmetric table tablesample then to trailing true union unique unpivot user using variadic verbose when
    where window with
    """.split()  # noqa: SIM905  as the manuals list them
)
# Tables that are there whatever the events are called.
CALL_TABLES = {
    "track": "tracks", "identify": "identifies", "page": "pages", "screen": "screens", "group": "groups",
    "alias": "aliases",
}  # fmt: skip
OBJECT_TABLES = frozenset(("users", "accounts", "user_identities"))
WHOLE_TABLES = frozenset(("user_identities",))  # of objects whose events have all their columns
DISCARDS, NAMES = "discards", "_names"
_TAKEN_TABLES = frozenset(CALL_TABLES.values()) | OBJECT_TABLES | {DISCARDS}


def snake(text: str) -> str:
    """Segment's snake case; empty where nothing in the text is an ASCII letter or digit."""
    return "_".join(_WORD.findall(text)).lower()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _identifier(text: str, otherwise: str) -> str:
    """A name that each database takes, for any text: `otherwise` begins that of a text without ASCII."""
    name = snake(text) or f"{otherwise}_{_digest(text)}"
    if name in _RESERVED or name[0].isdigit():
        name = f"_{name}"
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 9]}_{_digest(text)}"


@lru_cache(1 << 16)
def column_name(path: str) -> str:
    """Of a property or trait; the parts of a nested one are joined by `_`."""
    return _identifier(path, "c")


@lru_cache(1 << 14)
def event_table(event: str) -> str:
    """Of a track call's name."""
    name = _identifier(event, "event")
    return f"_{name}" if name in _TAKEN_TABLES else name


@lru_cache(1 << 10)
def schema_name(source: str, prefix: str = "") -> str:
    """Of a source. Two sources never share one: where only their dashes differ, a hash tells them apart."""
    plain = snake(source)
    told = plain if plain == source.replace("-", "_") else f"{plain or 'source'}_{_digest(source)}"
    name = _identifier(f"{prefix}{told}", "source")
    return f"_{name}" if name.startswith("pg_") or name == "information_schema" else name


def made_up(name: str, original: str) -> bool:
    """Whether the original cannot be guessed from the name: it was cut, or has no ASCII."""
    return name.endswith(_digest(original))
