"""From identifiers to profiles: memory changes the cost of an answer, never the answer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from router.identity import (
    Fact,
    Identifier,
    IdentityGraph,
    IdentityRules,
    MemoryIdentityStore,
    Replica,
    link,
    profile_id,
)
from router.identity.resolver import Resolver
from tests.identity.logs import FACTS, IDENTIFIERS, append, applied, ordered
from tests.identity.replicas import memory, memory_replica

EVENTS = st.lists(st.lists(IDENTIFIERS, min_size=1, max_size=3).map(ordered), max_size=6)
STEPS = st.lists(FACTS | EVENTS, max_size=30)


class Remembering(Replica):
    """A replica whose resolver has room for a few."""

    def __init__(self, remembered: int) -> None:
        super().__init__(MemoryIdentityStore(), IdentityRules())
        self._resolver = Resolver(self._graph, self.store, remembered)


def _without_memory(replica: Replica) -> Resolver:
    return Resolver(IdentityGraph(replica.store, IdentityRules()), replica.store)


@given(STEPS, st.sampled_from([1, 3, 1000]))
def test_memory_never_changes_an_answer(steps: list[Fact | list[tuple[Identifier, ...]]], remembered: int) -> None:
    """After every fact and look-up: the same profiles and the same wish for links as from a resolver without memory."""
    replica = Remembering(remembered)
    asked: list[tuple[Identifier, ...]] = []
    for step in steps:
        if isinstance(step, Fact):
            append(replica, step)
        else:
            asked += step
        assert replica.resolve_many(asked) == _without_memory(replica).resolve_many(asked)


@given(STEPS)
def test_an_event_resolves_to_the_profile_of_its_best_identifier(
    steps: list[Fact | list[tuple[Identifier, ...]]],
) -> None:
    replica = memory_replica()
    for step in steps:
        if isinstance(step, Fact):
            append(replica, step)
            continue
        profiles, _ = replica.resolve_many(step)
        assert profiles == [memory(replica).ids.get(ids[0]) or profile_id(ids[0]) for ids in step]


@given(STEPS, st.sampled_from([1, 3, 1000]))
def test_links_that_are_wanted_are_wanted_until_they_are_appended(
    steps: list[Fact | list[tuple[Identifier, ...]]], remembered: int
) -> None:
    """Appending what an event wants is enough: then it wants nothing more, and has the profile that all would find."""
    replica = Remembering(remembered)
    for step in steps:
        if isinstance(step, Fact):
            append(replica, step)
            continue
        profiles, linking = replica.resolve_many(step)
        for ids in linking:
            append(replica, link(ids))
        replica.resolve_linked(step, profiles, linking)
        assert profiles == _without_memory(replica).resolve_many(step)[0]
        assert replica.resolve_many(step)[1] == {}


def test_an_identifier_that_was_never_linked_needs_no_record() -> None:
    replica = memory_replica()
    assert replica.resolve_many([(("anonymous_id", "a"),)]) == ([profile_id(("anonymous_id", "a"))], {})
    assert memory(replica).ids == {}


def test_reading_a_long_log_fills_no_memory() -> None:
    """A worker that catches up has resolved nothing yet: there is nothing that merges could move."""
    replica = applied([link((("user_id", str(n)), ("anonymous_id", str(n)))) for n in range(2000)])
    assert vars(replica._resolver)["_moved"] == {}


def test_merges_that_others_make_fill_no_memory_beyond_its_bound() -> None:
    replica = Remembering(100)
    replica.resolve_many([(("anonymous_id", "a"),)])
    applied([link((("user_id", str(n)), ("anonymous_id", str(n)))) for n in range(2000)], replica)
    assert len(vars(replica._resolver)["_moved"]) <= 102
    assert replica.resolve_many([(("anonymous_id", "1999"),)])[0] == [profile_id(("user_id", "1999"))]
