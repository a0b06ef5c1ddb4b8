"""Cumulative counts of a partition: they ride in the committed offset's metadata, so they are exact across kill -9."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import orjson

from router.agents.chain import Batch
from router.errors import RouterError
from router.kafka.offsets import SEAL

LIMIT = 4096  # bytes of metadata that a broker takes by default
_NAMES = ("received", "invalid", "blocked", "duplicate", "resolved")


@dataclass(slots=True)
class Totals:
    """Since the topology's first event. received = invalid + blocked + duplicate + resolved."""

    received: int = 0
    invalid: int = 0
    blocked: int = 0
    duplicate: int = 0
    resolved: int = 0
    routed: Counter[str] = field(default_factory=Counter)

    def add(self, batch: Batch, lane: int) -> None:
        """Add what a batch counted for a lane."""
        self.received += batch.received[lane]
        self.invalid += batch.invalid[lane]
        self.blocked += batch.blocked[lane]
        self.duplicate += batch.duplicate[lane]
        self.resolved += batch.resolved[lane]
        for (of_lane, destination), count in batch.routed.items():
            if of_lane == lane:
                self.routed[destination] += count

    def copy(self) -> Totals:
        return Totals(self.received, self.invalid, self.blocked, self.duplicate, self.resolved, Counter(self.routed))

    def encode(self, keep: Iterable[str] = ()) -> str:
        """Offset metadata. When it would be too long, destinations that are not in `keep` are left out."""
        text = self._text(self.routed)
        if len(text) > LIMIT:
            text = self._text({name: self.routed[name] for name in keep if name in self.routed})
        if len(text) > LIMIT:
            raise RouterError(
                f"the counts of {len(self.routed)} destinations do not fit {LIMIT} bytes of offset metadata"
            )
        return text

    def _text(self, routed: dict[str, int]) -> str:
        return orjson.dumps({"n": [getattr(self, name) for name in _NAMES], "routed": routed}).decode() + SEAL

    @classmethod
    def decode(cls, metadata: str | None) -> Totals:
        """Counts from metadata; an empty text is the start of all. Raises RouterError for what is not ours."""
        if not metadata:
            return cls()
        try:
            read = orjson.loads(metadata)
            counts = dict(zip(_NAMES, map(int, read["n"]), strict=True))
            return cls(**counts, routed=Counter({str(name): int(count) for name, count in read["routed"].items()}))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise RouterError(f"a committed offset carries metadata that is not the router's: {error}") from error
