"""The matchers find exactly what their plain forms find, which are written from the rules and know no shortcut."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from router.privacy.matchers import MATCHERS, luhn, suspect

EMAIL = re2.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
PHONE = re2.compile(r"\s*(\+[0-9][0-9 ().\-/]{6,22}|\(?[0-9]{3}\)?[ .\-][0-9]{3}[ .\-][0-9]{4})\s*")
DIGITS = re.compile(r"[0-9](?:[ -]?[0-9]){12,18}")
IBAN = re.compile(r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}\b")
CARDS = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})|5[1-5][0-9]{14}|2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720)[0-9]{12}"
    r"|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|35(?:2[89]|[3-8][0-9])[0-9]{12}"
    r"|6(?:011|5[0-9]{2}|4[4-9][0-9])[0-9]{12,15}|62[0-9]{14,17}"
)


def email(text: str) -> bool:
    return EMAIL.search(text) is not None


def phone(text: str) -> bool:
    return len(text) <= 40 and PHONE.fullmatch(text) is not None and 7 <= sum(map(str.isdigit, text)) <= 15


def card(text: str) -> bool:
    numbers = [re.sub("[ -]", "", found[0]) for found in DIGITS.finditer(text)]
    return any(CARDS.fullmatch(number) and luhn(number) for number in numbers)


def ip(text: str) -> bool:
    text = text.strip()
    if len(text) > 60 or not set(text.partition("%")[0]) <= set("0123456789abcdefABCDEF.:"):
        return False
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def iban(text: str) -> bool:
    for found in IBAN.finditer(text.upper()):
        number = found[0].replace(" ", "")
        for length in range(15, min(len(number), 34) + 1):
            turned = number[4:length] + number[:4]
            if int("".join(str(int(character, 36)) for character in turned)) % 97 == 1:
                return True
    return False


PLAIN: dict[str, Callable[[str], bool]] = {"email": email, "phone": phone, "card": card, "ip": ip, "iban": iban}
PIECES = st.sampled_from(
    [
        *(
            "a",
            "Z",
            "é",
            "ß",
            "ﬁ",
            "٣",
            "\u00a0",
            "\v",
            "\n",
            " ",
            "  ",
            "-",
            ".",
            "..",
            "@",
            "@x",
            "a@b",
            ".c",
            "+",
            "+1",
        ),
        *(
            "(415)",
            "415",
            "555-2671",
            "0",
            "9",
            "12",
            "4111",
            "1111 1111",
            "1111",
            "::",
            ":",
            "1.2.3.4",
            "fe80",
            "%eth0",
        ),
        *("%eth0", "DE89", "3704 0044", "0532 0130 00", "GB82", "west", "12345698765432", "_", "/", "enc:v1:"),
    ]
)
TEXTS = st.lists(PIECES, max_size=9).map("".join) | st.text(st.characters(codec="utf-8"), max_size=30)


@given(text=TEXTS)
def test_a_matcher_finds_what_its_plain_form_finds(text: str) -> None:
    found = {kind: matches(text) for kind, matches in MATCHERS.items()}

    assert found == {kind: matches(text) for kind, matches in PLAIN.items()}
    assert suspect(text) or not any(found.values())


@pytest.mark.parametrize("kind", sorted(PLAIN))
@pytest.mark.parametrize(
    "text",
    [
        *(
            "DE89370400440532013000",
            "de89 3704 0044 0532 0130 00ß",
            "4111 1111 1111 1111",
            "::1",
            "::",
            "1.2.3.4",
            "a@b.c",
        ),
        *(
            "a@b.c",
            "+1234567",
            " 415 555 2671 ",
            "\u00a0415 555 2671",
            "+٣٣٣٣٣٣٣٣",
            "ﬁ12345678901234",
            "@b.c",
            "a@b",
            "%@b.c",
        ),
    ],
)
def test_the_shortest_and_the_oddest_ones(kind: str, text: str) -> None:
    assert MATCHERS[kind](text) == PLAIN[kind](text)
    assert suspect(text) or not PLAIN[kind](text)


@pytest.mark.parametrize("text", ["a" * 50_000 + "@", "a@" * 30_000, "a@" + "b-" * 30_000, "1 " * 30_000])
def test_no_text_is_more_than_linear_work(text: str) -> None:
    """A quadratic matcher would not come back from these within the test's time."""
    assert not any(matches(text) for matches in MATCHERS.values())


def test_half_of_a_surrogate_pair_is_a_character_like_any_other() -> None:
    from router.privacy.matchers import pattern

    assert pattern("ada")("\ud800 ada")
    assert not pattern("bob")("\ud800 ada")
    assert MATCHERS["email"]("\ud800 ada@example.com")
