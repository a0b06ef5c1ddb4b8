"""Finds a person's events: an id names its profile, and the profile its partition of the clean stream.

Where merges have moved the profile, `identity.merges` says where to.
"""

from __future__ import annotations

from router.config.topics import input_topics
from router.events.event import device_key
from router.events.times import milliseconds
from router.identity import profile_id
from router.kafka.partitioner import partition_for
from router.trace.needles import identifiers, names_event, names_person
from router.trace.reading import TopicPart
from router.trace.records import Sighting, json_object, text_id
from router.trace.search import MARGIN_MS, EventSearch
from router.trace.wanted import Wanted


class PersonFinder:
    """By user id, anonymous id, profile id or e-mail address."""

    def __init__(self, search: EventSearch) -> None:
        self._search = search
        self._scanner = search.scanner
        self._asked = search.question
        self._topics = search.topics
        self._topology = search.topology
        self._found = search.found

    def find(self) -> bool:
        """Find events of a person. False: nobody has this id, as far as profiles and keys say."""
        profiles = (
            {self._asked.id}
            if self._asked.id.startswith("p_")
            else {profile_id(one) for one in identifiers(self._asked.id)}
        )
        self._by_keys(profiles, self._asked.id)
        if not self._found.resolved and (merged := self._merged(profiles)):
            self._by_keys(merged)
        self._search.collect(
            self._scanner.parts([self._topics.blocked, self._topics.invalid], self._asked.since, self._asked.until),
            self._search.holding([self._asked.id], names_person), "",
        )  # fmt: skip
        received = [*self._found.resolved, *self._found.blocked, *self._found.received]
        times: dict[str, int] = {}
        for one in received:
            for body in one.bodies:
                if one in self._found.resolved or names_person(body, self._asked.id):
                    times.setdefault(text_id(body.get("messageId")), milliseconds(body.get("receivedAt")) or one.time)
        times.pop("", None)
        self._search.ids = sorted(times, key=lambda name: times[name])[-self._asked.count :]
        self._first_messages()
        return bool(times or self._found.invalid)

    def _by_keys(self, profiles: set[str], device: str | None = None) -> None:
        """Clean events of these profiles, and messages whose key the device's id is, among all that were received.

        All in one search, so that clients and brokers have the more to do at once.
        """
        keys = {profile.encode() for profile in profiles}
        wanted = dict.fromkeys(self._search.clean(), keys)
        if device is not None:
            own_key = {device.encode("utf-8", "surrogatepass")}
            wanted |= dict.fromkeys(input_topics(self._topology), own_key)
        parts: list[TopicPart] = []
        for topic, own in wanted.items():
            count = self._scanner.topics.get(topic, 0)
            numbers = {partition_for(key, count) for key in own} if count else set()
            parts += self._scanner.parts([topic], self._asked.since, self._asked.until, numbers)
        all_keys = set().union(*wanted.values())
        self._search.collect(parts, Wanted(all_keys, exactly=lambda one: one.key in wanted[one.place.topic]), "")

    def _merged(self, profiles: set[str]) -> set[str]:
        """The profiles that these have become part of."""
        moves: dict[str, str] = {}

        def note(one: Sighting) -> None:
            record = json_object(one.value)
            if (old := str(record.get("from"))) in profiles:
                moves[old] = str(record.get("to"))

        known: set[str] = set()
        while profiles - known:
            known |= profiles
            olds = [profile.encode() for profile in profiles]
            parts = self._scanner.parts([self._topics.merges])
            self._scanner.scan(parts, Wanted(needles=olds), note)
            profiles = set(moves.values()) - known
        return known

    def _first_messages(self) -> None:
        """The messages that the chosen events came in, by their keys and times of receipt."""
        have = {text_id(body.get("messageId")) for one in self._found.received for body in one.bodies}
        bodies = {
            name: (body, milliseconds(body.get("receivedAt")) or one.time)
            for one in (*self._found.resolved, *self._found.blocked)
            for body in one.bodies
            if (name := text_id(body.get("messageId"))) in self._search.ids and name not in have
        }
        for topic in input_topics(self._topology):
            by_partition: dict[int, list[tuple[str, int]]] = {}
            count = self._scanner.topics.get(topic, 0)
            for name, (body, at) in bodies.items():
                if count and (key := device_key(body)):
                    by_partition.setdefault(partition_for(key, count), []).append((name, at))
            for number, events in by_partition.items():
                times = [at for _, at in events]
                parts = self._scanner.parts([topic], min(times) - MARGIN_MS, max(times) + MARGIN_MS, {number})
                self._search.collect(parts, self._search.holding([name for name, _ in events], names_event), "received")
