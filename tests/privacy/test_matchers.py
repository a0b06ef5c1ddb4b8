"""Each kind of value, as people write it, and what only looks like it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.privacy.matchers import MATCHERS, card, luhn, pattern

YES = {
    "email": ["ada@example.com", "Write to ada+tag@mail.example.co.uk, please", "<o'neil@x-y.org>"],
    "phone": ["+49 30 1234567", "+1 (415) 555-2671", "(415) 555-2671", "415-555-2671", "+33.1.23.45.67.89"],
    "card": ["4111 1111 1111 1111", "card 5555555555554444 exp 1/30", "3782-822463-10005", "6011111111111117"],
    "ip": ["203.0.113.7", "2001:db8::1", "fe80::1%eth0", " 10.0.0.1 "],
    "iban": ["DE89 3704 0044 0532 0130 00", "gb82west12345698765432", "pay to FR1420041010050500013M02606 today"],
}
NO = {
    "email": ["ada at example.com", "@ada", "ada@", "a@b"],
    "phone": ["2026-01-02", "12345678", "9.50", "1767323045678", "+1 2", "20260102T030405Z"],
    "card": ["4111 1111 1111 1112", "1767323045678", "1234567890123456", "0000000000000000"],
    "ip": ["1.2.3", "version 1.2.3.4", "999.1.1.1", "face", "::ffff:zz"],
    "iban": ["DE88 3704 0044 0532 0130 00", "ORDER12345678901234", "GB82"],
}


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in YES.items() for text in texts])
def test_a_value_is_recognised(kind: str, text: str) -> None:
    assert MATCHERS[kind](text)


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in NO.items() for text in texts])
def test_what_only_looks_like_it_is_not(kind: str, text: str) -> None:
    assert not MATCHERS[kind](text)


@given(head=st.from_regex(r"\A4[0-9]{14}\Z"))
def test_exactly_one_check_digit_makes_a_card_number(head: str) -> None:
    right = [digit for digit in "0123456789" if card(head + digit)]

    assert len(right) == 1
    assert luhn(head + right[0])


@pytest.mark.parametrize("expression", ["(?=a)", "(a", "a*", ""])
def test_a_pattern_that_cannot_run_in_linear_time_or_matches_nothing_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="expected a pattern"):
        pattern(expression)


def test_a_hostile_pattern_is_harmless() -> None:
    assert not pattern("^(a+)+$")("a" * 50_000 + "b")
