"""A look at stores: of a worker that runs or has ended, as of its last flush; and what a comparison finds."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from router.identity import link
from router.state.inspect import WindowReader, replica_reader, slots, window_reader
from router.state.verify import Comparison, compare_states, compare_window
from router.state.window import MARGIN_MS
from tests.state.replicas import open_replica, record
from tests.state.windows import DAY, NOON, key, keys, open_window

STATES = st.dictionaries(st.binary(max_size=2), st.binary(max_size=1), max_size=6)


def _compared(path: Path, rows: list[tuple[bytes, int]]) -> Comparison:
    outcome = Comparison()
    with window_reader(path, DAY) as window:
        assert isinstance(window, WindowReader)
        compare_window(window, rows, outcome)
    return outcome


def test_slots_are_told_by_number_and_nothing_else_is_taken_for_one(tmp_path: Path) -> None:
    for name in ("route-10", "route-2", "deliver-0", "route-x", "verify-abc"):
        (tmp_path / name).mkdir()
    assert [slot.name for slot in slots(tmp_path)] == ["route-2", "route-10"]


def test_a_slot_without_stores_shows_none(tmp_path: Path) -> None:
    with window_reader(tmp_path, DAY) as window, replica_reader(tmp_path) as replica:
        assert (window, replica) == (None, None)


def test_a_window_is_shown_as_of_its_last_flush_while_its_worker_writes(tmp_path: Path) -> None:
    writer = open_window(tmp_path)
    writer.write([(k, NOON) for k in keys("flushed", 100)], {3: 7})
    writer.forget(9)  # flushes
    writer.write([(k, NOON) for k in keys("later", 100)], {3: 8})
    with window_reader(tmp_path, DAY) as window:
        assert window is not None
        assert window.view().checkpoints == {3: 7}
        assert window.view().families == {NOON: 100}
        assert window.times([(key(("flushed", 1)), NOON), (key(("later", 1)), NOON)]) == [NOON, None]
    writer.write([(key("after"), NOON)], {3: 9})
    assert writer.first_seen([key(("later", 1)), key("after")], NOON) == [NOON, NOON]
    writer.close()


def test_looking_changes_nothing_that_the_writer_relies_on(tmp_path: Path) -> None:
    writer = open_window(tmp_path)
    writer.write([(key("a"), NOON)], {0: 1})
    writer.close()
    before = sorted(path.name for path in (tmp_path / "window").iterdir())
    with window_reader(tmp_path, DAY):
        pass
    assert sorted(path.name for path in (tmp_path / "window").iterdir()) == before
    assert open_window(tmp_path).checkpoint(0) == 1


def test_rows_that_are_not_in_the_window_are_found_missing_or_different(tmp_path: Path) -> None:
    writer = open_window(tmp_path)
    writer.write([(key("a"), NOON), (key("b"), NOON + 5)], {0: 1})
    writer.close()
    assert _compared(tmp_path, [(key("a"), NOON), (key("b"), NOON + 5)]) == Comparison(checked=2)
    assert _compared(tmp_path, [(key("a"), NOON + 1), (key("c"), NOON)]) == Comparison(2, missing=1, different=1)


def test_rows_that_were_dropped_as_expired_are_not_missed(tmp_path: Path) -> None:
    writer = open_window(tmp_path)
    writer.write([(key("old"), NOON - DAY), (key("new"), NOON)], {0: 1})
    writer.advance(NOON + DAY // 2 + MARGIN_MS, {0})
    writer.close()
    outcome = _compared(tmp_path, [(key("old"), NOON - DAY), (key("new"), NOON)])
    assert outcome == Comparison(checked=1, expired=1)
    assert outcome.same


def test_a_replica_is_shown_with_its_position_and_the_same_log_gives_the_same_state(tmp_path: Path) -> None:
    facts = [link((("user_id", f"u{n}"), ("anonymous_id", f"a{n}"))) for n in range(20)]
    for folder in ("one", "two"):
        replica = open_replica(tmp_path / folder)
        for offset, fact in enumerate(facts):
            replica.apply_record(offset, 1000 + offset, record(fact))
        replica.prune_merges(5 if folder == "one" else 15)
        replica.close()
    with replica_reader(tmp_path / "one") as one, replica_reader(tmp_path / "two") as two:
        assert one is not None
        assert two is not None
        assert one.view().position == 20
        outcome = compare_states(one.state(), two.state())
    assert outcome.checked >= 40  # every identifier at least
    assert outcome.same


@given(STATES, STATES)
def test_two_states_are_compared_key_by_key(expected: dict[bytes, bytes], found: dict[bytes, bytes]) -> None:
    outcome = compare_states(iter(sorted(expected.items())), iter(sorted(found.items())))
    assert outcome.checked == len(expected)
    assert outcome.missing == len(expected.keys() - found.keys())
    assert outcome.extra == len(found.keys() - expected.keys())
    assert outcome.different == sum(expected[k] != found[k] for k in expected.keys() & found.keys())
    assert outcome.same == (expected == found)
