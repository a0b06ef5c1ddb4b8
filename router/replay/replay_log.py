"""The replays of a topology: the topic `<topology>.replays`, whose last record of each id is the replay's state.

Kafka forgets the offsets of groups without members, so a replay that was stopped keeps its place here. The topic is
compacted, by id.
"""

from __future__ import annotations

from confluent_kafka import Message
from pydantic import ValidationError

from router.errors import RouterError
from router.events.records import Record
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.kafka.span import span
from router.replay.dead_letters import ends
from router.replay.replay_state import ReplayState


class ReplayLog:
    """Reads on from where it was: the states that it knows are those of the last `read`."""

    def __init__(self, cluster: Cluster, topic: str) -> None:
        self._cluster = cluster
        self._topic = topic
        self._next: dict[int, int] = {}
        self._states: dict[str, ReplayState] = {}

    def read(self) -> dict[str, ReplayState]:
        """The state of each replay by its id, the oldest first. Raises RouterError for a record of somebody else."""
        for number, at in ends(Admin(self._cluster), self._topic).items():
            start = max(self._next.get(number, 0), at.low)
            for messages in span(self._cluster, self._topic, number, start, at.high):
                for message in messages:
                    state = self._state(message)
                    self._states[state.id] = state
            self._next[number] = max(start, at.high)
        return dict(sorted(self._states.items(), key=lambda one: number_of(one[0])))

    def one(self, replay: str) -> ReplayState:
        """Raises RouterError where there is none of this id."""
        found = self.read()
        if replay not in found:
            there = ", ".join(list(found)[-5:]) or "none"
            raise RouterError(f"expected the id of a replay, got {replay}: there is {there}; see router replay list")
        return found[replay]

    def next_id(self) -> str:
        return f"r{1 + max(map(number_of, self.read()), default=0)}"

    def record(self, state: ReplayState) -> Record:
        """What to write together with the events that the state counts."""
        return self._topic, state.model_dump_json(by_alias=True).encode(), state.id.encode(), None

    def _state(self, message: Message) -> ReplayState:
        try:
            return ReplayState.model_validate_json(message.value() or b"")
        except ValidationError as error:
            place = f"{self._topic}:{message.partition()}:{message.offset()}"
            what = error.errors()[0]
            path = ".".join(map(str, what["loc"])) or "(root)"
            raise RouterError(f"{place}: {path}: expected a record of router replay, got: {what['msg']}") from error


def number_of(replay: str) -> int:
    """Of an id such as r7; 0 for another text."""
    digits = replay.removeprefix("r")
    return int(digits) if digits.isdecimal() else 0
