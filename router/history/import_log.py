"""The imports of a topology: the topic `<topology>.imports`, whose last record of each import is how far it has come.

An import is a file's bytes, a source and the destinations it is restricted to. Its record is written in one
transaction with the rows that it counts; the topic is compacted, by import.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from router.errors import RouterError
from router.events.records import Record
from router.history.opening import FileIdentity
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.kafka.span import span
from router.replay.dead_letters import ends


class ImportState(BaseModel):
    """`rows` were read, of which `sent` events are in Kafka and `bad` ones were reported. Times in ms since 1970.

    `digest` and `size` are of the file, `mapping` is the digest of the mapping file, empty without one.
    """

    model_config = ConfigDict(extra="forbid")

    id: str
    source: str
    file: str
    size: int
    digest: str
    only: list[str] = []
    mapping: str = ""
    status: Literal["running", "done"] = "running"
    rows: int = 0
    sent: int = 0
    bad: int = 0
    started: int
    updated: int


def import_id(file: FileIdentity, source: str, only: list[str]) -> str:
    """What an import is known by, from whatever folder it is begun."""
    text = "\0".join((file.digest, source, *sorted(only)))
    return blake2b(text.encode(), digest_size=10).hexdigest()


class ImportLog:
    """Reads the topic whole: it has one record for each import, and few more until it is compacted."""

    def __init__(self, cluster: Cluster, topic: str) -> None:
        self._cluster = cluster
        self._topic = topic

    def read(self) -> dict[str, ImportState]:
        """By id. Raises RouterError for a record of somebody else."""
        found: dict[str, ImportState] = {}
        for number, at in ends(Admin(self._cluster), self._topic).items():
            for messages in span(self._cluster, self._topic, number, at.low, at.high):
                for message in messages:
                    place = f"{self._topic}:{message.partition()}:{message.offset()}"
                    state = self._state(message.value() or b"", place)
                    found[state.id] = state
        return found

    def record(self, state: ImportState) -> Record:
        """What to write together with the events that the state counts."""
        return self._topic, state.model_dump_json().encode(), state.id.encode(), None

    @staticmethod
    def _state(value: bytes, place: str) -> ImportState:
        try:
            return ImportState.model_validate_json(value)
        except ValidationError as error:
            what = error.errors()[0]
            path = ".".join(map(str, what["loc"])) or "(root)"
            raise RouterError(f"{place}: {path}: expected a record of router import, got: {what['msg']}") from error
