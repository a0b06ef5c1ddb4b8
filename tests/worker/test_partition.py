"""What a batch adds to its partitions: one changelog record each."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from router.agents.batch import Batch
from router.dedupe.changelog import unpack
from router.dedupe.window import Row, Rows
from router.worker.partition import RoutePartition, changelog_of
from tests.dedupe.windows import MARK, NOON, key, rows_of

PLACES = [("events.raw", 0), ("events.raw", 7), ("events.keyed", 0)]
PARTITIONS = [RoutePartition(topic, number, 0, 0) for topic, number in PLACES]


def remembering(rows: Rows, lanes: list[int]) -> Batch:
    return Batch(PLACES, remembered=[rows], row_lanes=lanes)


@given(st.lists(st.integers(0, 2), max_size=40))
def test_each_partition_has_its_rows_in_order_whatever_topic_they_came_from(lanes: list[int]) -> None:
    """The changelog has one partition for each number, which partitions of several topics may share."""
    rows = [(key(place), NOON + place * 1000, MARK) for place in range(len(lanes))]
    expected: dict[int, list[Row]] = {}
    for row, lane in zip(rows, lanes, strict=True):
        expected.setdefault(PLACES[lane][1], []).append(row)

    batch = remembering(rows_of(rows), lanes)
    found = changelog_of(batch, PARTITIONS)

    assert {number: list(unpack(record)) for number, record in found.items()} == expected
