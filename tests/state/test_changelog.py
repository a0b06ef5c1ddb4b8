"""The changelog's records: every batch comes back as it was, in tens of bytes an id, and garbage is told apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.state.changelog import ChangelogError, Row, pack, unpack
from tests.state.windows import NOON, keys

rows = st.lists(st.tuples(st.binary(min_size=16, max_size=16), st.integers(0, 253_402_300_799_999)), max_size=40)


@given(rows)
def test_rows_come_back_as_they_were(batch: list[Row]) -> None:
    assert unpack(pack(batch)) == batch


def test_an_id_takes_at_most_24_bytes() -> None:
    batch = [(key, NOON + number * 7) for number, key in enumerate(keys("id", 2000))]
    assert len(pack(batch)) / len(batch) <= 24


@given(st.binary(max_size=200))
def test_any_bytes_are_a_record_or_refused(value: bytes) -> None:
    try:
        found = unpack(value)
    except ChangelogError:
        return
    assert all(len(key) == 16 and at >= 0 for key, at in found)
    assert unpack(pack(found)) == found


@given(rows, st.integers(1, 15))
def test_a_record_that_was_cut_is_refused(batch: list[Row], less: int) -> None:
    with pytest.raises(ChangelogError):
        unpack(pack(batch)[:-less])
