"""Facts of the identity log: identifiers of one event that belong together, or an alias. One record carries many.

Reading is total: whatever a record holds, all replicas find the same facts in it and skip the same rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import orjson

from router.identity.identifiers import LONGEST, LONGEST_KIND, MOST, Identifiers

VERSION = 1
RECORD_BYTES = 256 * 1024


class Fact(NamedTuple):
    """`ids` belong to one profile. `alias`: the user said so, hence two user ids may meet."""

    ids: Identifiers
    alias: bool = False


class Facts(NamedTuple):
    """What a record holds; `bad` counts what is no fact (1 for a record that is none of facts)."""

    facts: list[Fact]
    bad: int


def link(ids: Identifiers) -> Fact:
    return Fact(ids)


def alias(previous: str, user: str) -> Fact:
    """An alias call: `previous` is an anonymous id or an earlier user id."""
    return Fact((("user_id", user), ("user_id", previous), ("anonymous_id", previous)), alias=True)


def pack_facts(facts: Iterable[Fact]) -> list[bytes]:
    """Log records of about 256 KiB at most: a batch of long identifiers would be too large for one message."""
    return list(_records(orjson.dumps([int(fact.alias), fact.ids]) for fact in facts))


def _records(packed: Iterable[bytes]) -> Iterator[bytes]:
    part: list[bytes] = []
    size = 0
    for fact in packed:
        part.append(fact)
        size += len(fact)
        if size >= RECORD_BYTES:
            yield _record(part)
            part, size = [], 0
    if part:
        yield _record(part)


def _record(packed: list[bytes]) -> bytes:
    return b"[%d,[%s]]" % (VERSION, b",".join(packed))


def unpack_facts(record: bytes) -> Facts:
    """The facts of a record, in order."""
    try:
        content = orjson.loads(record)
    except orjson.JSONDecodeError:
        return Facts([], 1)
    if type(content) is not list or len(content) != 2 or content[0] != VERSION or type(content[1]) is not list:
        return Facts([], 1)
    found = [_fact(item) for item in content[1]]
    facts = [fact for fact in found if fact is not None]
    return Facts(facts, len(found) - len(facts))


def _fact(item: Any) -> Fact | None:
    if type(item) is not list or len(item) != 2 or item[0] not in (0, 1) or type(item[1]) is not list:
        return None
    ids = tuple([tuple(pair) for pair in item[1] if type(pair) is list])
    if not 0 < len(ids) == len(item[1]) <= MOST or not all(map(_is_identifier, ids)):
        return None
    fact = Fact(ids, bool(item[0]))
    return fact if not fact.alias or _is_alias(ids) else None


def _is_identifier(pair: tuple[Any, ...]) -> bool:
    return len(pair) == 2 and _is_text(pair[0], LONGEST_KIND) and _is_text(pair[1], LONGEST)


def _is_text(value: Any, longest: int) -> bool:
    return type(value) is str and 0 < len(value) <= longest


def _is_alias(ids: Identifiers) -> bool:
    return len(ids) == 3 and Fact(ids, alias=True) == alias(ids[1][1], ids[0][1])
