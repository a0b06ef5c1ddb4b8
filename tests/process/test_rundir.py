"""The folder of one run: new each time, gone afterwards, never taken from a run that is alive."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from router.errors import Unavailable
from router.process.rundir import run_directory

HOLD = (
    "import sys, time; from pathlib import Path; from router.process.rundir import run_directory\n"
    "with run_directory(Path(sys.argv[1])) as path:\n"
    "    (path / 'state').write_text('x'); print(path, flush=True); time.sleep(600)\n"
)


def test_each_run_has_a_new_folder_that_goes_with_it(tmp_path: Path) -> None:
    with run_directory(tmp_path / "state") as first, run_directory(tmp_path / "state") as second:
        assert first != second
        (first / "window").mkdir()
        assert list(second.iterdir()) == [second / "lock"]
    assert list((tmp_path / "state").iterdir()) == []


def test_kill_9_leaves_a_folder_that_the_next_run_removes_but_not_while_it_lives(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        left = Path(holder.stdout.readline().strip())
        with run_directory(tmp_path):
            assert (left / "state").exists()
        holder.kill()
        holder.wait()
        assert left.exists()
        with run_directory(tmp_path):
            assert not left.exists()
    finally:
        holder.kill()
        holder.communicate()


def test_other_state_in_the_same_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "route-0").mkdir()
    (tmp_path / "embedded-without-lock").mkdir()
    with run_directory(tmp_path):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["embedded-without-lock", "route-0"]


def test_a_place_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="file: expected a folder for state"), run_directory(tmp_path / "file"):
        pass
