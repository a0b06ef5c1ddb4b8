"""Numbers, times and texts as the pages show them. What comes from outside is shown as text and cannot move the page.

Control and bidirectional characters become visible escapes such as ⟨U+202E⟩.
"""

from __future__ import annotations

import json
import unicodedata
from datetime import UTC, datetime
from typing import Any

LONGEST_NAME = 80
LONGEST_BODY = 64 * 1024
LEAST_SHORT = 10_000
_UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_KEPT = "\n\t"
_HIDDEN = ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")


def visible(value: object, longest: int | None = None) -> str:
    """A text in which nothing is hidden, cut in the middle beyond `longest` characters."""
    text = str(value)
    if longest is not None and len(text) > longest:
        half = (longest - 1) // 2
        text = f"{text[:half]}…{text[-half:]}"
    return "".join(map(_visible, text)) if not text.isascii() or not text.isprintable() else text


def _visible(character: str) -> str:
    if character in _KEPT or unicodedata.category(character) not in _HIDDEN:
        return character
    return f"⟨U+{ord(character):04X}⟩"


def name(value: object) -> str:
    """A name in a table."""
    return visible(value, LONGEST_NAME)


def number(count: float | None) -> str:
    """`1,234` up to 9,999, then `12.3 k`, `4.5 M`; a dash for none."""
    if count is None:
        return "–"
    if abs(count) < LEAST_SHORT:
        return f"{count:,.0f}"
    # Rounded first: 999,950 is 1 M, not 1e+03 k.
    size, unit = next((size, unit) for size, unit in _UNITS if abs(float(f"{count:.3g}")) >= size)
    return f"{float(f'{count / size:.3g}'):g} {unit}"


def exact(count: float | None) -> str:
    """With all its digits, for titles."""
    return "unknown" if count is None else f"{count:,.0f}"


def duration(seconds: float | None) -> str:
    """`35 ms`, `1.3 s`, `4 min`, `3 h`, `2 days`; a dash for none."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    for limit, size, unit in ((120, 1, "s"), (7_200, 60, "min"), (172_800, 3_600, "h")):
        if seconds < limit:
            return f"{seconds / size:.2g} {unit}" if seconds / size < 10 else f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"


def moment(ms: int | None) -> str:
    """A time to the millisecond, UTC, for `<time datetime>`; the browser shows it in its own zone."""
    return "" if ms is None else datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")


def clock(ms: int | None) -> str:
    """`14:03:20`, UTC: what is read where no script runs."""
    return "" if ms is None else datetime.fromtimestamp(ms / 1000, UTC).strftime("%H:%M:%S")


def at(time: datetime, daily: bool = False) -> str:
    """`27 Nov 14:03`, UTC; the day alone where it is about days."""
    return time.astimezone(UTC).strftime("%-d %b" if daily else "%-d %b %H:%M")


def share(part: float, whole: float) -> str:
    """`99.98 %`; a dash where there is nothing to be part of."""
    if not whole:
        return "–"
    percent = 100 * part / whole
    return f"{percent:.0f} %" if percent in (0, 100) else f"{round(min(max(percent, 0.01), 99.99), 2):g} %"


def payload(value: Any) -> str:
    """JSON data as indented text, all of it visible, at most 64 KiB."""
    text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    if len(text) <= LONGEST_BODY:
        return visible(text)
    return visible(text[:LONGEST_BODY]) + f"\n… {len(text):,} characters in all"
