"""The codec of the identity log: facts are identifiers of one event that belong together, or an alias. One record
carries many.

Reading is total: whatever a record holds, all replicas find the same facts in it and skip the same rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson

from router.identity.rules import Identifier, Identifiers, IdentityRules

VERSION = 1
RECORD_BYTES = 256 * 1024


class Fact(NamedTuple):
    """`ids` belong to one profile. `alias`: the user said so, hence two user ids may meet."""

    ids: Identifiers
    alias: bool = False


class Facts(NamedTuple):
    """The facts of a record; `bad` counts items that are not facts (1 where the record is not one of facts)."""

    facts: list[Fact]
    bad: int


def link(ids: Identifiers) -> Fact:
    return Fact(ids)


def alias(previous: str, user: str) -> Fact:
    """An alias call: `previous` is an anonymous id or an earlier user id. The fact names both, whatever is known by
    then: one whose meaning depended on the time would join unrelated profiles when it came again.
    """
    return Fact((("user_id", user), ("user_id", previous), ("anonymous_id", previous)), alias=True)


def pack_facts(facts: Iterable[Fact]) -> list[bytes]:
    """Log records of about 256 KiB at most: a batch of long identifiers would be too large for one message."""
    return _records([(int(alias), ids) for ids, alias in facts])


def _records(items: list[tuple[int, Identifiers]]) -> list[bytes]:
    """One record, or those of each half where it would be too large."""
    if not items:
        return []
    record = orjson.dumps((VERSION, items))
    if len(record) <= RECORD_BYTES or len(items) == 1:
        return [record]
    half = len(items) // 2
    return _records(items[:half]) + _records(items[half:])


def unpack_facts(record: bytes, rules: IdentityRules) -> Facts:
    """The facts of a record, in order; those beyond the limits of an event's identifiers are bad."""
    try:
        content = orjson.loads(record)
    except orjson.JSONDecodeError:
        return Facts([], 1)
    if type(content) is not list or len(content) != 2 or content[0] != VERSION or type(content[1]) is not list:
        return Facts([], 1)
    facts = [fact for item in content[1] if (fact := _fact(item, rules)) is not None]
    return Facts(facts, len(content[1]) - len(facts))


def _fact(item: Any, rules: IdentityRules) -> Fact | None:
    if type(item) is not list or len(item) != 2 or item[0] not in (0, 1) or type(item[1]) is not list:
        return None
    ids = item[1]
    if not 0 < len(ids) <= rules.event_identifiers:
        return None
    longest_kind, longest = rules.kind_characters, rules.value_characters
    found: list[Identifier] = []
    for pair in ids:
        if type(pair) is not list or len(pair) != 2:
            return None
        kind, value = pair
        if type(kind) is not str or type(value) is not str:
            return None
        if not (0 < len(kind) <= longest_kind and 0 < len(value) <= longest):
            return None
        found.append((kind, value))
    fact = Fact(tuple(found), item[0] == 1)
    return fact if not fact.alias or _is_alias(fact) else None


def _is_alias(fact: Fact) -> bool:
    return len(fact.ids) == 3 and fact == alias(fact.ids[1][1], fact.ids[0][1])
