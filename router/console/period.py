"""The time that a page is about: one of a list, or from and to. It is in the URL, so a link shows the same. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlencode

from router.errors import UsageError
from router.events.times import iso, milliseconds

_MINUTE, _HOUR, _DAY = 60_000, 3_600_000, 86_400_000
PERIODS: Mapping[str, tuple[str, int]] = {
    "15m": ("15 min", 15 * _MINUTE),
    "1h": ("1 h", _HOUR),
    "24h": ("24 h", _DAY),
    "7d": ("7 days", 7 * _DAY),
    "30d": ("30 days", 30 * _DAY),
    "395d": ("13 months", 395 * _DAY),
}
_KEPT = ((_MINUTE, _DAY), (_HOUR, 14 * _DAY))  # windows of insights, and how far back it has them
_BEFORE: Mapping[str, str] = {
    "15m": "in the 15 minutes before", "1h": "in the hour before", "24h": "in the 24 hours before",
    "7d": "in the 7 days before", "30d": "in the 30 days before",
}  # fmt: skip
_LAST: Mapping[str, str] = {"15m": "15 minutes", "1h": "hour", "24h": "24 hours"}  # in a sentence, "last hour"
USUAL = "1h"
LONGEST = 395 * _DAY


class PeriodChoice(NamedTuple):
    """A link of the picker."""

    href: str
    words: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class ChosenPeriod:
    """`last` is a key of PERIODS, empty where `start` and `end` were given; both in ms since 1970.

    `keep` is what else the page's address says, such as its tab: every link of the picker keeps it.
    """

    last: str
    start: int
    end: int
    now: int
    keep: Mapping[str, str] = field(default_factory=dict)

    @property
    def question(self) -> dict[str, str]:
        """As insights is asked."""
        if self.last:
            return {"since": self.last, "until": "now"}
        return {"since": iso(self.start), "until": iso(self.end)}

    @property
    def question_before(self) -> dict[str, str]:
        """The same of the time before it, as long; empty where counts do not reach back so far.

        It begins and ends with windows that are kept of it, so that nothing of this time is counted in it.
        """
        since = self.start - (self.end - self.start)
        if since < self.now - LONGEST:
            return {}
        unit = next((unit for unit, back in _KEPT if since - unit >= self.now - back), _DAY)
        return {"since": iso(since - since % unit), "until": iso(self.start - self.start % unit)}

    @property
    def words_before(self) -> str:
        """What that time is called, as in "120 in the hour before"."""
        return _BEFORE.get(self.last, "in the time before, as long")

    @property
    def words(self) -> str:
        if self.last:
            return f"last {_LAST.get(self.last, PERIODS[self.last][0])}"
        return f"{iso(self.start)[:16].replace('T', ' ')} to {iso(self.end)[:16].replace('T', ' ')} UTC"

    @property
    def heading(self) -> str:
        """As a sentence begins with it."""
        return self.words[0].upper() + self.words[1:]

    @property
    def suffix(self) -> str:
        """For a link to another page that shows the same time; empty for what is usual."""
        return "" if self.last == USUAL else f"?{urlencode(self._own)}"

    @property
    def choices(self) -> list[PeriodChoice]:
        return [PeriodChoice(self._href({"last": key}), words, key == self.last) for key, (words, _) in PERIODS.items()]

    @property
    def earlier(self) -> str:
        """The time before this one, as long."""
        return self._moved(-(self.end - self.start))

    @property
    def later(self) -> str:
        """The time after it; empty where that has not begun."""
        if self.last:
            return ""
        length = self.end - self.start
        if self.end + length < self.now - max(_MINUTE, length // 60):  # what has just ended goes on until now
            return self._moved(length)
        same = [key for key, (_, ms) in PERIODS.items() if ms == length]
        return self._href({"last": same[0] if same else USUAL})

    def tab(self, name: str) -> str:
        """The same time of another tab."""
        return f"?{urlencode({'tab': name} | ({} if self.last == USUAL else self._own))}"

    @property
    def _own(self) -> dict[str, str]:
        return {"last": self.last} if self.last else {"from": iso(self.start), "to": iso(self.end)}

    def _moved(self, ms: int) -> str:
        return self._href({"from": iso(self.start + ms), "to": iso(self.end + ms)})

    def _href(self, own: Mapping[str, str]) -> str:
        return f"?{urlencode({**self.keep, **own})}"


def chosen_period(query: Mapping[str, str], now: int, keep: Mapping[str, str] | None = None) -> ChosenPeriod:
    """What an address asks for; `now` in ms since 1970. Raises UsageError for times that are none."""
    kept = dict(keep or {})
    if "from" not in query and "to" not in query:
        last = query.get("last") or USUAL
        if last not in PERIODS:
            raise UsageError(f"last: expected one of {', '.join(PERIODS)}, got {last[:40]!r}")
        return ChosenPeriod(last, now - PERIODS[last][1], now, now, kept)
    start, end = (_time(query, name) for name in ("from", "to"))
    if not start < end:
        raise UsageError(f"expected from before to, got {query['from'][:40]!r} and {query['to'][:40]!r}")
    if end - start > LONGEST:
        raise UsageError(f"expected at most {PERIODS['395d'][0]} from from to to, got {(end - start) // _DAY:,} days")
    return ChosenPeriod("", start, end, now, kept)


def _time(query: Mapping[str, str], name: str) -> int:
    found = milliseconds(query.get(name, ""))
    if found is None:
        raise UsageError(f"{name}: expected a time such as 2026-01-31T12:00Z, got {query.get(name, '')[:40]!r}")
    return found
