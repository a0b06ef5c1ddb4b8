"""Which dead letters have been redriven: a log of its own, since Kafka forgets the offsets of groups without members.

A record is JSON: `time`, `destination`, `topic_id` (a topic that is made anew begins its offsets again), `partition`
and the `offsets` of the letters. It is kept for ever: a letter may outlive its retention by that of a whole segment.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice

import orjson
from confluent_kafka import Message

from router.errors import RouterError
from router.events.records import Record
from router.events.topics import Topics
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.kafka.span import span
from router.replay.dead_letters import DeadLetter, Place, ends, letters

MOST_COUNTED = 10_000


class RedriveLog:
    """The log of a topology. `topic_ids` are those of the dead letters' topics now, by destination."""

    def __init__(self, cluster: Cluster, topic: str, dead_topics: Mapping[str, str]) -> None:
        self._cluster = cluster
        self._topic = topic
        found = Admin(cluster).topic_ids(dead_topics.values())
        self._topic_ids = {name: found.get(dead, "") for name, dead in dead_topics.items()}

    def read(self) -> Container[Place]:
        """Letters that have been redriven. Raises RouterError for a record that no router wrote."""
        places: set[Place] = set()
        for number, at in ends(Admin(self._cluster), self._topic).items():
            for messages in span(self._cluster, self._topic, number, at.low, at.high):
                for message in messages:
                    places.update(self._places(message))
        return places

    def _places(self, message: Message) -> list[Place]:
        try:
            record = orjson.loads(message.value() or b"")
            name, topic_id, partition = record["destination"], record["topic_id"], int(record["partition"])
            offsets = list(map(int, record["offsets"]))
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            place = f"{self._topic}:{message.partition()}:{message.offset()}"
            raise RouterError(f"{place}: expected a record of router dlq redrive, got {error!r}") from error
        return [(name, partition, offset) for offset in offsets] if topic_id == self._topic_ids.get(name) else []

    def records(self, letters: Sequence[DeadLetter]) -> list[Record]:
        """What to write together with these letters, one record for each partition."""
        offsets: dict[tuple[str, int], list[int]] = defaultdict(list)
        for letter in letters:
            offsets[letter.destination, letter.partition].append(letter.offset)
        return [self._record(*place, found) for place, found in offsets.items()]

    def _record(self, destination: str, partition: int, offsets: list[int]) -> Record:
        time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        value = {
            "time": time, "destination": destination, "topic_id": self._topic_ids[destination], "partition": partition,
            "offsets": offsets,
        }  # fmt: skip
        return self._topic, orjson.dumps(value), destination.encode(), None


def open_letters(cluster: Cluster, topics: Topics, destinations: Iterable[str]) -> dict[str, int]:
    """How many dead letters of each destination have not been redriven, up to MOST_COUNTED; without those of none.

    Raises RouterError.
    """
    dead = {name: topics.dead(name) for name in destinations}
    redriven = RedriveLog(cluster, topics.redrives, dead).read()
    counts = {}
    for name, topic in dead.items():
        found = letters(cluster, name, topic, ends(Admin(cluster), topic))
        counts[name] = sum(1 for _ in islice((one for one in found if one.place not in redriven), MOST_COUNTED))
    return {name: count for name, count in counts.items() if count}
