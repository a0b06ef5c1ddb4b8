"""Every topic: its name, key, partitions and settings. Nothing else spells a topic name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

DAY_MS = 86_400_000
DEFAULT_PARTITIONS = 3  # each one that a small transaction writes to costs 0.45 ms: ops/decisions/0023-latency.md
_DEVICE = "anonymousId, else userId"
_PROFILE = "profileId"


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it should be. `config` holds Kafka topic settings; `partitions` is exact; `key` tells it in words.

    `replication` counts only when the topic is made; -1 is the broker's default.
    """

    name: str
    partitions: int
    config: Mapping[str, str] = field(default_factory=dict)
    key: str = ""
    replication: int = -1


# One for the whole cluster, whatever the prefix; see router.kafka.owners.
REGISTRY = TopicSpec(
    "event-router.owners", 1, {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}, "topic"
)


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics and groups of one topology. `prefix` stands before each: several topologies can share a cluster.

    Keys: raw by device (`anonymousId`, else `userId`), resolved and dest by `profileId`, blocked and invalid as they
    came, changelog none (a record belongs to its partition), links none (one partition), redrives and control by
    destination, replays and imports by their id, pulls by row, audit by who acted.

    `destination_partitions` are those of a destination's topics; 0 for as many as all others have.
    """

    name: str
    prefix: str = ""
    partitions: int = DEFAULT_PARTITIONS
    destination_partitions: int = 0
    retention_ms: int = 7 * DAY_MS
    raw_retention_ms: int = 7 * DAY_MS
    window_ms: int = DAY_MS
    replication: int = -1

    @property
    def raw(self) -> str:
        return f"{self.prefix}events.raw"

    @property
    def keyed(self) -> str:
        return f"{self.prefix}events.keyed"

    @property
    def resolved(self) -> str:
        return f"{self.prefix}events.resolved"

    @property
    def blocked(self) -> str:
        return f"{self.prefix}events.blocked"

    @property
    def invalid(self) -> str:
        return f"{self.prefix}events.invalid"

    @property
    def violations(self) -> str:
        return f"{self.prefix}events.violations"

    @property
    def links(self) -> str:
        return f"{self.prefix}identity.links"

    @property
    def merges(self) -> str:
        return f"{self.prefix}identity.merges"

    @property
    def delivery_log(self) -> str:
        return f"{self.prefix}delivery.log"

    @property
    def dedupe_changelog(self) -> str:
        return f"{self._own}.dedupe-changelog"

    def destination(self, destination: str) -> str:
        return f"{self.prefix}dest.{destination}"

    def retry(self, destination: str) -> str:
        return f"{self.prefix}dest.{destination}.retry"

    def dead(self, destination: str) -> str:
        return f"{self.prefix}dest.{destination}.dead"

    @property
    def control(self) -> str:
        return f"{self._own}.control"

    @property
    def audit(self) -> str:
        return f"{self._own}.audit"

    def caps(self, destination: str) -> str:
        return f"{self.prefix}dest.{destination}.caps"

    @property
    def redrives(self) -> str:
        return f"{self._own}.redrives"

    @property
    def redrive_transactions(self) -> str:
        """The transactional id of redrives: there is one at a time."""
        return f"{self._own}.redrive"

    @property
    def replays(self) -> str:
        return f"{self._own}.replays"

    @property
    def replay_starts(self) -> str:
        """The transactional id under which replays begin, one after the other."""
        return f"{self._own}.replays"

    def replay_transactions(self, replay: str) -> str:
        """The transactional id of one replay, whoever runs it."""
        return f"{self._own}.replay.{replay}"

    @property
    def imports(self) -> str:
        return f"{self._own}.imports"

    def import_transactions(self, import_id: str) -> str:
        """The transactional id of one import, whoever runs it."""
        return f"{self._own}.import.{import_id}"

    @property
    def pulls(self) -> str:
        return f"{self._own}.pulls"

    def pull_transactions(self, source: str) -> str:
        """The transactional id of the pulls of a source: there is one at a time."""
        return f"{self._own}.pull.{source}"

    @property
    def route_group(self) -> str:
        return f"{self._own}.route"

    @property
    def merges_group(self) -> str:
        return f"{self._own}.merges"

    def deliver_group(self, destination: str) -> str:
        return f"{self._own}.deliver.{destination}"

    def insights_group(self, process: str) -> str:
        """A group of its own for each process that counts: it reads all of it."""
        return f"{self._own}.insights.{process[:8]}"

    @property
    def _own(self) -> str:
        return f"{self.prefix}{self.name}"

    def specs(
        self,
        destinations: Iterable[str],
        source_topics: Iterable[str] = (),
        capped: Mapping[str, int] | None = None,
        found: Mapping[str, int] | None = None,
    ) -> list[TopicSpec]:
        """All topics of the topology, in the order they are created. `capped`: destination to its cap's time in ms.

        Where `found` (the cluster's topics, with their partitions) has a destination's topic, all topics of that
        destination have as many partitions: an event keeps its partition from one to the other.
        """
        kept = {"cleanup.policy": "delete", "retention.ms": str(self.retention_ms)}
        raw = {
            "cleanup.policy": "delete",
            "retention.ms": str(self.raw_retention_ms),
            "message.timestamp.type": "LogAppendTime",
        }
        changelog = {"cleanup.policy": "delete", "retention.ms": str(self.window_ms + self.raw_retention_ms)}
        for_ever = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
        links = {**for_ever, "message.timestamp.type": "LogAppendTime"}
        n = self.partitions
        specs = [TopicSpec(name, n, raw, _DEVICE) for name in (self.raw, *source_topics)]
        specs += [TopicSpec(self.keyed, n, raw | {"message.timestamp.type": "CreateTime"}, _DEVICE)]
        specs += [TopicSpec(self.resolved, n, kept, _PROFILE)]
        specs += [TopicSpec(name, n, kept, "as the event came") for name in (self.blocked, self.invalid)]
        specs += [TopicSpec(self.violations, n, kept, "as the event came")]
        specs += [TopicSpec(self.dedupe_changelog, n, changelog, "none")]
        specs += [TopicSpec(self.links, 1, links, "none"), TopicSpec(self.merges, 1, for_ever, _PROFILE)]
        specs += [TopicSpec(self.delivery_log, n, kept, "none")]
        specs += [TopicSpec(self.redrives, 1, for_ever, "destination")]
        specs += [TopicSpec(self.control, 1, {"cleanup.policy": "compact"}, "destination")]
        specs += [TopicSpec(self.replays, 1, {"cleanup.policy": "compact"}, "replay")]
        specs += [TopicSpec(self.audit, 1, for_ever, "who acted")]
        specs += [TopicSpec(self.imports, 1, {"cleanup.policy": "compact"}, "import")]
        specs += [TopicSpec(self.pulls, 1, {"cleanup.policy": "compact"}, "source and row")]
        counts: dict[str, int] = {}
        for destination in destinations:
            topic = self.destination(destination)
            n = counts[destination] = (found or {}).get(topic) or self.destination_partitions or self.partitions
            names = (topic, self.retry(destination), self.dead(destination))
            specs += [TopicSpec(name, n, kept, _PROFILE) for name in names]
        for destination, within_ms in (capped or {}).items():
            settings = {"cleanup.policy": "compact,delete", "retention.ms": str(within_ms + DAY_MS)}
            specs += [TopicSpec(self.caps(destination), counts[destination], settings, _PROFILE)]
        return [replace(spec, replication=self.replication) for spec in specs]
