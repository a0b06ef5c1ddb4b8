"""The identity replica's promises, kept alike by the store on RocksDB and the one in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router import metrics
from router.identity import Fact, Identifier, Replica, alias, link, pack_facts, profile_id
from router.identity import store_rocksdb as store_module
from tests.identity.logs import FACTS, IDENTIFIERS, ordered, state
from tests.identity.replicas import memory, memory_replica, open_replica, record

AnyReplica = Replica | Replica
USER, DEVICE, EMAIL = ("user_id", "u"), ("anonymous_id", "a"), ("email", "e")


@pytest.fixture(params=["rocksdb", "memory"])
def replica(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyReplica]:
    opened: AnyReplica = open_replica(tmp_path) if request.param == "rocksdb" else memory_replica()
    yield opened
    opened.close()


def test_what_was_linked_resolves_to_one_profile(replica: AnyReplica) -> None:
    assert replica.resolve_many([(USER, DEVICE)]) == ([profile_id(USER)], {(USER, DEVICE): [0]})
    merges = replica.apply_record(0, 1000, record(link((USER, DEVICE))))
    assert replica.resolve_many([(USER, DEVICE), (DEVICE,), (EMAIL,)]) == (
        [profile_id(USER), profile_id(USER), profile_id(EMAIL)],
        {},
    )
    assert [(merge.old, merge.new, merge.reason, merge.time_ms) for merge in merges] == [
        (profile_id(DEVICE), profile_id(USER), "link", 1000)
    ]


def test_a_record_is_applied_once(replica: AnyReplica) -> None:
    first, second = record(link((USER, DEVICE))), record(link((USER, EMAIL)))
    replica.apply_record(4, 1, first)
    assert replica.position() == 5
    assert replica.apply_record(4, 1, second) == replica.apply_record(0, 1, second) == []
    assert replica.position() == 5
    assert replica.resolve_many([(EMAIL,)])[0] == [profile_id(EMAIL)]


def test_the_position_moves_past_records_that_change_nothing(replica: AnyReplica) -> None:
    for offset, content in enumerate([b"garbage", record(link((USER,))), b"[1,[]]"]):
        assert replica.apply_record(offset, 1, content) == []
    assert replica.position() == 3


def test_what_we_packed_is_not_kept_twice() -> None:
    """Several records of it too, in order; what differs by one fact is what the log says."""
    replica = memory_replica()
    facts = [link((("user_id", str(number)), ("email", "e" * 450 + str(number)))) for number in range(1000)]
    packed = replica.pack(facts)
    assert len(packed) > 1
    assert replica.read(record(*facts[:1], link((USER, EMAIL)))).facts == [facts[0], link((USER, EMAIL))]
    read = [fact for content in packed for fact in replica.read(content).facts]
    assert all(one is other for one, other in zip(read, facts, strict=True))


def test_bad_facts_are_counted_and_their_neighbours_applied(tmp_path: Path) -> None:
    skipped = metrics.LINKS.labels("skipped")
    replica = open_replica(tmp_path)
    before = skipped._value.get()
    replica.apply_record(0, 1, b'[1,[[0,[["user_id",7]]],[0,[["user_id","u"],["email","e"]]]]]')
    assert skipped._value.get() == before + 1
    assert replica.resolve_many([(EMAIL,)])[0] == [profile_id(USER)]
    replica.close()


def test_merges_come_by_offset_and_no_record_is_cut(replica: AnyReplica) -> None:
    facts = [link((("user_id", str(n)), ("email", str(n)), ("phone", str(n)))) for n in range(4)]
    replica.apply_record(0, 7, record(facts[0]))
    replica.apply_record(1, 8, record(facts[1], facts[2]))
    replica.apply_record(5, 9, record(facts[3]))
    assert [offset for offset, _ in replica.store.merges_from(0, 100)] == [0, 0, 1, 1, 1, 1, 5, 5]
    assert [offset for offset, _ in replica.store.merges_from(0, 3)] == [0, 0, 1, 1, 1, 1]
    assert [offset for offset, _ in replica.store.merges_from(2, 1)] == [5, 5]
    assert [merge.time_ms for _, merge in replica.store.merges_from(1, 1)] == [8] * 4
    assert replica.store.merges_from(6, 10) == []


def test_merges_that_were_written_are_forgotten_and_profiles_are_not(replica: AnyReplica) -> None:
    for offset in range(4):
        replica.apply_record(offset, 1, record(link((("user_id", str(offset)), ("email", str(offset))))))
    replica.store.prune_merges(2)
    assert [offset for offset, _ in replica.store.merges_from(0, 10)] == [2, 3]
    assert replica.resolve_many([(("email", "0"),)])[0] == [profile_id(("user_id", "0"))]


def test_a_reset_forgets_everything_and_stands_where_it_is_told(replica: AnyReplica) -> None:
    replica.apply_record(0, 1, record(link((USER, DEVICE))))
    replica.resolve_many([(DEVICE,)])
    replica.reset(7)
    assert replica.position() == 7
    assert replica.store.merges_from(0, 10) == []
    assert replica.resolve_many([(DEVICE,)])[0] == [profile_id(DEVICE)]
    assert replica.apply_record(6, 1, record(link((USER, DEVICE)))) == []
    replica.apply_record(7, 1, record(link((USER, EMAIL))))
    assert replica.resolve_many([(EMAIL,), (DEVICE,)])[0] == [profile_id(USER), profile_id(DEVICE)]


def test_a_fact_is_wanted_until_it_is_applied(replica: AnyReplica) -> None:
    assert replica.wants(alias("a", "u"))
    replica.apply_record(0, 1, record(alias("a", "u")))
    assert not replica.wants(alias("a", "u"))
    assert replica.wants(alias("b", "u"))


events = st.lists(st.lists(IDENTIFIERS, min_size=1, max_size=3).map(ordered), min_size=1, max_size=5)
steps = st.one_of(
    st.tuples(st.just("apply"), st.lists(FACTS, min_size=1, max_size=5)),
    st.tuples(st.just("resolve"), events),
    st.tuples(st.just("restart"), st.none()),
    st.tuples(st.just("again"), st.none()),
    st.tuples(st.just("prune"), st.integers(0, 20)),
)


@pytest.mark.parametrize("remembered", [0, 1000])
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=st.lists(steps, max_size=20))
def test_both_replicas_give_the_same_answers_whatever_happens(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[str, object]], remembered: int
) -> None:
    """Also with hardly any memory of rows, so that every answer comes from the disk."""
    folder = tmp_path_factory.mktemp("replica")
    stored, model = open_replica(folder), memory_replica()
    asked: list[tuple[Identifier, ...]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_module, "REMEMBERED", remembered)
        for step, value in history:
            if step == "apply":
                assert isinstance(value, list)
                offset, content = model.position(), record(*value)
                assert stored.apply_record(offset, 5, content) == model.apply_record(offset, 5, content)
            elif step == "resolve":
                assert isinstance(value, list)
                asked += value
            elif step == "restart":
                stored.close()
                stored = open_replica(folder)
            elif step == "again":
                assert stored.apply_record(model.position() - 1, 5, b"") == []
            else:
                assert isinstance(value, int)
                stored.store.prune_merges(value)
                model.store.prune_merges(value)
            assert stored.position() == model.position()
            assert stored.resolve_many(asked) == model.resolve_many(asked)
    assert stored.store.merges_from(0, 1000) == model.store.merges_from(0, 1000)
    assert {id_: stored.store.profile(id_) for id_ in memory(model).profiles} == memory(model).profiles
    for ids in asked:
        assert stored.store.are_alone(ids) == model.store.are_alone(ids)
    known = stored.store.profiles_of(memory(model).ids)
    assert {identifier: known[identifier] for identifier in memory(model).ids} == memory(model).ids
    stored.close()


@given(facts=st.lists(st.lists(FACTS, min_size=1, max_size=6), min_size=1, max_size=8), own=st.lists(st.booleans()))
def test_records_of_our_own_say_to_us_what_they_say_to_others(facts: list[list[Fact]], own: list[bool]) -> None:
    """Also where those of others come between, as they do when several workers append at once."""
    mine, other = memory_replica(), memory_replica()
    for number, part in enumerate(facts):
        packed = mine.pack(part) if number < len(own) and own[number] else pack_facts(part)
        for offset, content in enumerate([record(*facts[0]), *packed], mine.position()):
            assert mine.read(content) == other.read(content)
            assert mine.apply_record(offset, 1, content) == other.apply_record(offset, 1, content)
    assert state(mine) == state(other)
