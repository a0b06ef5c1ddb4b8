"""A batch as columns says of each message what the message itself says."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from router.events.message_batch import MessageBatch
from router.events.records import Headers

NAMES = st.sampled_from(("at", "key", "größe", ""))
VALUES = st.sampled_from((None, b"", b"1", b"2", b"at", b"a longer one"))
MESSAGES = st.lists(st.lists(st.tuples(NAMES, VALUES), max_size=3), min_size=1, max_size=30)


def batch_of(headers: Sequence[Headers]) -> MessageBatch:
    """Messages with these headers, laid out as router/native/read.c does it."""
    rest, key_ends, rest_ends = bytearray(), [], []
    for number, each in enumerate(headers):
        rest += b"k" * (number % 3)
        key_ends.append(len(rest))
        for name, value in each:
            assert not isinstance(value, str)
            text, data = name.encode(), value or b""
            rest += struct.pack("<Ii", len(text), -1 if value is None else len(data)) + text + data
        rest_ends.append(len(rest))
    count = len(headers)
    places = np.arange(count, dtype=np.uint32) % 2
    numbers, nothing = np.arange(count, dtype=np.int64), np.zeros(count, dtype=np.uint32)
    return MessageBatch(
        [("raw", 0), ("raw", 1)], places, numbers, numbers, np.full(count, 14, dtype=np.uint8),
        np.zeros(0, dtype=np.uint8), nothing, np.frombuffer(rest, dtype=np.uint8),
        np.array(key_ends, dtype=np.uint32), np.array(rest_ends, dtype=np.uint32),
    )  # fmt: skip


def without_first(headers: Headers, name: str) -> Headers:
    """The same, with nothing for the value of the first of this name."""
    for at, (found, value) in enumerate(headers):
        if found == name:
            return [*headers[:at], (found, value and b"\0" * len(value)), *headers[at + 1 :]]
    return headers


@given(MESSAGES)
def test_headers_are_grouped_by_what_they_say(headers: list[Headers]) -> None:
    """Each message with headers is in one group, with others that say the same but for the value of one header."""
    batch = batch_of(headers)
    assert [one.headers() or [] for one in batch] == headers

    seen: list[int] = []
    for indices, said in batch.header_groups("at"):
        seen += indices.tolist()
        for index in indices.tolist():
            assert without_first(headers[index], "at") == without_first(said, "at")

    assert sorted(seen) == [index for index, each in enumerate(headers) if each]


def test_messages_of_a_gateway_are_one_group_for_each_write_key() -> None:
    headers: list[Headers] = [[("write-key", b"wk_%d" % (at % 2)), ("at", b"%d" % (1000 + at))] for at in range(100)]

    groups = list(batch_of(headers).header_groups("at"))

    assert [(len(indices), said[0]) for indices, said in groups] == [
        (50, ("write-key", b"wk_0")),
        (50, ("write-key", b"wk_1")),
    ]
