"""A look at a window: of a worker that runs or has ended, as of its last flush; and what a comparison finds."""

from __future__ import annotations

from pathlib import Path

from router.dedupe.inspect import WindowReader, compare_window, window_reader
from router.dedupe.window import MARGIN_MS, Row
from router.state.comparison import Comparison
from tests.dedupe.windows import DAY, MARK, NOON, first_times, key, keys, open_window, rows_of


def _compared(path: Path, rows: list[Row]) -> Comparison:
    outcome = Comparison()
    with window_reader(path, DAY) as window:
        assert isinstance(window, WindowReader)
        compare_window(window, rows, outcome)
    return outcome


def test_a_slot_without_a_window_shows_none(tmp_path: Path) -> None:
    with window_reader(tmp_path, DAY) as window:
        assert window is None


def test_a_window_is_shown_as_of_its_last_flush_while_its_worker_writes(tmp_path: Path) -> None:
    writer = open_window(tmp_path)
    writer.write(rows_of([(k, NOON, MARK) for k in keys("flushed", 100)]), {3: 7})
    writer.write(rows_of([(key("old"), NOON - 2 * DAY, MARK)]), {})
    writer.advance(NOON)  # drops the old row's family, which flushes
    writer.write(rows_of([(k, NOON, MARK) for k in keys("later", 100)]), {3: 8})
    with window_reader(tmp_path, DAY) as window:
        assert window is not None
        assert window.view().checkpoints == {3: 7}
        assert window.view().families == {NOON: 100}
        assert window.times([(key(("flushed", 1)), NOON, MARK), (key(("later", 1)), NOON, MARK)]) == [NOON, None]
    writer.write(rows_of([(key("after"), NOON, MARK)]), {3: 9})
    assert first_times(writer.first_seen([key(("later", 1)), key("after")], NOON)) == [NOON, NOON]
    writer.close()


def test_looking_changes_nothing_that_the_writer_relies_on(tmp_path: Path) -> None:
    writer = open_window(tmp_path)
    writer.write(rows_of([(key("a"), NOON, MARK)]), {0: 1})
    writer.close()
    before = sorted(path.name for path in (tmp_path / "window").iterdir())
    with window_reader(tmp_path, DAY):
        pass
    assert sorted(path.name for path in (tmp_path / "window").iterdir()) == before
    assert open_window(tmp_path).checkpoint(0) == 1


def test_rows_that_are_not_in_the_window_are_found_missing_or_different(tmp_path: Path) -> None:
    writer = open_window(tmp_path)
    writer.write(rows_of([(key("a"), NOON, MARK), (key("b"), NOON + 5, MARK)]), {0: 1})
    writer.close()
    assert _compared(tmp_path, [(key("a"), NOON, MARK), (key("b"), NOON + 5, MARK)]) == Comparison(checked=2)
    assert _compared(tmp_path, [(key("a"), NOON + 1, MARK), (key("c"), NOON, MARK)]) == Comparison(
        2, missing=1, different=1
    )


def test_rows_that_were_dropped_as_expired_are_not_missed(tmp_path: Path) -> None:
    writer = open_window(tmp_path)
    old, new = (key("old"), NOON - DAY // 2 - 1, MARK), (key("new"), NOON - DAY // 2, MARK)
    writer.write(rows_of([old, new]), {0: 1})
    writer.advance(NOON + DAY // 2 + MARGIN_MS, {0})
    writer.close()
    outcome = _compared(tmp_path, [old, new])
    assert outcome == Comparison(checked=1, expired=1)
    assert outcome.same
    assert _compared(tmp_path, [old, new, (key("lost"), new[1], MARK)]) == Comparison(checked=2, expired=1, missing=1)
