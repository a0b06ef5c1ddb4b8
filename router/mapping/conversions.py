"""Conversions by name, as `as:` uses them. Each takes a JSON value other than null and returns one, or raises
ConversionError, which says what was expected and never repeats the value.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from hashlib import blake2b, sha256
from typing import Any
from uuid import UUID

from router.events.times import canonical, iso, milliseconds
from router.mapping import hashing
from router.mapping.template import json_text, text_of

EXPECTED_TIME = "expected a time such as 2026-01-31T12:00:00Z or 1769860800"
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_EPOCH_MILLISECONDS = 100_000_000_000  # a number at least this large counts milliseconds: seconds would be in year 5138
_FEW_DIGITS = 300
_TRUE, _FALSE = frozenset(("true", "yes", "on", "1")), frozenset(("false", "no", "off", "0"))


class ConversionError(ValueError):
    """Says what was expected."""


def time_ms(value: Any) -> int:
    """Milliseconds since 1970 of a time as text, or as a number of seconds or milliseconds."""
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    if number is not None and math.isfinite(number):
        return round(number if abs(number) >= _EPOCH_MILLISECONDS else number * 1000)
    found = milliseconds(value) if isinstance(value, str) else None
    if found is None:
        raise ConversionError(EXPECTED_TIME)
    return found


def unix_seconds(value: Any) -> int:
    """Whole seconds since 1970."""
    return time_ms(value) // 1000


def iso8601(value: Any) -> str:
    """UTC with milliseconds: 2026-01-01T00:00:00.000Z."""
    if type(value) is str and (found := canonical(value)):
        return found
    text = iso(time_ms(value), "")
    if not text:
        raise ConversionError("expected a time between the years 1 and 9999")
    return text


def date(value: Any) -> str:
    """The day in UTC: 2026-01-01."""
    return iso8601(value)[:10]


def number(value: Any) -> int | float:
    """A number, from a text too: `"9.50"`, `"$1,234.50"` (a dot is the decimal sign)."""
    if type(value) is str and value.isdigit() and value.isascii() and len(value) < _FEW_DIGITS:
        return int(value)  # as most are
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ConversionError("expected a number")
    found = _number_in(value) if isinstance(value, str) else value
    if not math.isfinite(found):
        raise ConversionError("expected a finite number")
    return found


def _number_in(text: str) -> int | float:
    if "." in text:
        try:
            return float(text)
        except ValueError:
            pass  # signs of money and of thousands
    text = text.strip().lstrip("$€£¥").replace(",", "").replace(" ", "")
    try:
        return int(text) if text.lstrip("+-").isdigit() else float(text)
    except ValueError:
        raise ConversionError("expected a number") from None


def integer(value: Any) -> int:
    """A whole number; a fraction is rounded half to even."""
    return round(number(value))


def cents(value: Any) -> int:
    """An amount in hundredths: 9.5 becomes 950."""
    return round(number(value) * 100)


def boolean(value: Any) -> bool:
    """true or false, from their usual spellings too."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ConversionError("expected true or false")


def as_list(value: Any) -> list[Any]:
    """A list: one item becomes a list of it."""
    return value if isinstance(value, list) else [value]


def sha256_hex(value: Any) -> str:
    """SHA-256 of the trimmed lower-case text, in hex."""
    return sha256(text_of(value).strip().lower().encode("utf-8", "surrogatepass")).hexdigest()


def _hashed(normalised: Callable[[str], str], expected: str) -> Callable[[Any], str]:
    """An advertiser's hash, which is empty for a value that cannot be normalised."""

    def convert(value: Any) -> str:
        found = normalised(text_of(value))
        if not found:
            raise ConversionError(f"expected {expected}")
        return found

    return convert


def basic_auth(value: Any) -> str:
    """The value of an Authorization header for `user:password`."""
    return "Basic " + b64encode(text_of(value).encode("utf-8", "surrogatepass")).decode()


def ulid(value: Any) -> str:
    """A stable ULID: of a UUID its own 128 bits, of any other text the first 128 of its hash."""
    return ulid_of(_bits(text_of(value)))


def ulid_of(bits: int) -> str:
    """128 bits as 26 characters of Crockford's base 32."""
    return "".join(_CROCKFORD[(bits >> shift) & 31] for shift in range(125, -1, -5))


def uuid(value: Any) -> str:
    """A stable UUID: a UUID is itself, any other text is hashed."""
    return str(UUID(int=_bits(text_of(value))))


def _bits(text: str) -> int:
    try:
        return UUID(text).int
    except ValueError:
        return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest())


CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "unix_seconds": unix_seconds,
    "unix_milliseconds": time_ms,
    "unix_microseconds": lambda value: time_ms(value) * 1000,
    "iso8601": iso8601,
    "date": date,
    "yyyymmdd": lambda value: date(value).replace("-", ""),
    "number": number,
    "integer": integer,
    "cents": cents,
    "boolean": boolean,
    "string": text_of,
    "list": as_list,
    "json": json_text,
    "lower": lambda value: text_of(value).lower(),
    "upper": lambda value: text_of(value).upper(),
    "trim": lambda value: text_of(value).strip(),
    "sha256": sha256_hex,
    "meta_email": _hashed(partial(hashing.meta, "em"), "an e-mail address"),
    "meta_phone": _hashed(partial(hashing.meta, "ph"), "a phone number"),
    "meta_first_name": _hashed(partial(hashing.meta, "fn"), "a name"),
    "meta_last_name": _hashed(partial(hashing.meta, "ln"), "a name"),
    "google_email": _hashed(hashing.google_email, "an e-mail address"),
    "google_phone": _hashed(hashing.google_phone, "a phone number with its country code"),
    "google_name": _hashed(hashing.google_name, "a name"),
    "basic_auth": basic_auth,
    "ulid": ulid,
    "uuid": uuid,
}
