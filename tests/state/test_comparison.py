"""What a comparison of two states finds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from router.state.comparison import compare_states

STATES = st.dictionaries(st.binary(max_size=2), st.binary(max_size=1), max_size=6)


@given(STATES, STATES)
def test_two_states_are_compared_key_by_key(expected: dict[bytes, bytes], found: dict[bytes, bytes]) -> None:
    outcome = compare_states(iter(sorted(expected.items())), iter(sorted(found.items())))
    assert outcome.checked == len(expected)
    assert outcome.missing == len(expected.keys() - found.keys())
    assert outcome.extra == len(found.keys() - expected.keys())
    assert outcome.different == sum(expected[k] != found[k] for k in expected.keys() & found.keys())
    assert outcome.same == (expected == found)
