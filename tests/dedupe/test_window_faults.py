"""What may happen to the window's store: kill -9, damage, a stranger's log, a full disk. It lags, and never leads."""

from __future__ import annotations

import logging
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from router.config.models import LONGEST_WINDOW_DAYS
from router.dedupe import window_rocksdb as window_module
from router.dedupe.bloom import Bloom, Probe
from router.dedupe.window import MARGIN_MS
from router.dedupe.window_rocksdb import RocksWindow
from router.state import rocks
from router.state.rocks import StateError, size_of
from tests.dedupe.windows import (
    DAY,
    HOUR,
    MARK,
    NOON,
    asides,
    damage,
    first_times,
    key,
    keys,
    open_window,
    rows_of,
    tables,
)

BATCH = 200
WRITER = f"""
import sys
from pathlib import Path
from router.dedupe import window_rocksdb as window_module
from tests.dedupe.windows import HOUR, MARK, NOON, keys, open_window, rows_of
window_module.WRITE_BUFFER = 64 * 1024
window = open_window(Path(sys.argv[1]))
number = window.checkpoint(0) or 0
while True:
    rows = [(key, NOON + number % 3 * 12 * HOUR, MARK) for key in keys(number, {BATCH})]
    window.write(rows_of(rows), {{0: number + 1}})
    number += 1
    print(number, flush=True)
"""


def _fill(path: Path, batches: int = 40) -> None:
    window = open_window(path)
    for number in range(batches):
        window.write(rows_of([(k, NOON, MARK) for k in keys(number, 500)]), {0: number + 1})
    window.close()


def _killed_after(path: Path, batches: int) -> int:
    """Let the writer do some batches, kill it, and tell how many it had done for certain."""
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as child:
        assert child.stdout is not None
        written = [int(child.stdout.readline()) for _ in range(batches)]
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read()  # not by communicate(), which misses lines that readline() has read ahead
    return max([*written, *map(int, rest.split())])


def test_after_kill_9_the_checkpoint_vouches_for_every_row_before_it(tmp_path: Path) -> None:
    """Ten times: families and checkpoint are flushed together, so what the checkpoint covers is there."""
    chance = random.Random(7)
    reached = 0
    for _ in range(10):
        written = _killed_after(tmp_path, chance.randrange(20, 120))
        window = open_window(tmp_path)
        reached = window.checkpoint(0) or 0
        assert reached <= written + 1  # the last one may have been done and not yet told
        for number in range(reached):
            assert None not in window.first_seen(keys(number, BATCH), NOON), f"batch {number} of {reached}"
        window.close()
    assert reached > 0
    assert asides(tmp_path) == []


def test_a_clean_stop_leaves_nothing_to_restore(tmp_path: Path) -> None:
    _fill(tmp_path)
    window = open_window(tmp_path)
    assert window.checkpoint(0) == 40
    assert None not in window.first_seen(keys(39, 500), NOON)


def test_forgetting_a_checkpoint_survives_kill_9_and_leads_no_other(tmp_path: Path) -> None:
    """The flush that makes it durable takes the rows first: the other checkpoints vouch for them."""
    code = """
import os, sys
from pathlib import Path
from tests.dedupe.windows import DAY, MARK, NOON, keys, open_window, rows_of
window = open_window(Path(sys.argv[1]))
window.write(rows_of([(key, NOON, MARK) for key in keys("a", 300)]), {0: 1, 1: 1})
window.write(rows_of([(key, NOON - 2 * DAY, MARK) for key in keys("old", 3)]), {})
window.advance(NOON, {0})
os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == -signal.SIGKILL
    window = open_window(tmp_path)
    assert (window.checkpoint(0), window.checkpoint(1)) == (1, None)
    assert None not in window.first_seen(keys("a", 300), NOON)


def test_the_filter_is_filled_again_after_a_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until then RocksDB is asked; rows written meanwhile are known at once."""
    _fill(tmp_path)
    monkeypatch.setattr(window_module, "FILL_FACTOR", 1)
    window = open_window(tmp_path)
    for number in range(60):
        window.write(rows_of([(key(("new", number)), NOON, MARK)]), {})
        assert None not in window.first_seen(keys(number % 40, 500), NOON)
        assert first_times(window.first_seen([key(("new", number)), key("nobody")], NOON)) == [NOON, None]


def test_once_it_is_filled_the_filter_alone_answers_for_new_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every row is read once for it; from then on a new id costs no look-up on disk."""
    _fill(tmp_path, 4)
    read: list[bytes] = []
    asked: list[list[int]] = []

    def scan(db: Any) -> Iterator[tuple[bytes, bytes]]:
        for one, value in rocks.scan(db):
            read.append(one)
            yield one, value

    class Asked(Bloom):
        def perhaps(self, keys: Probe) -> list[int]:
            asked.append(super().perhaps(keys))
            return asked[-1]

    monkeypatch.setattr(window_module, "scan", scan)
    monkeypatch.setattr(window_module, "Bloom", Asked)
    window = open_window(tmp_path)
    for number in range(3):
        window.first_seen(keys(("new", number), 100), NOON)
    assert (len(read), asked) == (2000, [])
    window.first_seen(keys("none left", 1), NOON)  # finds that all are read

    assert window.first_seen(keys("new", 1), NOON) == [None]
    assert asked == [[]]
    assert sorted(read) == sorted(key((number, one)) for number in range(4) for one in range(500))


def test_what_is_on_disk_is_as_older_versions_wrote_it(tmp_path: Path) -> None:
    """In families of half a window; a row is four bytes of ms from its family's beginning, and the mark."""
    window = open_window(tmp_path)
    window.write(rows_of([(key("a"), NOON + 258, MARK)]), {3: 7, 11: 5})
    window.close()
    store: Any = rocks.open_to_read(tmp_path / "window", tmp_path)
    assert store.get_column_family(f"w{NOON // (DAY // 2)}").get(key("a")) == b"\0\0\1\2" + MARK
    assert (store.get(b"~checkpoint:3"), store.get(b"~checkpoint:11")) == (b"7", b"5")


def test_half_of_the_longest_window_fits_into_a_row(tmp_path: Path) -> None:
    longest = LONGEST_WINDOW_DAYS * DAY
    last = NOON // (longest // 2) * (longest // 2) + longest // 2 - 1
    window = open_window(tmp_path, window_ms=longest)
    window.write(rows_of([(key("a"), last, MARK)]), {})
    assert window.first_seen([key("a")], last) == [(last, MARK)]


def test_dropped_ids_leave_the_disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    window = open_window(tmp_path)
    for number in range(100):
        window.write(rows_of([(k, NOON, MARK) for k in keys(number, 1000)]), {0: number})
    window.close()
    window = open_window(tmp_path)
    before = size_of(tmp_path / "window")
    assert before > 16 * 100_000
    window.first_seen(keys(1, 1000), NOON)
    window.advance(NOON + 2 * DAY + MARGIN_MS, {0})
    deadline = time.monotonic() + 60
    while size_of(tmp_path / "window") > before // 10 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert size_of(tmp_path / "window") <= before // 10
    assert list(window.rows()) == []
    assert f"dropped the ids of {NOON} ms to {NOON + DAY // 2} ms" in caplog.text


@pytest.mark.parametrize(
    "other", [{"cluster": "another"}, {"topic": "another"}, {"window_ms": DAY // 2}], ids=["cluster", "topic", "window"]
)
def test_a_store_of_another_log_or_window_is_set_aside(
    tmp_path: Path, other: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    _fill(tmp_path, 1)
    with caplog.at_level(logging.ERROR):
        window = open_window(tmp_path, **other)  # type: ignore[arg-type]
    assert window.checkpoint(0) is None
    assert list(window.rows()) == []
    assert asides(tmp_path) == ["window.aside-1"]
    assert "belongs to another cluster, topic or version" in caplog.text


def test_only_the_last_store_set_aside_is_kept(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        open_window(tmp_path, cluster=name).close()
    assert asides(tmp_path) == ["window.aside-2"]


def test_damage_found_at_the_start_sets_the_store_aside(tmp_path: Path) -> None:
    _fill(tmp_path)
    (tmp_path / "window" / "CURRENT").write_text("garbage")
    window = open_window(tmp_path)
    assert window.checkpoint(0) is None
    assert asides(tmp_path) == ["window.aside-1"]


def test_a_missing_table_sets_the_store_aside(tmp_path: Path) -> None:
    _fill(tmp_path)
    for table in tables(tmp_path):
        table.unlink()
    assert open_window(tmp_path).checkpoint(0) is None


def _look_everywhere(window: RocksWindow) -> None:
    for number in range(40):
        window.first_seen(keys(number, 500), NOON)


@pytest.mark.parametrize("look", [_look_everywhere, lambda window: list(window.rows())], ids=["look-up", "scan"])
def test_damage_found_while_running_stops_the_worker_and_the_next_start_begins_empty(
    tmp_path: Path, look: object
) -> None:
    """Also a scan: RocksDB ends one early at a damaged block, as if there were no more rows."""
    _fill(tmp_path)
    damage(max(tables(tmp_path), key=lambda file: file.stat().st_size))
    window = open_window(tmp_path)
    with pytest.raises(StateError, match=r"(?i)corruption"):
        look(window)  # type: ignore[operator]
    del window
    again = open_window(tmp_path)
    assert again.checkpoint(0) is None
    assert list(again.rows()) == []
    assert asides(tmp_path) == ["window.aside-1"]


def test_a_store_in_use_is_not_touched(tmp_path: Path) -> None:
    window = open_window(tmp_path)
    window.write(rows_of([(key("a"), NOON, MARK)]), {0: 1})
    with pytest.raises(StateError, match="lock"):
        open_window(tmp_path)
    assert asides(tmp_path) == []
    assert first_times(window.first_seen([key("a")], NOON)) == [NOON]


def test_a_full_disk_stops_the_worker_and_loses_nothing_that_was_covered(tmp_path: Path) -> None:
    """The limit on file sizes stands for a full disk; the store is kept and fine again with room."""
    code = """
import resource, signal, sys
from pathlib import Path
from router.dedupe import window_rocksdb as window_module
from router.state.rocks import StateError, size_of
from tests.dedupe.windows import MARK, NOON, keys, open_window, rows_of
window_module.WRITE_BUFFER = 256 * 1024
window = open_window(Path(sys.argv[1]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    for number in range(2000):
        window.write(rows_of([(key, NOON, MARK) for key in keys(number, 200)]), {0: number + 1})
except StateError as error:
    print(number, error)
    raise SystemExit(7)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 7, done.stderr
    window = open_window(tmp_path)
    for number in range(window.checkpoint(0) or 0):
        assert None not in window.first_seen(keys(number, 200), NOON)
    window.write(rows_of([(key("room"), NOON + HOUR, MARK)]), {0: 5000})
    assert window.checkpoint(0) == 5000
    assert asides(tmp_path) == []
