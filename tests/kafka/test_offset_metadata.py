"""What is stored beside a committed offset is read as it was written, whatever memory the client reads on into."""

from __future__ import annotations

from typing import Any, cast

import pytest
from confluent_kafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from router.kafka.offset_metadata import (
    BITMAP_BYTES,
    LIMIT,
    MetadataError,
    MetadataTooLong,
    decode,
    encode,
    pack_offsets,
    text_of,
    unpack_offsets,
)

WRITTEN = '{"n":[3,1,0,0,2],"routed":{"crm":2}}\n'


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
def test_what_follows_the_terminator_is_left_out(behind: bytes) -> None:
    assert text_of(row(WRITTEN.encode() + behind)) == WRITTEN


def test_what_was_never_written_is_empty() -> None:
    assert text_of(TopicPartition("t", 0)) == ""
    assert decode("") is None


def test_what_was_written_without_a_terminator_is_read_whole() -> None:
    assert text_of(row(b"an operator's word")) == "an operator's word"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"n": [3, 1, 0, 0, 2], "routed": {"crm": 2}}, WRITTEN),
        ({"n": [5, 1], "done": pack_offsets(10, [12])}, '{"n":[5,1],"done":"BA=="}\n'),
        (17, "17\n"),
    ],
    ids=["route", "delivery", "merges"],
)
def test_the_encoded_forms_stay_readable_across_an_upgrade(data: Any, text: str) -> None:
    """They stand in the consumer groups of every installation."""
    assert encode(data) == text
    assert decode(text) == data


@given(st.text(max_size=10 * LIMIT))
def test_nothing_longer_than_a_broker_takes_is_committed(text: str) -> None:
    try:
        written = encode(text)
    except MetadataTooLong:
        assert encode(text, lambda: "") == '""\n'
    else:
        assert len(written.encode()) <= LIMIT


@pytest.mark.parametrize("text", ["{", "what is this\n", "\udcff"])
def test_metadata_of_another_program_is_an_error(text: str) -> None:
    with pytest.raises(MetadataError, match="not the router's"):
        decode(text)


@given(st.integers(0, 2**60), st.sets(st.integers(0, 8 * BITMAP_BYTES - 1)))
def test_a_bitmap_names_the_offsets_it_was_made_of(low: int, beyond: set[int]) -> None:
    offsets = sorted(low + one for one in beyond)

    assert unpack_offsets(low, pack_offsets(low, offsets)) == offsets


def test_offsets_beyond_the_bitmap_are_left_out() -> None:
    assert unpack_offsets(5, pack_offsets(5, [4, 5, 5 + 8 * BITMAP_BYTES])) == [5]


@pytest.mark.parametrize("text", ["§", "a", 7])
def test_a_bitmap_of_another_program_is_an_error(text: Any) -> None:
    with pytest.raises(MetadataError):
        unpack_offsets(0, text)
