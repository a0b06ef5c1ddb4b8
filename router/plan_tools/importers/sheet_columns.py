"""Which column of a sheet means what: told by its heading, and by its values where that is not clear."""

from __future__ import annotations

import re
from collections.abc import Sequence

from router.plan_tools.importers.sheet_values import KINDS, PRESENCE, WORDS, is_type, kind_of

_BY_HEADING = {heading: column for column, headings in WORDS["headings"].items() for heading in headings}
_SEARCHED = 20
_CALLS = frozenset(("track", "identify", "group", "page", "screen", "alias"))


def plain(heading: str) -> str:
    """A heading without case, punctuation and remarks in brackets."""
    heading = re.sub(r"\([^)]*\)|\[[^]]*\]|\*", " ", heading.lower())
    return re.sub(r"[\s_:.-]+", " ", heading).strip()


def find_header(rows: Sequence[Sequence[str]]) -> int | None:
    """The first row with a column for events or properties and at least one more that is known."""
    for index, row in enumerate(rows[:_SEARCHED]):
        found = {_BY_HEADING.get(plain(cell)) for cell in row} - {None}
        if len(found) >= 2 and found & {"event", "property"}:
            return index
        if len(found) >= 2 and "name" in {plain(cell) for cell in row}:
            return index
    return None


def numbered(header: Sequence[str]) -> list[int]:
    """The places of columns such as `Parameter 1`, `param_2`: each cell names a property of the row's event."""
    stems = (re.fullmatch(r"(.*?) ?[0-9]+(?: name| key)?", plain(heading)) for heading in header)
    return [place for place, stem in enumerate(stems) if stem and _BY_HEADING.get(stem[1]) == "property"]


def columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[dict[str, int], list[str]]:
    """The place of each known column, and the headings of the others."""
    found: dict[str, int] = {}
    others: list[str] = []
    wide = numbered(header)
    for place, heading in enumerate(header):
        if place in wide:
            continue
        values = {row[place].lower() for row in rows if place < len(row) and row[place]}
        column = _by_values(_BY_HEADING.get(plain(heading)), values)
        if column is not None and column not in found:
            found[column] = place
        elif heading:
            others.append(heading)
    return _named(found, header, others)


def _by_values(column: str | None, words: set[str]) -> str | None:
    """Headings that teams use for different things are told by what stands below them."""
    if column not in ("type", "call", "required", "kind") or not words:
        return column
    if words <= _CALLS:
        return "call"
    if set(map(kind_of, words)) <= KINDS:
        return "kind"
    if column == "kind":
        return column if set(map(kind_of, words)) & KINDS else None
    if column == "call" and all(map(is_type, words)):
        return "type"
    return None if column == "required" and not words & PRESENCE.keys() else column


def _named(found: dict[str, int], header: Sequence[str], others: list[str]) -> tuple[dict[str, int], list[str]]:
    """A column that is only called `name` is the events' or the properties', whichever has none."""
    for place, heading in enumerate(header):
        if plain(heading) == "name":
            column = "property" if "event" in found else "event"
            if column not in found:
                found[column] = place
                others = [other for other in others if other != heading]
    return found, others
