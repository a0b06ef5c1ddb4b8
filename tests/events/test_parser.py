"""JSON is parsed exactly, or refused with what is wrong."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events.parser import JsonError, Repairs, encode, has_long_digits, is_json, parse

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_json_is_parsed_and_written_exactly(value: Any) -> None:
    """Whole numbers of any length among it."""
    assert parse(json.dumps(value).encode(), Repairs()) == value
    assert parse(encode(value), Repairs()) == value


@pytest.mark.parametrize(
    "digits",
    ["9007199254740993", "18446744073709551615", "18446744073709551616", "-9223372036854775809", "1" + "0" * 30 + "1"],
)
def test_a_whole_number_keeps_its_digits(digits: str) -> None:
    text = b'{"a":[%s]}' % digits.encode()

    assert encode(parse(text, Repairs())) == text


def test_a_fraction_is_a_double() -> None:
    assert parse(b"0.1234567890123456789", Repairs()) == 0.1234567890123456789
    assert parse(b"[1e2, 123456789012345678901.5]", Repairs()) == [100.0, 123456789012345678901.5]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"1e400", "number_out_of_range"),
        (b"-1e400", "number_out_of_range"),
        (b"[" + b"9" * 4301 + b"]", "number_out_of_range"),
        (b"[" * 1100 + b"]" * 1100, "too_deep"),
        (b"[" * 100_000, "too_deep"),
        (b'"\xff"', "not_utf8"),
        (b"NaN", "not_json"),
        (b"-Infinity", "not_json"),
        (b"[1,]", "not_json"),
        (b'{"a":1,}', "not_json"),
        (b"01", "not_json"),
        (b'"\x01"', "not_json"),
        (b"{} {}", "not_json"),
        (b"", "not_json"),
    ],
)
def test_what_is_not_json_says_why(text: bytes, reason: str) -> None:
    with pytest.raises(JsonError) as refused:
        parse(text, Repairs())
    assert refused.value.reason == reason
    assert not is_json(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'"Sale \\ud83d"', "Sale �"),
        (b'"\\udE00 Sale"', "� Sale"),
        (b'"\\ud83d\\ude00"', "😀"),
        (b'"\\ud83d\\ud83d\\ude00"', "�😀"),
        (b'{"\\ud83d":1}', {"�": 1}),
        (b'"\xed\xa0\xbd"', "�"),
        (b'"\xed\xa0\xbd\xed\xb8\x80"', "😀"),
    ],
)
def test_half_a_surrogate_pair_becomes_the_replacement_character(text: bytes, value: Any) -> None:
    """Pairs written as two characters of three bytes, as old Java and MySQL write them, become one."""
    assert parse(text, Repairs()) == value


def test_a_repair_is_counted() -> None:
    repairs = Repairs()

    parse(b'\xef\xbb\xbf["\\ud83d", "\\ud83d\\ude00"]', repairs)

    assert repairs == {"byte_order_mark": 1, "unpaired_surrogate": 1}


@given(st.integers())
def test_long_digits_are_noticed_wherever_they_stand(number: int) -> None:
    text = b'{"a":%d}' % number

    assert has_long_digits(text) or orjson.loads(text) == {"a": number}


def test_too_deep_to_be_written_is_a_type_error() -> None:
    value: Any = 2**70
    for _ in range(300):
        value = [value]
    with pytest.raises(TypeError):
        encode(value)
