"""The rate that a form or a script gives: one in words of the field, and nothing but a whole number within bounds."""

from __future__ import annotations

import pytest

from router.console.rates import given_rate
from router.errors import UsageError


@pytest.mark.parametrize("given", [1, "50", " 1000 "])
def test_a_whole_number_within_the_bounds_is_a_rate(given: object) -> None:
    assert given_rate({"rate": given}, 1000) == int(str(given))


@pytest.mark.parametrize("values", [{}, {"rate": None}, {"rate": ""}, {"rate": "  "}])
def test_none_is_none(values: dict[str, object]) -> None:
    assert given_rate(values, 1000) is None


@pytest.mark.parametrize(
    "given", [0, "0", -1, "1e9", 1e9, 1001, "1.5", "abc", "٥", "5\n5", True, False, [5], "9" * 5000]
)
def test_what_is_no_rate_is_refused_with_what_is_expected(given: object) -> None:
    with pytest.raises(UsageError, match="rate: expected from 1 to 1,000 events a second, got '") as caught:
        given_rate({"rate": given}, 1000)
    assert len(str(caught.value)) < 100
