"""Times as clients write them, read to the millisecond, and as the router writes them: UTC, `2026-01-01T00:00:00.000Z`.

Read are ISO 8601 in its spellings (a zone or none, which is UTC; `T` or a blank; a fraction after a point or a comma;
`20260101`; a day alone; Java's `[Europe/Berlin]`), ` UTC` and ` GMT`, RFC 2822, what JavaScript's `Date` and Go's
`Time` print, an offset and a `Z` behind it (Python's `isoformat() + "Z"`), AM and PM as iPhones with a clock of twelve
hours write them, and the time since 1970 in seconds, milliseconds, microseconds or nanoseconds, in a number
or in digits.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import mktime_tz, parsedate_tz
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_YEAR_1, _YEAR_9999 = -62_135_596_800_000, 253_402_300_799_999
_LEAST_EPOCH = 100_000_000  # seconds: 1973. Smaller numbers are years, counters and zeros
_UNITS = ((1e11, 1000.0), (1e14, 1.0), (1e17, 1e-3), (1e20, 1e-6))  # numbers up to, and their milliseconds
_LONGEST = 80  # characters of a time
_DIGITS = re.compile(r"[0-9]{9,20}(?:\.[0-9]{1,9})?")
_COMPACT = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})")
_DATE = re.compile(
    r"(?P<date>[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2})"
    r"(?:(?:T|\s+)(?P<hour>[0-9]{1,2}):?(?P<minute>[0-9]{2})(?::?(?P<second>[0-9]{2})(?:[.,](?P<part>[0-9]+))?)?)?"
    r"\s*(?P<half>[AP]M)?"
    r"\s*(?P<zone>Z|UTC|GMT|(?:UTC|GMT)?[+-][0-9]{2}(?::?[0-9]{2})?(?:Z| [A-Z]{3,4}(?: M=[+-][0-9.]+)?)?)?"
    r"(?:\s*\[[\w/+-]+\])?",
    re.ASCII,
)
_OFFSET = re.compile("[+-][0-9:]+")
_IN_WORDS = re.compile(r"(?:[A-Z]{3},?\s+)?(?:[0-9]{1,2}\s+[A-Z]{3}|[A-Z]{3}\s+[0-9]{1,2})\s", re.ASCII)
_COMMENT = re.compile(r"\s*\([^()]*\)$")
_seconds: dict[int, str] = {}


def is_canonical(text: str) -> bool:
    """Whether a time is written as the router writes them."""
    if len(text) != 24 or text[4:20:3] != "--T::." or text[23] != "Z":
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def canonical(text: str) -> str:
    """A time in UTC to the second or the millisecond, as the router writes it; empty for other spellings, and none."""
    whole = f"{text[:19]}.000Z" if len(text) == 20 and text[19] == "Z" else text
    return whole if is_canonical(whole) else ""


def milliseconds(value: Any) -> int | None:
    """Milliseconds since 1970 of a time (UTC where it names no zone), or None."""
    if type(value) is str:
        if value[4:19:3] == "--T::" and (moment := _moment(value)) is not None:
            return moment
        return _of_text(value.strip())
    return _of_number(value) if type(value) in (int, float) else None


def _of_text(text: str) -> int | None:
    if not 8 <= len(text) <= _LONGEST:
        return None
    text = text.upper()
    if _DIGITS.fullmatch(text):
        compact = _COMPACT.fullmatch(text)
        moment = _moment("{}-{}-{}T{}:{}:{}".format(*compact.groups())) if compact else None
        return _of_number(float(text) if "." in text else int(text)) if moment is None else moment
    moment = _moment(text)
    if moment is None and (found := _DATE.fullmatch(text)):
        moment = _of_date(found)
    if moment is None and _IN_WORDS.match(text):
        moment = _in_words(_COMMENT.sub("", text))
    return moment


def _of_number(number: float) -> int | None:
    """By its size a number counts seconds, milliseconds, microseconds or nanoseconds."""
    if number < _LEAST_EPOCH:
        return None
    for limit, factor in _UNITS:
        if number < limit:
            return round(number * factor) if factor >= 1 else int(number // round(1 / factor))
    return None


def _moment(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return (moment - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError):
        return None


def _of_date(found: re.Match[str]) -> int | None:
    """A leap second is the first of the next minute, and 24:00 the beginning of the next day."""
    year, month, day = re.split("[-/.]", found["date"])
    hour, minute, second = found["hour"] or "0", found["minute"] or "00", found["second"] or "00"
    if found["half"] and 1 <= int(hour) <= 12:
        hour = str(int(hour) % 12 + (12 if found["half"] == "PM" else 0))
    beyond = 0
    if second == "60":
        second, beyond = "59", 1000
    if (hour, minute, second) == ("24", "00", "00") and not (found["part"] or "").strip("0"):
        hour, beyond = "0", 86_400_000
    part = f".{found['part'][:6]:0<6}" if found["part"] else ""
    zone = _OFFSET.search(found["zone"] or "")
    moment = _moment(f"{year}-{month:>02}-{day:>02}T{hour:>02}:{minute}:{second}{part}{zone[0] if zone else 'Z'}")
    return None if moment is None else moment + beyond


def _in_words(text: str) -> int | None:
    """`Thu, 01 Jan 2026 10:00:00 +0100` and `Thu Jan 01 2026 10:00:00 GMT+0100`."""
    text = re.sub(r"(?:GMT|UTC)(?=[+-])", "", text)
    text = re.sub(r"^((?:[A-Z]{3},?\s+)?)([A-Z]{3})\s+([0-9]{1,2})\s+([0-9]{4})\s", r"\1\3 \2 \4 ", text)
    try:
        parts = parsedate_tz(text)
        return None if parts is None else mktime_tz(parts) * 1000
    except (ValueError, OverflowError, IndexError):
        return None


def iso(ms: int, otherwise: str = "") -> str:
    """`2026-01-01T00:00:00.000Z`; `otherwise` outside the years 1 to 9999."""
    second, millisecond = divmod(ms, 1000)
    prefix = _seconds.get(second)
    if prefix is None:
        if not _YEAR_1 <= ms <= _YEAR_9999:
            return otherwise
        if len(_seconds) > 4096:
            _seconds.clear()
        prefix = _seconds[second] = (_EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S.").rjust(20, "0")
    return f"{prefix}{millisecond:03d}Z"
