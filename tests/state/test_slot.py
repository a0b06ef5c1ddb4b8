"""A slot: one worker, one directory, one identity, whatever kills the worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from router.errors import Unavailable
from router.state.slot import Slot, slots, write_durably

HOLDER = """
import sys, time
from pathlib import Path
from router.state.slot import Slot
slot = Slot.take(Path(sys.argv[1]))
print(slot.path.name, slot.id, flush=True)
time.sleep(600)
"""


def _holder(root: Path) -> tuple[subprocess.Popen[str], str, str]:
    child = subprocess.Popen([sys.executable, "-c", HOLDER, str(root)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    name, identity = child.stdout.readline().split()
    return child, name, identity


def test_each_worker_gets_a_place_and_an_identity_of_its_own(tmp_path: Path) -> None:
    slots = [Slot.take(tmp_path / "deep" / "state") for _ in range(3)]
    assert [slot.path.name for slot in slots] == ["route-0", "route-1", "route-2"]
    assert len({slot.id for slot in slots}) == 3
    assert all(len(slot.id) == 32 and int(slot.id, 16) for slot in slots)


def test_kinds_do_not_share_places(tmp_path: Path) -> None:
    assert Slot.take(tmp_path, "route").path != Slot.take(tmp_path, "merges").path


def test_a_released_place_is_taken_again_under_the_same_identity(tmp_path: Path) -> None:
    first, second = Slot.take(tmp_path), Slot.take(tmp_path)
    first.release()
    first.release()
    again = Slot.take(tmp_path)
    assert (again.path, again.id) == (first.path, first.id)
    assert again.id != second.id


def test_a_killed_process_gives_its_place_back_by_itself(tmp_path: Path) -> None:
    child, name, identity = _holder(tmp_path)
    try:
        assert Slot.take(tmp_path).path.name == "route-1"
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate(timeout=300)
    again = Slot.take(tmp_path)
    assert (again.path.name, again.id) == (name, identity)


def test_children_do_not_keep_the_lock(tmp_path: Path) -> None:
    slot = Slot.take(tmp_path)
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    try:
        slot.release()
        assert Slot.take(tmp_path).number == 0
    finally:
        child.communicate(timeout=300)


@pytest.mark.parametrize("spoilt", [b"", b"0123", b"\xff" * 32, b"Z" * 32])
def test_a_spoilt_identity_is_replaced(tmp_path: Path, spoilt: bytes) -> None:
    slot = Slot.take(tmp_path)
    slot.release()
    (slot.path / "id").write_bytes(spoilt)
    again = Slot.take(tmp_path)
    assert len(again.id) == 32
    again.release()
    assert Slot.take(tmp_path).id == again.id


def test_a_root_that_is_no_directory_is_said_to_be_unavailable(tmp_path: Path) -> None:
    file = tmp_path / "state"
    file.write_text("not a directory")
    with pytest.raises(Unavailable, match="expected a directory for state"):
        Slot.take(file)


def test_a_durable_write_leaves_no_draft(tmp_path: Path) -> None:
    write_durably(tmp_path / "a", b"one")
    write_durably(tmp_path / "a", b"two")
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"two"


def test_slots_are_listed_by_number_and_nothing_else_is_taken_for_one(tmp_path: Path) -> None:
    for name in ("route-10", "route-2", "deliver-0", "route-x", "verify-abc"):
        (tmp_path / name).mkdir()
    assert [slot.name for slot in slots(tmp_path)] == ["route-2", "route-10"]
