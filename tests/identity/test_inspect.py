"""A look at an identity store: the same log gives the same state, whatever each worker has pruned."""

from __future__ import annotations

from pathlib import Path

from router.identity import link
from router.identity.inspect import replica_reader
from router.state.comparison import compare_states
from tests.identity.replicas import open_replica, record


def test_a_slot_without_a_store_shows_none(tmp_path: Path) -> None:
    with replica_reader(tmp_path) as replica:
        assert replica is None


def test_a_replica_is_shown_with_its_position_and_the_same_log_gives_the_same_state(tmp_path: Path) -> None:
    facts = [link((("user_id", f"u{n}"), ("anonymous_id", f"a{n}"))) for n in range(20)]
    for folder in ("one", "two"):
        replica = open_replica(tmp_path / folder)
        for offset, fact in enumerate(facts):
            replica.apply_record(offset, 1000 + offset, record(fact))
        replica.store.prune_merges(5 if folder == "one" else 15)
        replica.close()
    with replica_reader(tmp_path / "one") as one, replica_reader(tmp_path / "two") as two:
        assert one is not None
        assert two is not None
        assert one.view().position == 20
        outcome = compare_states(one.state(), two.state())
    assert outcome.checked >= 40  # every identifier at least
    assert outcome.same
