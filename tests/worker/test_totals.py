"""Totals ride in the metadata of committed offsets: they come back as they went, and never take more than there is."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router import metrics
from router.agents.batch import Batch
from router.agents.totals import Totals
from router.errors import RouterError
from router.kafka.offset_metadata import LIMIT
from router.worker.partition import RoutePartition, decode_totals, encode_totals

COUNTS = st.integers(0, 1 << 53)
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,47}", fullmatch=True)


ENDINGS = ("invalid", "blocked", "duplicate", "resolved", "suppressed")


def totals_of(received: int, invalid: int, blocked: int, duplicate: int, resolved: int, **routed: int) -> Totals:
    counts = dict(zip(("received", *ENDINGS), (received, invalid, blocked, duplicate, resolved), strict=False))
    return Totals(Counter(counts), Counter(routed))


@given(st.dictionaries(st.sampled_from(("received", *ENDINGS)), COUNTS), st.dictionaries(NAMES, COUNTS, max_size=20))
def test_what_is_committed_is_what_is_read(counts: dict[str, int], routed: dict[str, int]) -> None:
    """Also the count of an ending that no agent declares: its agent may come back."""
    totals = Totals(Counter(counts), Counter(routed))

    assert decode_totals(encode_totals(totals, [])) == totals


def test_what_earlier_versions_committed_is_read() -> None:
    committed = '{"n":[9,1,2,3,3],"routed":{"crm":2}}\n'

    assert decode_totals(committed) == totals_of(9, 1, 2, 3, 3, crm=2)
    assert encode_totals(totals_of(9, 1, 2, 3, 3, crm=2), ["crm"]) == committed


def test_no_metadata_is_the_start_of_all() -> None:
    assert decode_totals("") == Totals()


@pytest.mark.parametrize(
    "metadata", ["{", "[]", "7", '{"n": [1, 2]}', '{"n": ["x", 0, 0, 0, 0], "routed": {}}', '{"n": [0, 0, 0, 0, 0]}']
)
def test_what_is_not_ours_is_refused(metadata: str) -> None:
    """Somebody else commits for this group: to count on from there would be wrong without a word."""
    with pytest.raises(RouterError, match="metadata"):
        decode_totals(metadata)


def test_destinations_that_are_gone_give_way_to_those_that_are_there() -> None:
    """The counts of the topology's own destinations always fit."""
    gone = {f"gone-{number}": 1 << 40 for number in range(200)}
    totals = totals_of(1, 0, 0, 0, 1, **gone, crm=7)

    text = encode_totals(totals, ["crm", "never-routed-to"])

    assert len(text) <= LIMIT
    assert decode_totals(text) == totals_of(1, 0, 0, 0, 1, crm=7)


def test_more_destinations_than_fit_are_refused() -> None:
    many = [f"{'d' * 40}-{number}" for number in range(120)]

    with pytest.raises(RouterError, match="120 destinations"):
        encode_totals(Totals(routed=Counter(dict.fromkeys(many, 1 << 40))), many)


def test_a_batch_counts_for_its_own_lane() -> None:
    batch = Batch()
    batch.received.update({0: 5, 1: 7})
    batch.ended["blocked"][0] = 1
    batch.ended["resolved"].update({0: 4, 1: 7})
    batch.routed.update({(0, "crm"): 3, (1, "crm"): 7})
    totals = Totals()

    totals.add(batch, 0)
    totals.add(batch, 0)

    assert totals == totals_of(10, 0, 2, 0, 8, crm=6)


def test_a_copy_is_its_own() -> None:
    totals = Totals(routed=Counter({"crm": 1}))

    totals.copy().routed["crm"] += 1

    assert totals.routed["crm"] == 1


def test_a_backlog_is_as_old_as_the_last_message_read_and_none_has_no_age() -> None:
    one = RoutePartition("backlog.raw", 3)
    labels = {"topic": "backlog.raw", "partition": "3"}

    def shown(messages: int, reached_ms: int) -> tuple[float | None, float | None]:
        one.reached_ms = reached_ms
        one.show_backlog(messages)
        get = metrics.REGISTRY.get_sample_value
        return get("router_route_lag_messages", labels), get("router_route_oldest_seconds", labels)

    assert shown(0, 1_000) == (0, 0)
    assert shown(5, 0) == (5, 0)  # nothing read yet: its age is not known
    lag, age = shown(5, 1_000)
    assert lag == 5
    assert age is not None
    assert age > 1_000_000
    one.hide()
    assert metrics.REGISTRY.get_sample_value("router_route_oldest_seconds", labels) is None
