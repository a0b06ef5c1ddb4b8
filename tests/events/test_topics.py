"""How long each topic keeps what the guarantees need."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from router.events.topics import Topics

SPANS = st.integers(min_value=1, max_value=400 * 86_400_000)


@given(window_ms=SPANS, raw_ms=SPANS, other_ms=SPANS)
def test_the_changelog_keeps_an_id_as_long_as_a_repeat_of_it_can_be_read(
    window_ms: int, raw_ms: int, other_ms: int
) -> None:
    """A repeat may come a window after the first, and lie unread as long as raw events are kept."""
    topics = Topics("shop", retention_ms=other_ms, raw_retention_ms=raw_ms, window_ms=window_ms)
    kept = {spec.name: spec.config for spec in topics.specs(["crm"], ["other.topic"])}

    assert int(kept[topics.dedupe_changelog]["retention.ms"]) >= window_ms + raw_ms
    assert kept[topics.dedupe_changelog]["cleanup.policy"] == "delete"
    for name in (topics.raw, "other.topic"):
        assert int(kept[name]["retention.ms"]) == raw_ms
        assert kept[name]["message.timestamp.type"] == "LogAppendTime"
    for name in (topics.links, topics.merges):
        assert kept[name]["retention.ms"] == kept[name]["retention.bytes"] == "-1"
