"""JSON as clients write it: parsed exactly, or refused with what is wrong with it. Pure and total.

orjson parses nearly everything. It turns whole numbers beyond 64 bits into doubles, and refuses text with half a
surrogate pair; such values are parsed again by Python's own parser, which is slower. Whole numbers keep all their
digits. Fractions and exponents are doubles, as everywhere in JSON; one beyond the range of a double is refused. Half a
surrogate pair cannot be written in UTF-8, so it becomes U+FFFD, the replacement character.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, NoReturn

import orjson

REPAIRS = {
    "unpaired_surrogate": "half a surrogate pair in a text, replaced by U+FFFD",
    "byte_order_mark": "a byte order mark before the JSON",
    "empty_list": "an empty list where an object belongs, taken for an empty object (PHP writes them alike)",
    "list_of_events": "a JSON list as a whole message or body",
    "joined": "JSON values one behind the other without a newline between them",
    "placeholder_message_id": "a `messageId` that names nothing, such as undefined; a new one is given",
    "unreadable_timestamp": "a `timestamp` that is not a time; the receive time stands in",
    "unreadable_sent_at": "a `sentAt` that is not a time; the clock of the sender stays uncorrected",
}
"""What the reader puts right, a closed set: each repair is counted."""
Repairs = Counter[str]
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LEAST_DIGITS_OF_A_LONG_NUMBER = 19
_DIGITS = bytes(0x30 if 0x30 <= byte <= 0x39 else 0x20 for byte in range(256))
_LONG = b"0" * _LEAST_DIGITS_OF_A_LONG_NUMBER
_WORTH_A_CLOSER_LOOK = ("surrogate", "BOM", "infinity", "depth")  # in the messages of orjson; all else is not JSON
_MOST_DIGITS = 4300  # of a whole number: the time to read one grows with the square of its digits
_MOST_LEVELS = 254  # orjson writes fewer levels than it reads


class JsonError(ValueError):
    """A text that is not JSON. `reason` is one of not_utf8, not_json, too_deep and number_out_of_range."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def parse(text: bytes, repairs: Repairs) -> Any:
    """The value of one JSON text. Raises JsonError."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if not any(word in error.msg for word in _WORTH_A_CLOSER_LOOK):
            raise JsonError("not_json") from None
        return parse_exactly(text, repairs)
    return parse_exactly(text, repairs) if has_long_digits(text) else value


def has_long_digits(text: bytes) -> bool:
    """Whether there may be a whole number beyond 64 bits in a text: 19 digits in a row or more."""
    return _LONG in text.translate(_DIGITS)


def is_json(text: bytes) -> bool:
    """Whether a text is JSON, be it JSON to be repaired."""
    try:
        parse(text, Repairs())
    except JsonError:
        return False
    return True


def parse_exactly(text: bytes, repairs: Repairs) -> Any:
    """The same by Python's parser."""
    if text.startswith(BYTE_ORDER_MARK):
        repairs["byte_order_mark"] += 1
        text = text.removeprefix(BYTE_ORDER_MARK)
    try:
        value = _DECODER.decode(text.decode("utf-8", "surrogatepass"))
        return _without_surrogates(value, repairs) if _may_have_surrogates(text) else value
    except UnicodeDecodeError:
        raise JsonError("not_utf8") from None
    except json.JSONDecodeError:
        raise JsonError("not_json") from None
    except RecursionError:
        raise JsonError("too_deep") from None


def encode(value: Any) -> bytes:
    """JSON of a parsed value, whole numbers of any length among it. Raises TypeError where it is too deep."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return orjson.dumps(_with_fragments(value, 0))


def _integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise JsonError("number_out_of_range")
    return int(digits)


def _double(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise JsonError("number_out_of_range")
    return number


def _constant(_: str) -> NoReturn:
    raise JsonError("not_json")


_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_double, parse_constant=_constant)


def _may_have_surrogates(text: bytes) -> bool:
    return b"\\ud" in text or b"\\uD" in text or b"\xed" in text


def _without_surrogates(value: Any, repairs: Repairs) -> Any:
    if type(value) is str:
        return _text(value, repairs)
    if type(value) is dict:
        return {_text(key, repairs): _without_surrogates(item, repairs) for key, item in value.items()}
    if type(value) is list:
        return [_without_surrogates(item, repairs) for item in value]
    return value


def _text(text: str, repairs: Repairs) -> str:
    """Two halves that belong together become one character, a half alone U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        repairs["unpaired_surrogate"] += 1
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _with_fragments(value: Any, depth: int) -> Any:
    """A copy in which whole numbers beyond 64 bits stand as the JSON that they are."""
    if depth > _MOST_LEVELS:
        raise TypeError("nested too deep")
    if type(value) is int and value.bit_length() > 63:
        return orjson.Fragment(str(value))
    if type(value) is dict:
        return {key: _with_fragments(item, depth + 1) for key, item in value.items()}
    if type(value) is list:
        return [_with_fragments(item, depth + 1) for item in value]
    return value
