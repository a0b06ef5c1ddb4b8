"""The filter before the window: it may say "perhaps" too often, and never overlooks a key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.dedupe import bloom
from router.dedupe.bloom import Bloom, Probe
from router.dedupe.bloom import probe as probe_of
from router.dedupe.window import key_array
from tests.dedupe.windows import keys


def probe(keys: list[bytes]) -> Probe:
    return probe_of(key_array(keys))


@given(st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=50), st.integers(0, 2_000_000))
def test_a_key_that_was_added_is_never_overlooked(added: list[bytes], expected: int) -> None:
    filter_ = Bloom(expected)
    filter_.add(probe(added))
    assert filter_.perhaps(probe(added)) == list(range(len(added)))


def test_it_grows_and_stays_sharp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bloom, "FIRST_WORDS", 64)
    filter_ = Bloom()
    added = [keys(("in", n), 500) for n in range(40)]
    for batch in added:
        filter_.add(probe(batch))
    assert all(filter_.perhaps(probe(batch)) == list(range(500)) for batch in added)
    strangers = probe(keys("out", 5000))
    assert len(filter_.perhaps(strangers)) < 6 * 0.006 * 5000  # six blocks that are full, and one that is not
    assert 2 * 20_000 <= filter_.bytes <= 5 * 20_000


def test_past_its_memory_it_only_gets_less_sharp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bloom, "FIRST_WORDS", 64)
    filter_ = Bloom(most_bytes=4096)
    for number in range(20):
        filter_.add(probe(keys(number, 500)))
    assert filter_.bytes <= 4096
    assert filter_.perhaps(probe(keys(3, 500))) == list(range(500))


@pytest.mark.parametrize("expected", [4096, 8192])
def test_at_the_number_of_keys_it_is_made_for_it_is_as_sharp_as_it_says(
    monkeypatch: pytest.MonkeyPatch, expected: int
) -> None:
    """16 bits a key, and 0.6 % of the new keys look known."""
    monkeypatch.setattr(bloom, "FIRST_WORDS", 64)
    filter_ = Bloom(expected)
    filter_.add(probe(keys("in", expected)))
    assert filter_.bytes == 2 * expected
    assert len(filter_.perhaps(probe(keys("out", 40_000)))) < 0.007 * 40_000


def test_a_block_has_bounds_whatever_is_expected() -> None:
    assert Bloom().bytes == 512 * 1024
    assert Bloom(1 << 40).bytes == 64 * 1024 * 1024


@pytest.mark.parametrize("most_words", [64 * 7, 64 * 15 - 1])
def test_it_grows_only_once_its_keys_have_no_room_and_by_doubling(
    monkeypatch: pytest.MonkeyPatch, most_words: int
) -> None:
    monkeypatch.setattr(bloom, "FIRST_WORDS", 64)
    filter_ = Bloom(most_bytes=8 * most_words)
    sizes = []
    for number in range(0, 2304, 128):  # 256 keys fill the first block
        filter_.add(probe(keys(number, 128)))
        sizes.append(filter_.bytes // 8)
    assert sizes == [*[64] * 2, *[64 + 128] * 4, *[64 + 128 + 256] * 12]  # the most it may take


def test_an_empty_filter_knows_nothing() -> None:
    assert Bloom().perhaps(probe(keys("x", 2000))) == []


@pytest.mark.parametrize("wrong", [[b"short"], [b"x" * 16, b"y" * 17]])
def test_keys_of_another_length_are_refused(wrong: list[bytes]) -> None:
    with pytest.raises(ValueError, match="expected keys of 16 bytes"):
        probe(wrong)
