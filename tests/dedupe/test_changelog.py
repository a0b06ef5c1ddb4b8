"""The changelog's records: every batch comes back as it was, in tens of bytes an id, and garbage is told apart."""

from __future__ import annotations

from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.dedupe.changelog import LATEST_MS, ChangelogError, NewerRecord, pack, unpack
from router.dedupe.window import NO_MARK, Row
from tests.dedupe.windows import MARK, NOON, keys, packed, rows_of

marks = st.binary(min_size=2, max_size=2).map(lambda mark: b"" if mark == NO_MARK else mark)
rows = st.lists(
    st.tuples(st.binary(min_size=16, max_size=16), st.integers(0, LATEST_MS), marks), min_size=1, max_size=40
)


def signed(body: bytes) -> bytes:
    """With the checksum that makes garbage look like a record."""
    return body + crc32(body).to_bytes(4, "little")


@given(rows)
def test_rows_come_back_as_they_were(batch: list[Row]) -> None:
    assert list(unpack(packed(batch))) == batch


def test_a_record_has_the_layout_that_other_versions_read() -> None:
    body = b"\3" + NOON.to_bytes(8, "little") + b"a" * 16 + b"b" * 16
    body += (258).to_bytes(4, "little") + bytes(4) + MARK + NO_MARK
    assert packed([(b"a" * 16, NOON + 258, MARK), (b"b" * 16, NOON, b"")]) == signed(body)


@given(st.lists(rows, max_size=5))
def test_parts_are_packed_as_each_would_be_alone(parts: list[list[Row]]) -> None:
    together = pack(rows_of([row for part in parts for row in part]), [len(part) for part in parts])
    assert [list(unpack(record)) for record in together] == parts


def test_an_id_takes_at_most_24_bytes() -> None:
    batch = [(key, NOON + number * 7, MARK) for number, key in enumerate(keys("id", 2000))]
    assert len(packed(batch)) / len(batch) <= 24


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(value: bytes) -> None:
    with pytest.raises(ChangelogError):
        unpack(value)


@given(st.integers(0, 4), st.binary(max_size=120))
def test_any_bytes_with_a_right_checksum_are_a_record_or_refused(version: int, rest: bytes) -> None:
    try:
        found = unpack(signed(bytes((version,)) + rest))
    except (ChangelogError, NewerRecord):
        return
    assert all(len(key) == 16 and 0 <= at <= LATEST_MS and len(mark) in (0, 2) for key, at, mark in found)
    assert not len(found) or list(unpack(packed(list(found)))) == list(found)


@given(rows, st.integers(1, 15))
def test_a_record_that_was_cut_is_refused(batch: list[Row], less: int) -> None:
    with pytest.raises(ChangelogError):
        unpack(packed(batch)[:-less])


@given(rows, st.data())
def test_a_record_with_a_wrong_byte_is_refused(batch: list[Row], data: st.DataObject) -> None:
    """No id is taken for seen that was not: better a repeat than a loss."""
    record = bytearray(packed(batch))
    record[data.draw(st.integers(0, len(record) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ChangelogError):
        unpack(bytes(record))


@pytest.mark.parametrize(("version", "bytes_a_time"), [(1, 4), (2, 8)])
def test_a_record_from_before_there_were_marks_is_read(version: int, bytes_a_time: int) -> None:
    """A changelog outlives the version that wrote it: its ids are known, their marks are not."""
    body = bytes((version,)) + NOON.to_bytes(8, "little") + b"a" * 16 + b"b" * 16
    body += b"".join(distance.to_bytes(bytes_a_time, "little") for distance in (0, 7))
    assert list(unpack(signed(body))) == [(b"a" * 16, NOON, b""), (b"b" * 16, NOON + 7, b"")]


def test_a_record_of_a_later_version_is_no_garbage() -> None:
    with pytest.raises(NewerRecord, match="version 5"):
        unpack(signed(bytes((5,)) + b"whatever it will hold"))


def test_a_time_past_all_calendars_is_refused() -> None:
    """It would make a family of the window that never goes."""
    record = bytes((1,)) + LATEST_MS.to_bytes(8, "little") + b"k" * 16 + (1).to_bytes(4, "little")
    with pytest.raises(ChangelogError):
        unpack(signed(record))


@pytest.mark.parametrize(("version", "bytes_a_row"), [(1, 20), (2, 24), (3, 22), (4, 26)])
@pytest.mark.parametrize("more", [1, 7, 19])
def test_rows_that_are_not_whole_are_refused(version: int, bytes_a_row: int, more: int) -> None:
    body = bytes((version,)) + NOON.to_bytes(8, "little") + bytes(bytes_a_row)
    assert len(unpack(signed(body))) == 1
    with pytest.raises(ChangelogError, match=f"whole rows of {bytes_a_row} bytes, got {more} bytes more"):
        unpack(signed(body + bytes(more)))


def test_the_latest_time_is_the_last_of_48_bits() -> None:
    assert LATEST_MS == 0xFFFF_FFFF_FFFF
    assert list(unpack(packed([(b"k" * 16, LATEST_MS, MARK)]))) == [(b"k" * 16, LATEST_MS, MARK)]


@pytest.mark.parametrize(("distance", "version"), [((1 << 32) - 1, 3), (1 << 32, 4)])
def test_a_batch_of_more_than_49_days_takes_longer_times(distance: int, version: int) -> None:
    batch = [(b"a" * 16, NOON, MARK), (b"b" * 16, NOON + distance, MARK)]
    assert packed(batch)[0] == version
    assert list(unpack(packed(batch))) == batch
