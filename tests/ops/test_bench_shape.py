"""The bench of shaping measures what it says it does."""

from __future__ import annotations

from pathlib import Path

from ops.bench.shape import MAP, Bench, filters, rows


def test_every_row_has_a_figure() -> None:
    found = rows(3)

    first, *others = [title for title, _, _ in found]
    assert first == "the agents that shape, with nothing to do"
    assert others[:3] == ["1 filters", "10 filters", "100 filters"]
    assert len(found) == 7
    assert all(taken > 0 for _, taken, _ in found)


def test_the_events_of_the_bench_reach_the_destination(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 5, {}, {"filters": filters(100), "map": {"track": MAP}})

    batch = bench._pipeline.run(bench._messages, bench._lanes)

    assert batch.routed == {(0, "crm"): 5}
