"""What names nobody, and what does although it looks odd."""

from __future__ import annotations

import re
import time
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events.placeholders import WORDS, Placeholders

BUILT_IN = Placeholders()
NOBODY = [
    *(
        "",
        " ",
        "\t\n",
        "\u00a0",
        '""',
        "''",
        "-",
        "--",
        "?",
        "...",
        "0",
        "000",
        "0000-0000",
        "0" * 40,
        "+0",
        "[]",
        "{}",
    ),
    *("+0", "[]", "{}", "00000000-0000-0000-0000-000000000000", "00:00:00:00:00:00"),
    "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
    *("undefined", "Undefined", " undefined ", '"null"', "'null'", '" null "', "NULL", "(null)", "<null>", "[null]"),
    *(
        "nil",
        "<nil>",
        "(nil)",
        "Optional(nil)",
        "Optional.empty",
        "%!s(<nil>)",
        "%!d(MISSING)",
        "None",
        "(None)",
        "NaN",
    ),
    *("N/A", "n/a", "#N/A", "NA", "\\N", "unknown", "UNKNOWN", "anonymous", "guest", "(not set)", "not set", "-1"),
    *("[object Object]", "[object Promise]", "None", "true", "False", "id", "distinct_id", "email"),
    *("{{user.id}}", "{{ user.id }}", "${userId}", "#{user.id}", "%{user_id}", "<%= user.id %>", "{% user %}"),
    *(
        "{userId}",
        "<user_id>",
        "[[user_id]]",
        "%%emailaddr%%",
        "*|EMAIL|*",
        "$(user.id)",
        "@{user}",
        "%s",
        "%(user_id)s",
    ),
    *("%(user_id)s", "undefined-undefined", "null null", "undefined_null", "() => user.id"),
    "function () { return id }",
    *("<User object at 0x7f3a>", "function(a){return this.user.id + 'a long one'}", "9774d56d682e549c"),
]
SOMEBODY = [
    *("u1", "1", "10", "0x1f", "a", "x", "😀", "анна", "none@shop.test", "nullable", "undefined1", "guest-42", "id7"),
    *("$RCAnonymousID:5f", "$device:18", "{8f14e45f-ceea-467f-a0e6-1b2f3c4d5e6f}", "(555) 123", "<anna@shop.test>"),
    *("[7]", "100%", "%d1", "f47ac10b-58cc-4372-a567-0e02b2c3d479", "0a6f0e4c-8b5d-4b8e-9d9d-7d0e4a2a0c11"),
    *("fffffffe-ffff-ffff-ffff-ffffffffffff", "nobody@shop.test", "functional", "Optional(7)", "unknown-soldier"),
    *("user-with-a-very-long-name-indeed", "null-island-tourist-office-2026", "\ud83d-half-a-pair", "ﬀ"),
]


@pytest.mark.parametrize("text", NOBODY)
def test_a_placeholder_names_nobody(text: str) -> None:
    assert BUILT_IN.matches(text)


@pytest.mark.parametrize("text", SOMEBODY)
def test_an_id_names_somebody(text: str) -> None:
    assert not BUILT_IN.matches(text)


@given(st.sampled_from(NOBODY), st.sampled_from(["", " ", "\t", " \n "]), st.booleans())
def test_letter_case_and_blanks_around_make_no_difference(text: str, blanks: str, upper: bool) -> None:
    assert BUILT_IN.matches(blanks + (text.upper() if upper else text.lower()) + blanks)


def test_the_words_are_in_the_form_they_are_compared_in() -> None:
    assert [word for word in WORDS if word != word.strip().lower()] == []
    assert all(map(BUILT_IN.matches, WORDS))


@given(st.uuids())
def test_a_uuid_names_somebody(uuid: UUID) -> None:
    assert BUILT_IN.matches(str(uuid)) == (uuid.int in (0, 2**128 - 1))


@given(st.text(max_size=60) | st.text("0{}<>[]()%$nulOBJect ", max_size=40))
def test_any_text_gets_an_answer(text: str) -> None:
    assert BUILT_IN.matches(text) in (True, False)


def test_a_topology_adds_globs() -> None:
    own = Placeholders(add=["guest-*", "TEST-?", "*@example.com", "[internal]", "ÄRGER"])
    for text in ("guest-42", "Guest-", "GUEST-with-a-very-long-name-indeed", "test-1", "a@example.com", "[INTERNAL]"):
        assert own.matches(text)
    for text in ("a-quite-long-address-of-nobody@example.com", "ärger", "null"):
        assert own.matches(text)
    for text in ("guest42", "test-12", "a@example.org", "i"):
        assert not own.matches(text)


def test_a_topology_takes_placeholders_back() -> None:
    own = Placeholders(remove=["unknown", "guest", "0*", "{*}"])
    for text in ("unknown", "Unknown", "guest", "000", "{name}", "{{name}}"):
        assert BUILT_IN.matches(text)
        assert not own.matches(text)
    for text in ("", " ", "null", "anonymous", "-"):
        assert own.matches(text)


def test_what_is_taken_back_wins() -> None:
    own = Placeholders(add=["guest-*"], remove=["guest-42"])
    assert own.matches("guest-41")
    assert not own.matches("guest-42")


@given(st.text("ab*?.[(", max_size=8), st.text("ab.[(", max_size=8))
def test_a_glob_means_what_it_says(glob: str, text: str) -> None:
    wanted = re.fullmatch(re.escape(glob).replace(r"\*", ".*").replace(r"\?", "."), text) is not None
    if not BUILT_IN.matches(text):
        assert Placeholders(add=[glob]).matches(text) == wanted


def test_many_stars_take_linear_time() -> None:
    own = Placeholders(add=["a*" * 30 + "b"])
    started = time.thread_time()
    assert not own.matches("a" * 20_000)
    assert time.thread_time() - started < 30
