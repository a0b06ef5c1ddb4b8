"""Logs of identity facts for property tests: few values, so that they meet often."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from router.identity import Fact, Identifier, IdentityRules, Merge, Replica, alias, link, pack_facts
from tests.identity.replicas import memory, memory_replica

KINDS = ("user_id", "email", "anonymous_id", "phone")
IDENTIFIERS = st.tuples(st.sampled_from(KINDS), st.sampled_from("abcdefgh"))


def ordered(ids: Sequence[Identifier]) -> tuple[Identifier, ...]:
    """As an event gives them: best first, each once, one user id."""
    users = [pair for pair in dict.fromkeys(ids) if pair[0] == "user_id"]
    others = [pair for pair in dict.fromkeys(ids) if pair[0] != "user_id"]
    return tuple(sorted((*users[:1], *others), key=IdentityRules().ranking()))


LINKS = st.lists(IDENTIFIERS, min_size=1, max_size=4).map(ordered).map(link)
ALIASES = st.builds(alias, st.sampled_from("abcdefgh"), st.sampled_from("abcdefgh"))
FACTS = st.one_of(LINKS, LINKS, LINKS, ALIASES)
LOGS = st.lists(FACTS, max_size=30)


def applied(facts: Sequence[Fact], replica: Replica | None = None) -> Replica:
    """A replica that has read these facts, one a record."""
    replica = replica or memory_replica()
    for fact in facts:
        append(replica, fact)
    return replica


def append(replica: Replica, fact: Fact) -> list[Merge]:
    """One fact as the log's next record."""
    (record,) = pack_facts([fact])
    return replica.apply_record(replica.position(), 1000 + replica.position(), record)


def profile_now(replica: Replica, identifier: Identifier) -> str:
    """The profile an event with just this identifier resolves to."""
    return replica.resolve_many([(identifier,)])[0][0]


def state(replica: Replica) -> tuple[object, ...]:
    return memory(replica).ids, memory(replica).profiles, memory(replica).merges, replica.position()
