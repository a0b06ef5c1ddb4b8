"""Records of the identity log: what was packed comes back, and nothing else can stop a replica."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.identity import Fact, Facts, IdentityRules, alias, link, pack_facts, unpack_facts
from router.identity.facts import RECORD_BYTES
from tests.identity.logs import FACTS, state
from tests.identity.replicas import memory_replica

RULES = IdentityRules()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)
PAIRS = st.lists(st.lists(st.text(max_size=3) | JSON, max_size=3) | JSON, max_size=4)
NEARLY = st.lists(st.tuples(st.integers(-1, 2) | JSON, PAIRS | JSON).map(list) | JSON, max_size=4)


@given(st.lists(FACTS, max_size=20))
def test_what_was_packed_comes_back_in_order(facts: list[Fact]) -> None:
    unpacked = [unpack_facts(record, RULES) for record in pack_facts(facts)]
    assert [fact for part in unpacked for fact in part.facts] == facts
    assert sum(part.bad for part in unpacked) == 0


def test_many_long_facts_take_several_records() -> None:
    facts = [link((("user_id", str(number)), ("email", "é" * 500))) for number in range(1000)]
    records = pack_facts(facts)
    assert len(records) > 1
    assert all(len(record) < RECORD_BYTES + 2000 for record in records)
    assert [fact for record in records for fact in unpack_facts(record, RULES).facts] == facts


def test_no_facts_take_no_record() -> None:
    assert pack_facts([]) == []


@given(st.binary(max_size=60) | NEARLY.map(lambda facts: orjson.dumps([1, facts])) | JSON.map(orjson.dumps))
def test_any_record_is_read_without_an_error_and_alike(record: bytes) -> None:
    """Whatever stands in the log: its good facts are applied, the rest is counted, the position moves on."""
    one, other = memory_replica(), memory_replica()
    one.apply_record(0, 1, record)
    other.apply_record(0, 1, record)
    assert one.position() == 1
    assert state(one) == state(other)


@pytest.mark.parametrize(
    "bad",
    [
        *(None, 1, "ab", [], [0], [0, []], [2, [["user_id", "u"]]], [0, "ab"], [0, [["user_id"]]], [0, ["ab"]]),
        *([0, [["user_id", 1]]], [0, [["", "u"]]], [0, [["user_id", ""]]], [0, [["user_id", "u" * 501]]]),
        *([1, [["user_id", "u"], ["anonymous_id", "a"]]], [1, [["user_id", "u"], ["user_id", "a"], ["email", "a"]]]),
        [0, [["k", str(number)] for number in range(21)]],
    ],
)
def test_a_bad_fact_is_skipped_and_its_neighbours_are_not(bad: Any) -> None:
    good = [link((("user_id", "u"), ("email", "e"))), alias("a", "u")]
    first, last = [[int(fact.alias), fact.ids] for fact in good]
    assert unpack_facts(orjson.dumps([1, [first, bad, last]]), RULES) == Facts(good, 1)


@pytest.mark.parametrize("record", [b"", b"{", b"[2,[]]", b"[1]", b'{"1":2,"3":4}', b'[1,"ab"]', b"[1,[],0]"])
def test_what_is_no_record_of_facts_counts_as_one(record: bytes) -> None:
    assert unpack_facts(record, RULES) == Facts([], 1)
