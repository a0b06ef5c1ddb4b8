from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from router.embedded.sizes import SLOT_SECONDS, Sizes

LATER = 1e9

noted = st.lists(st.tuples(st.integers(1, 500_000), st.floats(0, 0.3)), max_size=60)


def filled(messages: list[tuple[int, float]]) -> tuple[Sizes, float]:
    sizes, now = Sizes(), 100.0
    for size, pause in messages:
        now += pause
        sizes.note(size, now)
    return sizes, now


@given(messages=noted, outstanding=st.integers(0, 80))
def test_the_newest_messages_are_never_underestimated(messages: list[tuple[int, float]], outstanding: int) -> None:
    sizes, _ = filled(messages)
    newest = [size for size, _ in messages[len(messages) - min(outstanding, len(messages)) :]]
    unknown = max(0, outstanding - len(messages))

    assert sizes.newest(outstanding, LATER * -1, 10.0) >= sum(newest) + unknown * 10.0
    assert sizes.newest(outstanding, LATER, 10.0) >= sum(newest) + unknown * 10.0


@given(messages=noted)
def test_what_was_noted_since_a_moment_counts_although_nothing_is_outstanding(
    messages: list[tuple[int, float]],
) -> None:
    sizes, now = filled(messages)

    assert sizes.newest(0, 0.0, 10.0) == sum(size for size, _ in messages)
    assert sizes.newest(0, now + SLOT_SECONDS, 10.0) == 0


@given(messages=noted, outstanding=st.integers(0, 80), since=st.floats(100, 120))
def test_forgetting_changes_no_answer(messages: list[tuple[int, float]], outstanding: int, since: float) -> None:
    sizes, _ = filled(messages)
    before = sizes.newest(outstanding, since, 10.0)

    sizes.forget(outstanding, since)

    assert sizes.newest(outstanding, since, 10.0) == before


def test_what_is_consumed_is_forgotten() -> None:
    sizes, now = filled([(100, 0.1)] * 1_000)

    sizes.forget(3, now + 1)

    assert len(sizes._slots) <= 4


def test_the_mean_follows_what_is_sent() -> None:
    sizes, _ = filled([(1_000, 0.01)] * 1_000)

    assert 990 <= sizes.mean <= 1_010
