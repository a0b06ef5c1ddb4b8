"""From a row to an event of the past. Pure.

`sentAt`, `receivedAt` and `profileId` are of the time when it came before, and are left out: with its old `sentAt` an
event of 2020 would be moved to today. `messageId` is made anew, so that it is not taken for a repeat: from the old one,
else from the file and the number of the row, the same whenever the row is read. `timestamp` stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

from router.agents.route import integrations_of
from router.events.event import Body
from router.events.times import milliseconds
from router.mapping.conversions import EXPECTED_TIME
from router.mapping.mapping import Mapping as RowMapping

STRIPPED = ("sentAt", "messageId", "receivedAt", "profileId")
_FOREIGN = ("writeKey", "projectId")  # of the sender's account elsewhere


class RowEvents:
    """`identity` is what the rows are known by, `keep` those of STRIPPED that stay, `only` names by destination.

    With a mapping the event is what that makes of the row, and what it names is kept.
    """

    def __init__(
        self,
        identity: str,
        mapping: RowMapping | None = None,
        *,
        keep: Iterable[str] = (),
        only: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self._mapping = mapping
        kept = set(keep)
        self._strip = tuple(name for name in STRIPPED if name not in kept and name != "messageId")
        self._new_id = "messageId" not in kept
        self._clock = "sentAt" in kept
        self._only = only or {}
        scope = "\0".join(sorted(self._only))
        self._by_row = blake2b(f"{identity}\0{scope}\0".encode(), digest_size=16)
        self._by_id = blake2b(f"id\0{scope}\0".encode(), digest_size=16)

    def event(self, number: int, row: Body) -> Body | str:
        """The event of a row, or what is wrong with it: the place and what was expected, never a value."""
        if self._mapping is None:
            event = row
            self._without_old(event)
        else:
            event, problems = self._mapping.apply(row)
            if problems:
                return problems[0]
            if "type" not in event and event.get("event"):
                event["type"] = "track"
        problem = self._time_problem(event)
        if problem:
            return problem
        if not event.get("messageId"):
            digest = self._by_row.copy()
            digest.update(b"%d" % number)
            event["messageId"] = "import-" + digest.hexdigest()
        if self._only:
            self._restrict(event)
        return event

    def _without_old(self, event: Body) -> None:
        for name in (*self._strip, *_FOREIGN):
            event.pop(name, None)
        if self._new_id and (old := event.pop("messageId", None)):
            digest = self._by_id.copy()
            digest.update(str(old).encode("utf-8", "surrogatepass"))
            event["messageId"] = "import-" + digest.hexdigest()
        if not self._clock and event.get("timestamp"):
            event.pop("originalTimestamp", None)  # by the sender's clock; `timestamp` is corrected already

    @staticmethod
    def _time_problem(event: Body) -> str:
        """What cannot be read would be taken for today."""
        name = "originalTimestamp" if event.get("originalTimestamp") else "timestamp"
        value = event.get(name)
        return "" if not value or milliseconds(value) is not None else f"{name}: {EXPECTED_TIME}"

    def _restrict(self, event: Body) -> None:
        """Nobody else gets it; a destination that the event switches off stays off: it may be somebody's consent."""
        said, _ = integrations_of(event)
        given = event.get("integrations")
        options: Mapping[str, Any] = given if isinstance(given, dict) else {}
        chosen: dict[str, Any] = {"All": False}
        for destination, names in self._only.items():
            on = next((said[name] for name in map(_folded, names) if name in said), said.get("all", True))
            own = next((options[name] for name in names if isinstance(options.get(name), dict)), True)
            chosen[destination] = own if on else False
        for place in (event.get("options"), event.get("context")):
            if isinstance(place, dict):
                place.pop("integrations", None)
        event["integrations"] = chosen


def _folded(name: str) -> str:
    return name.strip().casefold()
