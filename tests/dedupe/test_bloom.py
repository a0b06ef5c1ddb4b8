"""The filter before the window: it may say "perhaps" too often, and never overlooks a key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.dedupe import bloom
from router.dedupe.bloom import Bloom, probe
from tests.dedupe.windows import keys


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
    assert len(filter_.perhaps(strangers)) < 0.1 * 5000
    assert 2 * 20_000 <= filter_.bytes <= 5 * 20_000


def test_past_its_memory_it_only_gets_less_sharp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bloom, "FIRST_WORDS", 64)
    filter_ = Bloom(most_bytes=4096)
    for number in range(20):
        filter_.add(probe(keys(number, 500)))
    assert filter_.bytes <= 4096
    assert filter_.perhaps(probe(keys(3, 500))) == list(range(500))


def test_an_empty_filter_knows_nothing() -> None:
    assert Bloom().perhaps(probe(keys("x", 2000))) == []


@pytest.mark.parametrize("wrong", [[b"short"], [b"x" * 16, b"y" * 17]])
def test_keys_of_another_length_are_refused(wrong: list[bytes]) -> None:
    with pytest.raises(ValueError, match="expected keys of 16 bytes"):
        probe(wrong)
