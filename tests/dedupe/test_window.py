"""The window's promises, kept alike by the store on RocksDB and the one in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.dedupe.window import MARGIN_MS
from router.dedupe.window_memory import MemoryWindow
from router.dedupe.window_rocksdb import RocksWindow
from tests.dedupe.windows import DAY, HOUR, MARK, NOON, first_times, key, keys, open_window, rows_of

AnyWindow = RocksWindow | MemoryWindow
Make = Callable[[], AnyWindow]


@pytest.fixture(params=["rocksdb", "memory"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Opens the store; twice is a restart, which the one in memory does not survive."""
    return lambda: open_window(tmp_path) if request.param == "rocksdb" else MemoryWindow(DAY)


def test_an_id_is_known_from_its_first_write_on(make: Make) -> None:
    window = make()
    assert first_times(window.first_seen(keys("a", 3), NOON)) == [None, None, None]
    window.write(rows_of([(key(("a", 1)), NOON, MARK)]), {0: 1})
    assert first_times(window.first_seen(keys("a", 3), NOON + 1)) == [None, NOON, None]
    assert first_times(window.first_seen([], NOON)) == []


def test_the_newest_first_time_is_told(make: Make) -> None:
    """An id that came again past the window starts a new one."""
    window = make()
    window.write(rows_of([(key("a"), NOON, MARK)]), {0: 1})
    window.write(rows_of([(key("a"), NOON + DAY + HOUR, MARK)]), {0: 2})
    assert first_times(window.first_seen([key("a")], NOON + DAY + 2 * HOUR)) == [NOON + DAY + HOUR]


def test_a_time_is_exact_to_the_millisecond_in_every_family(make: Make) -> None:
    window = make()
    times = [NOON + hour * HOUR + offset for hour in range(-30, 30, 6) for offset in (-1, 0, 1)]
    window.write(rows_of([(key(at), at, MARK) for at in times]), {0: 1})
    assert first_times(window.first_seen([key(at) for at in times], NOON - 30 * HOUR)) == times


def test_a_mark_comes_back_and_a_row_of_an_older_version_has_none(make: Make) -> None:
    """Older rows are of the time alone; they stay readable beside newer ones."""
    window = make()
    window.write(rows_of([(key("new"), NOON, b"\xff\0"), (key("old"), NOON + 1, b"")]), {0: 1})
    window.write(rows_of([(key("other half"), NOON - 1, b"\0\1")]), {0: 2})
    assert window.first_seen([key("new"), key("old"), key("other half")], NOON) == [
        (NOON, b"\xff\0"), (NOON + 1, b""), (NOON - 1, b"\0\1"),
    ]  # fmt: skip
    assert {mark for _, _, mark in window.rows()} == {b"\xff\0", b"", b"\0\1"}


@pytest.mark.parametrize("at", [NOON, NOON + 1, NOON + DAY // 2 - 1])
def test_an_id_is_known_a_whole_window_later_wherever_its_half_began(make: Make, at: int) -> None:
    window = make()
    window.write(rows_of([(key("a"), at, MARK)]), {0: 1})
    assert first_times(window.first_seen([key("a")], at + DAY)) == [at]


def test_a_write_in_two_halves_of_the_window_is_found_in_both(make: Make) -> None:
    window = make()
    window.write(rows_of([(key(n), NOON - 1 + n % 2, MARK) for n in range(100)]), {0: 1})
    assert first_times(window.first_seen([key(n) for n in range(100)], NOON)) == [NOON - 1 + n % 2 for n in range(100)]


def test_ids_are_known_for_a_whole_window_and_then_dropped(make: Make) -> None:
    window = make()
    window.write(rows_of([(key("old"), NOON - 1, MARK), (key("new"), NOON, MARK)]), {0: 1})
    window.advance(NOON + DAY, {0})
    assert first_times(window.first_seen([key("old"), key("new")], NOON)) == [NOON - 1, NOON]
    window.advance(NOON + DAY + MARGIN_MS, {0})
    assert first_times(window.first_seen([key("old"), key("new")], NOON)) == [None, NOON]
    window.write(rows_of([(key("old"), NOON + DAY, MARK)]), {0: 2})
    assert first_times(window.first_seen([key("old")], NOON + DAY)) == [NOON + DAY]


def test_of_rows_of_one_write_the_last_one_of_a_key_stays(make: Make) -> None:
    """A restore may read an id twice: with at_least_once its batch may have been written twice."""
    window = make()
    window.write(rows_of([(key(n % 50), NOON + n, MARK) for n in range(100)]), {0: 1})
    assert first_times(window.first_seen([key(n) for n in range(50)], NOON)) == [NOON + n for n in range(50, 100)]


def test_a_checkpoint_is_the_last_one_written(make: Make) -> None:
    window = make()
    assert window.checkpoint(3) is None
    window.write(rows_of([]), {3: 7, 11: 5})
    window.write(rows_of([(key("a"), NOON, MARK)]), {3: 8})
    assert (window.checkpoint(3), window.checkpoint(11), window.checkpoint(0)) == (8, 5, None)


def test_partitions_that_went_elsewhere_are_restored_anew_once_ids_were_dropped(make: Make) -> None:
    """One that lags behind the watermark of the others would miss the dropped rows when it comes back."""
    window = make()
    window.write(rows_of([(key("p"), NOON, MARK)]), {0: 5, 1: 9})
    window.advance(NOON + HOUR, {0})
    assert window.checkpoint(1) == 9
    window.advance(NOON + 3 * DAY, {0})
    assert (window.checkpoint(0), window.checkpoint(1)) == (5, None)


def test_a_reset_forgets_everything(make: Make) -> None:
    window = make()
    window.write(rows_of([(key("a"), NOON, MARK)]), {0: 5})
    window.reset("by hand")
    assert first_times(window.first_seen([key("a")], NOON)) == [None]
    assert window.checkpoint(0) is None
    window.write(rows_of([(key("b"), NOON, MARK)]), {0: 1})
    assert list(window.rows()) == [(key("b"), NOON, MARK)]


def test_to_close_it_twice_is_to_close_it_once(make: Make) -> None:
    window = make()
    window.write(rows_of([(key("a"), NOON, MARK)]), {0: 5})
    window.close()
    window.close()


names = st.integers(0, 12)
hours = st.integers(-60, 60)
steps = st.one_of(
    st.tuples(st.just("write"), st.lists(st.tuples(names, hours), max_size=8)),
    st.tuples(st.just("look"), st.lists(names, max_size=8)),
    st.tuples(st.just("advance"), hours),
    st.tuples(st.just("restart"), st.none()),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(steps, max_size=20))
def test_both_stores_give_the_same_answers_whatever_happens(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[str, object]]
) -> None:
    folder = tmp_path_factory.mktemp("window")
    stored: AnyWindow = open_window(folder)
    model = MemoryWindow(DAY)
    everything = [key(n) for n in range(13)]
    for number, (step, value) in enumerate(history):
        if step == "write":
            assert isinstance(value, list)
            rows = [(key(n), NOON + hour * HOUR, MARK) for n, hour in value]
            for window in (stored, model):
                window.write(rows_of(rows), {0: number})
        elif step == "look":
            assert isinstance(value, list)
            asked = [key(n) for n in value]
            assert stored.first_seen(asked, NOON - 60 * HOUR) == model.first_seen(asked, NOON - 60 * HOUR)
        elif step == "advance":
            assert isinstance(value, int)
            for window in (stored, model):
                window.advance(NOON + value * HOUR, {0})
        else:
            stored.close()
            stored = open_window(folder)
        assert stored.checkpoint(0) == model.checkpoint(0)
    assert list(stored.rows()) == list(model.rows())
    assert stored.first_seen(everything, NOON - 60 * HOUR) == model.first_seen(everything, NOON - 60 * HOUR)
    stored.close()
