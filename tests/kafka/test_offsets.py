"""What stands beside a committed offset is read as it was written, whatever memory the client reads on into."""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

import pytest
from confluent_kafka import TopicPartition

from router.delivery import ledger
from router.kafka.offsets import metadata_of
from router.runtime.totals import Totals

WRITTEN = Totals(3, 1, 0, 0, 2, Counter(crm=2)).encode()


class Row:
    """A partition as the client gives it: the text behind the pointer, up to the next zero."""

    def __init__(self, memory: bytes) -> None:
        self._memory = memory

    @property
    def metadata(self) -> str:
        return self._memory.decode()


def row(memory: bytes) -> TopicPartition:
    return cast("TopicPartition", cast("Any", Row(memory)))


@pytest.mark.parametrize("behind", [b"", b"sasl.1", b"\xff\xfe", b"\n{}", b"7"])
def test_what_comes_behind_the_seal_is_left_out(behind: bytes) -> None:
    assert metadata_of(row(WRITTEN.encode() + behind)) == WRITTEN
    assert Totals.decode(metadata_of(row(WRITTEN.encode() + behind))) == Totals.decode(WRITTEN)


def test_counts_of_a_delivery_are_sealed_too() -> None:
    written = ledger.Ledger(5, 1).encode(10, [12])

    assert ledger.decode(metadata_of(row(written.encode() + b"more")), 10) == (ledger.Ledger(5, 1), [12])


def test_what_was_never_written_is_empty() -> None:
    assert metadata_of(TopicPartition("t", 0)) == ""


def test_what_was_written_without_a_seal_is_read_whole() -> None:
    assert metadata_of(row(b"an operator's word")) == "an operator's word"
