"""What a log of identity facts comes to: the same everywhere, growing only, within the limits, never losing a trail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.identity import (
    Extraction,
    Fact,
    Identifier,
    Identifiers,
    IdentityGraph,
    IdentityRules,
    Replica,
    alias,
    link,
    profile_id,
)
from tests.identity.logs import FACTS, LINKS, LOGS, append, applied, profile_now, state
from tests.identity.replicas import memory, memory_replica

RULES = IdentityRules()


def groups(replica: Replica) -> set[frozenset[Identifier]]:
    return {frozenset(profile.ids) for profile in memory(replica).profiles.values()}


def together(replica: Replica, ids: Iterable[Identifier]) -> bool:
    return len({profile_now(replica, identifier) for identifier in ids}) == 1


def follow(moves: dict[str, str], profile: str) -> str:
    """Where the merges lead from a profile id; more steps than merges would be a circle."""
    for _ in range(len(moves) + 1):
        if profile not in moves:
            return profile
        profile = moves[profile]
    raise AssertionError("the merges run in a circle")


def union_find(facts: Iterable[Fact]) -> set[frozenset[Identifier]]:
    """The partition that links make where no limit stands in the way, worked out another way."""
    sets: dict[Identifier, set[Identifier]] = {}
    for fact in facts:
        if len(fact.ids) > 1:
            merged = set().union(*(sets.get(identifier, {identifier}) for identifier in fact.ids))
            sets |= dict.fromkeys(merged, merged)
    return {frozenset(members) for members in sets.values()}


@given(LOGS)
def test_the_same_log_gives_the_same_state(log: list[Fact]) -> None:
    assert state(applied(log)) == state(applied(log))


class Thorough(IdentityGraph):
    """Takes the long way with every fact."""

    def are_unlinked(self, ids: Identifiers) -> bool:
        return False


@given(LOGS, st.booleans())
def test_the_short_way_of_new_links_comes_to_the_same_as_the_long_one(log: list[Fact], reverse: bool) -> None:
    """Also where a record has its identifiers in another order than events give them."""
    facts = [link(fact.ids[::-1]) if reverse and not fact.alias else fact for fact in log]
    short, long = memory_replica(), memory_replica()
    vars(long)["_graph"] = Thorough(long.store, RULES)
    for fact in facts:
        assert append(short, fact) == append(long, fact)
    assert state(short) == state(long)


@given(LOGS, st.data())
def test_facts_that_come_again_change_nothing(log: list[Fact], data: st.DataObject) -> None:
    """A worker that was killed appends facts a second time. Links of before the last alias might now be allowed."""
    replica = applied(log)
    before = (dict(memory(replica).ids), dict(memory(replica).profiles))
    aliases = [at for at, fact in enumerate(log) if fact.alias]
    recent = log[aliases[-1] :] if aliases else log
    for fact in data.draw(st.lists(st.sampled_from(recent), max_size=10)) if recent else []:
        assert append(replica, fact) == []
    assert (memory(replica).ids, memory(replica).profiles) == before


@given(LOGS, FACTS)
def test_a_fact_right_after_itself_changes_nothing(log: list[Fact], fact: Fact) -> None:
    replica = applied([*log, fact])
    assert append(replica, fact) == []
    assert not replica.wants(fact)


@given(LOGS)
def test_what_was_joined_is_never_parted(log: list[Fact]) -> None:
    replica = memory_replica()
    for fact in log:
        before = groups(replica)
        append(replica, fact)
        now = groups(replica)
        assert all(any(group <= other for other in now) for group in before)


@given(LOGS)
def test_every_identifier_is_in_the_profile_it_points_to_and_in_no_other(log: list[Fact]) -> None:
    replica = applied(log)
    store = memory(replica)
    assert Counter(pair for profile in store.profiles.values() for pair in profile.ids) == Counter([*store.ids])
    assert all(pair in store.profiles[id_].ids for pair, id_ in store.ids.items())


@given(LOGS)
def test_a_profile_with_a_user_is_named_after_its_user(log: list[Fact]) -> None:
    """So the profile id of a known user never depends on which device came first."""
    for id_, profile in memory(applied(log)).profiles.items():
        users = [pair for pair in profile.ids if pair[0] == "user_id"]
        best = users[0] if users else min(profile.ids, key=lambda pair: (pair[0] != "email", pair[0]))
        assert id_ == profile_id(best)


LOOSE = st.lists(  # one identifier of each kind in any set: no limit can be met
    st.tuples(st.sampled_from("wxyz"), st.sets(st.sampled_from(("user_id", "email", "anonymous_id", "phone")))),
    max_size=20,
).map(lambda log: [link(tuple((kind, who) for kind in sorted(kinds))) for who, kinds in log if kinds])


@given(st.lists(LINKS.filter(lambda fact: fact.ids[0][0] != "user_id"), max_size=12), st.randoms())
def test_links_under_the_limits_give_the_connected_sets_in_any_order(log: list[Fact], random: object) -> None:
    wanted = union_find(log)
    if all(max(Counter(kind for kind, _ in group).values()) <= RULES.other_limit for group in wanted):
        assert groups(applied(log)) == wanted
        shuffled = list(log)
        random.shuffle(shuffled)  # type: ignore[attr-defined]
        assert groups(applied(shuffled)) == wanted


@given(LOOSE, st.permutations(range(20)))
def test_what_no_limit_parts_is_joined_in_any_order(log: list[Fact], order: list[int]) -> None:
    shuffled = [log[at] for at in order if at < len(log)]
    assert groups(applied(log)) == groups(applied(shuffled)) == union_find(log)


@given(LOGS)
def test_merges_lead_from_every_profile_id_ever_given_to_the_present_one(log: list[Fact]) -> None:
    """Whatever identifiers an event came with, at whatever position of the log it was resolved."""
    replica = memory_replica()
    given_ids: dict[tuple[Identifier, ...], set[str]] = {}
    seen = {fact.ids for fact in log} | {(identifier,) for fact in log for identifier in fact.ids}
    moves: dict[str, str] = {}
    for fact in [None, *log]:
        if fact is not None:
            for merge in append(replica, fact):
                assert merge.old not in moves
                moves[merge.old] = merge.new
        for ids in seen:
            given_ids.setdefault(ids, set()).add(replica.resolve_many([ids])[0][0])
    for ids, profiles in given_ids.items():
        assert {follow(moves, profile) for profile in profiles} == {replica.resolve_many([ids])[0][0]}


def users_together(replica: Replica) -> set[frozenset[Identifier]]:
    profiles = memory(replica).profiles.values()
    found = {frozenset(pair for pair in profile.ids if pair[0] == "user_id") for profile in profiles}
    return {users for users in found if len(users) > 1}


@given(LOGS)
def test_two_users_meet_only_by_an_alias(log: list[Fact]) -> None:
    replica = memory_replica()
    for fact in log:
        before = users_together(replica)
        append(replica, fact)
        assert fact.alias or users_together(replica) == before


@given(st.lists(LINKS, max_size=40))
def test_links_alone_keep_one_user_and_five_of_every_other_kind(log: list[Fact]) -> None:
    for profile in memory(applied(log)).profiles.values():
        counts = Counter(kind for kind, _ in profile.ids)
        assert counts["user_id"] <= 1
        assert max(counts.values()) <= RULES.other_limit


def test_the_lowest_identifier_is_dropped_where_a_limit_would_be_passed() -> None:
    """The shared tablet: its device stays with the first user, the second user's address is still theirs."""
    tablet, first, second = ("anonymous_id", "tablet"), ("user_id", "first"), ("user_id", "second")
    address = ("email", "second@shop.test")
    replica = applied([link((first, tablet)), link((second, address, tablet))])
    assert together(replica, (first, tablet))
    assert together(replica, (second, address))
    assert not together(replica, (first, second))


def test_a_sixth_device_is_a_profile_of_its_own() -> None:
    user = ("user_id", "u")
    devices = [("anonymous_id", str(number)) for number in range(7)]
    replica = applied([link((user, device)) for device in devices])
    assert [together(replica, (user, device)) for device in devices] == [True] * 5 + [False] * 2


def test_a_profile_takes_part_in_a_hundred_merges_at_most() -> None:
    """Each pair of kinds is a profile; a chain of links merges them one after the other."""
    pairs = [((f"k{number:03}", "x"), (f"l{number:03}", "x")) for number in range(RULES.profile_merges + 5)]
    replica = applied([link(pair) for pair in pairs])
    for one, other in pairwise(pairs):
        append(replica, link((one[0], other[0])))
    merged = [sum(pair[0] in profile.ids for pair in pairs) for profile in memory(replica).profiles.values()]
    assert max(merged) == RULES.profile_merges + 1
    assert max(profile.merges for profile in memory(replica).profiles.values()) == RULES.profile_merges


def test_a_profile_has_a_thousand_identifiers_at_most() -> None:
    first = ("anonymous_id", "first")
    others = [(f"k{number:04}", "x") for number in range(RULES.profile_identifiers + 50)]
    replica = applied([link((first, other)) for other in others])
    assert [len(profile.ids) for profile in memory(replica).profiles.values()] == [RULES.profile_identifiers]
    assert not together(replica, (first, others[-1]))


def test_an_alias_joins_two_users_and_says_so() -> None:
    old, new = ("user_id", "old"), ("user_id", "new")
    replica = applied([link((old, ("anonymous_id", "a"))), link((new, ("anonymous_id", "b")))])
    merges = append(replica, alias("old", "new"))
    assert together(replica, (old, new, ("anonymous_id", "a"), ("anonymous_id", "b")))
    assert (merges[0].old, merges[0].new) == (profile_id(new), profile_id(old))
    assert {merge.reason for merge in merges} == {"alias"}


def test_an_alias_lets_links_be_that_it_was_needed_for() -> None:
    """The second device of a user whose first device was another's: refused while they were two users."""
    a, b = (("user_id", "a"), ("anonymous_id", "a")), (("user_id", "b"), ("anonymous_id", "a"), ("anonymous_id", "b"))
    replica = applied([link(a), link(b)])
    assert not together(replica, b)
    assert replica.resolve_many([b]) == ([profile_id(("user_id", "b"))], {})
    append(replica, alias("a", "b"))
    assert replica.resolve_many([b])[1] == {b: [0]}
    append(replica, link(b))
    assert together(replica, (*a, *b))


def test_an_alias_holds_for_the_user_and_for_the_device_of_that_name_whatever_is_known() -> None:
    three = (("user_id", "u"), ("user_id", "a"), ("anonymous_id", "a"))
    for known in ([], [link((("email", "e"), ("anonymous_id", "a")))], [link((("user_id", "a"), ("email", "e")))]):
        assert together(applied([*known, alias("a", "u")]), three)


def test_a_user_whose_device_was_known_first_gives_the_profile_its_id() -> None:
    replica = applied([link((("email", "e"), ("anonymous_id", "a"))), alias("a", "u")])
    assert profile_now(replica, ("anonymous_id", "a")) == profile_id(("user_id", "u"))


@pytest.mark.parametrize("value", ["", "0", "0000-0000", "-1", "Anonymous", "null", '"null"', " undefined ", "0" * 40])
def test_a_blocked_value_is_linked_with_nothing(value: str) -> None:
    body = {"type": "track", "userId": "u", "anonymousId": value}
    assert Extraction(RULES).identifiers(body) == (("user_id", "u"),)
