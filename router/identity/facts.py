"""Facts of the identity log: identifiers of one event that belong together, or an alias. One record carries many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from router.errors import RouterError
from router.identity.identifiers import MOST, Identifiers

VERSION = 1


class FactError(RouterError):
    """A log record that is not one of facts; it is skipped alike by every replica."""


class Fact(NamedTuple):
    """`ids` belong to one profile. `alias`: the user said so, hence two user ids may meet."""

    ids: Identifiers
    alias: bool = False


def link(ids: Identifiers) -> Fact:
    return Fact(ids)


def alias(previous: str, user: str) -> Fact:
    """An alias call: `previous` is an anonymous id or an earlier user id."""
    return Fact((("user_id", user), ("user_id", previous), ("anonymous_id", previous)), alias=True)


def pack_facts(facts: Sequence[Fact]) -> bytes:
    """One log record."""
    return orjson.dumps([VERSION, [[int(fact.alias), fact.ids] for fact in facts]])


def unpack_facts(record: bytes) -> list[Fact]:
    """The facts of a record. Raises FactError for anything else."""
    try:
        version, facts = orjson.loads(record)
        if version != VERSION:
            raise FactError(f"expected facts of version {VERSION}, got another")
        return [Fact(_ids(ids), bool(is_alias)) for is_alias, ids in facts]
    except (ValueError, TypeError) as error:
        raise FactError(f"expected a record of facts, got {len(record)} other bytes") from error


def _ids(ids: Any) -> Identifiers:
    pairs = tuple((kind, value) for kind, value in ids)
    if not 0 < len(pairs) <= MOST or not all(type(kind) is str and type(value) is str for kind, value in pairs):
        raise FactError("expected identifiers as pairs of texts")
    return pairs
