"""Times: what clients write is read to the millisecond, and written in one form."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events.times import canonical, is_canonical, iso, milliseconds

TEN = "2026-01-01T10:00:00.000Z"
NEW_YEAR = "2026-01-01T00:00:00.000Z"
SPELLINGS = {
    "2026-01-01T10:00:00Z": TEN,
    "2026-01-01t10:00:00z": TEN,
    "2026-01-01T15:00:00+05:00": TEN,
    "2026-01-01T15:30:00+0530": TEN,
    "2026-01-01T12:00:00+02": TEN,
    "2026-01-01 10:00:00": TEN,
    "2026-01-01 10:00": TEN,
    "2026-01-01T10:00:00": TEN,
    "2026-01-01 10:00:00 UTC": TEN,
    "2026-01-01 10:00:00 GMT": TEN,
    "2026-01-01T10:00:00UTC": TEN,
    "2026-01-01 12:00:00 +0200": TEN,
    "2026-01-01T11:00:00.000+01:00[Europe/Berlin]": TEN,
    "2026/01/01 10:00:00": TEN,
    "2026-1-1 10:00:00": TEN,
    "20260101T100000Z": TEN,
    "20260101100000": TEN,
    " 2026-01-01T10:00:00Z\n": TEN,
    "2026-01-01T10:00:00,5Z": "2026-01-01T10:00:00.500Z",
    "2026-01-01T10:00:00.123456789Z": "2026-01-01T10:00:00.123Z",
    "2026-01-01T10:00:00+00:00Z": TEN,
    "2026-01-01T12:00:00.000+02:00Z": TEN,
    "2026-01-01 11:00:00 +0100 CET": TEN,
    "2026-01-01 10:00:00.000000001 +0000 UTC m=+0.012345678": TEN,
    "2026-01-01T10:00:00.000 AMZ": TEN,
    "2026-01-01T3:45:13.455 PMZ": "2026-01-01T15:45:13.455Z",
    "2026-01-01 12:00:00 am": NEW_YEAR,
    "2026-01-01 12:30 PM": "2026-01-01T12:30:00.000Z",
    "2025-12-31T24:00:00Z": NEW_YEAR,
    "2025-12-31T23:59:60Z": NEW_YEAR,
    "2025-12-31T23:59:60.5+00:00": "2026-01-01T00:00:00.500Z",
    "20260101": NEW_YEAR,
    "2026-01-01": NEW_YEAR,
    "Thu, 01 Jan 2026 11:00:00 +0100": TEN,
    "Thu, 1 Jan 2026 10:00:00 GMT": TEN,
    "1 Jan 2026 10:00:00 GMT": TEN,
    "Thu Jan 01 2026 11:00:00 GMT+0100 (Central European Standard Time)": TEN,
    "Thu Jan  1 10:00:00 2026": TEN,
    1_767_225_600: NEW_YEAR,
    1_767_225_600.5: "2026-01-01T00:00:00.500Z",
    1_767_225_600_123: "2026-01-01T00:00:00.123Z",
    1_767_225_600_123_456: "2026-01-01T00:00:00.123Z",
    1_767_225_600_123_456_789: "2026-01-01T00:00:00.123Z",
    "1767225600": NEW_YEAR,
    "1767225600.5": "2026-01-01T00:00:00.500Z",
    "1767225600123": "2026-01-01T00:00:00.123Z",
    "1767225600123456": "2026-01-01T00:00:00.123Z",
}
UNREADABLE: tuple[Any, ...] = (
    *("", "yesterday", "2026-13-01", "2026-02-30", "12345678", "10:00", "2026", "x" * 1000, "0000-00-00 00:00:00"),
    *(
        0,
        -5,
        17,
        1e300,
        10**40,
        True,
        None,
        [],
        {},
        ["2026-01-01"],
        "2026-01-01T25:00:00Z",
        "2026-01-01T24:00:01Z",
        "Jan",
        "NaN",
    ),
)


@pytest.mark.parametrize(("written", "read"), SPELLINGS.items(), ids=map(str, SPELLINGS))
def test_every_spelling_is_read(written: Any, read: str) -> None:
    assert canonical(str(written)) in ("", read)
    moment = milliseconds(written)

    assert moment is not None
    assert iso(moment) == read


@pytest.mark.parametrize("value", UNREADABLE, ids=lambda value: str(value)[:20])
def test_what_is_not_a_time_is_none(value: Any) -> None:
    assert milliseconds(value) is None


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_times_round_trip(ms: int) -> None:
    """Milliseconds survive the text, and the text is canonical."""
    assert milliseconds(iso(ms)) == ms
    assert is_canonical(iso(ms))
    assert canonical(iso(ms)) == iso(ms)
    assert canonical(iso(ms)[:19] + "Z") == iso(ms // 1000 * 1000)


@given(st.integers(100_000_000, 7_258_118_400))
def test_the_units_of_numbers_agree(seconds: int) -> None:
    """Seconds, milliseconds and microseconds of the same moment are the same time."""
    times = (seconds, str(seconds), seconds * 1000, str(seconds * 1000), seconds * 1_000_000, float(seconds))

    assert {milliseconds(time) for time in times} == {seconds * 1000}


@pytest.mark.parametrize(
    "text",
    [
        *(
            "2026-W01-1T10:00:00.000Z",
            "2026-01-01 10:00:00.000Z",
            "2026-01-01T10:00:00,000Z",
            "2026-13-01T10:00:00.000Z",
        ),
        *(
            "2026-01-01T10:00:00+0000",
            "2026-01-01T10:00:00.0+00",
            "20260101T100000.0000000Z",
            "2026-01-01T10:00:00.000z",
        ),
        *("", "2026-01-01T10:00:00Z", "٢٠٢٦-01-01T10:00:00.000Z"),
    ],
)
def test_any_other_spelling_is_not_canonical(text: str) -> None:
    assert not is_canonical(text)
    assert canonical(text) in ("", iso(milliseconds(text) or 0))


@given(st.text() | st.text(alphabet="0123456789-:.TZ+ UTCGMJanThu,()[]/", max_size=40))
def test_any_text_is_a_time_or_none(text: str) -> None:
    moment = milliseconds(text)

    assert moment is None or type(moment) is int
    assert not is_canonical(text) or iso(moment or 0) == text
    assert canonical(text) in ("", moment is not None and iso(moment))
