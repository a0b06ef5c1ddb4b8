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
    """An alias call: `previous` is an anonymous id or an earlier user id. It stands for both, whatever is known by
    then: a fact that meant another thing at another time would merge strangers when it came again.
    """
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
    facts = [fact for fact in map(_fact, content[1]) if fact is not None]
    return Facts(facts, len(content[1]) - len(facts))


def _fact(item: Any) -> Fact | None:
    if type(item) is not list or len(item) != 2 or item[0] not in (0, 1) or type(item[1]) is not list:
        return None
    ids = item[1]
    if not 0 < len(ids) <= MOST:
        return None
    for pair in ids:
        if type(pair) is not list or len(pair) != 2:
            return None
        kind, value = pair
        if type(kind) is not str or type(value) is not str:
            return None
        if not (0 < len(kind) <= LONGEST_KIND and 0 < len(value) <= LONGEST):
            return None
    fact = Fact(tuple(map(tuple, ids)), item[0] == 1)
    return fact if not fact.alias or _is_alias(fact) else None


def _is_alias(fact: Fact) -> bool:
    return len(fact.ids) == 3 and fact == alias(fact.ids[1][1], fact.ids[0][1])
