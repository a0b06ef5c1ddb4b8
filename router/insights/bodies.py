"""What bodies of events say of who sent them and where: anonymousIds, users, domains; by source and day. Pure.

Read of the bodies of accepted and blocked events, each of them; 62 days are kept. Counts of events and domains are
exact; different ids and users are estimates by sketches; new ids are exact until so many are known that one of several
is looked at (`router.insights.known_ids`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import orjson

from router.insights.known_ids import KnownIds
from router.insights.people import PeopleTable
from router.insights.windows import DAY_MS, RECENT_DAYS, Chunk, CountTable

DOMAINS = 500
SOURCES = 200
LONGEST_HOST = 200
TOGETHER = 5000  # events that are added to the tables at one time
ANONYMOUS, USERS = "anonymousId", "userId"
_HOST = re.compile(r"[a-z][a-z0-9+.-]*://(?:[^/?#@]*@)?(\[[0-9a-f:.]*\]|[^/?#:\[\]]*)", re.IGNORECASE)


class BodyTables:
    """`began`: since when bodies are looked into, in ms since 1970."""

    def __init__(self, began: int) -> None:
        self.began = began
        self.counts = CountTable(
            ("events", "anonymous", "new_events", "new_ids", "new_ids_seen"), SOURCES, (RECENT_DAYS,)
        )
        self.domains = CountTable(("events",), DOMAINS, (RECENT_DAYS,))
        self.people = PeopleTable((RECENT_DAYS,))
        self.ids = KnownIds()
        self._events: Counter[tuple[str, int]] = Counter()  # by source and day: what `flush` adds to the tables
        self._anonymous: Counter[tuple[str, int, str]] = Counter()
        self._hosts: Counter[tuple[str, int, str]] = Counter()
        self._users: set[tuple[str, int, str]] = set()
        self._waiting = 0

    def take(self, source: str, raw: bytes, at: int, now: int) -> None:
        """Count an event's body at this time. Raises ValueError for what is no JSON object."""
        body = orjson.loads(raw)
        if not isinstance(body, dict):
            raise ValueError("expected a JSON object")
        of = source, min(at, now) // DAY_MS
        self._events[of] += 1
        user, anonymous, host = body.get("userId"), body.get("anonymousId"), host_of(body)
        if isinstance(user, str) and user:
            self._users.add((*of, user))
        if isinstance(anonymous, str) and anonymous:
            self._anonymous[*of, anonymous] += 1
        if host:
            self._hosts[*of, host] += 1
        self._waiting += 1
        if self._waiting >= TOGETHER:
            self.flush(now)

    def flush(self, now: int) -> None:
        """Add to the tables what was counted since the last time: together it costs a fifth of one by one."""
        sums = {of: Counter(events=number) for of, number in self._events.items()}
        for source, day, user in self._users:
            self._person(source, USERS, user, day, now)
        for (source, day, anonymous), number in self._anonymous.items():
            self._person(source, ANONYMOUS, anonymous, day, now)
            counts = sums[source, day]
            counts["anonymous"] += number
            seen = self.ids.see(anonymous, day)
            if seen is not None and seen.young:
                counts["new_events"] += seen.weight * number
                counts["new_ids"] += seen.weight * seen.new
                counts["new_ids_seen"] += seen.new
        for (source, day), counts in sums.items():
            self.counts.add((source,), counts, day * DAY_MS, now)
        for (source, day, host), number in self._hosts.items():
            self.domains.add((source, host), {"events": number}, day * DAY_MS, now)
        for waiting in (self._events, self._users, self._anonymous, self._hosts):
            waiting.clear()
        self._waiting = 0

    def _person(self, source: str, kind: str, one: str, day: int, now: int) -> None:
        self.people.add((source, kind), one.encode("utf-8", "surrogatepass"), day * DAY_MS, now)

    @property
    def size(self) -> int:
        """Bytes of memory, about."""
        return self.counts.size + self.domains.size + self.people.size + self.ids.size

    def seal(self, now: int) -> dict[str, list[Chunk]]:
        """What has changed since the last call: chunks by table."""
        self.flush(now)
        return {
            "bodies": self.counts.seal(now), "domains": self.domains.seal(now), "senders": self.people.seal(now),
            "known_ids": self.ids.seal(),
        }  # fmt: skip

    def load(self, chunks: Mapping[str, Mapping[str, bytes]]) -> None:
        """Become what was sealed."""
        self.counts.load(chunks.get("bodies", {}))
        self.domains.load(chunks.get("domains", {}))
        self.people.load(chunks.get("senders", {}))
        self.ids.load(chunks.get("known_ids", {}))


def host_of(body: Mapping[str, Any]) -> str:
    """The domain of the page that an event came from, of `context.page.url`, in lower case; empty where it has none."""
    context = body.get("context")
    page = context.get("page") if isinstance(context, dict) else None
    url = page.get("url") if isinstance(page, dict) else None
    found = _HOST.match(url) if isinstance(url, str) else None
    return found[1][:LONGEST_HOST].lower().replace("\0", "\ufffd") if found else ""
