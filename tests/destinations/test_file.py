"""The file connector's archive survives crashes, rotates, and is readable at any time."""

from __future__ import annotations

import asyncio
import gzip
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.destinations import ndjson
from router.destinations.base import Kind
from router.destinations.file import File, FileSettings
from router.errors import Unavailable
from tests.deliveries import delivery

DEADLINE = 120.0
LINE = st.binary(max_size=12).map(lambda raw: raw.replace(b"\n", b""))


def archive(folder: Path, **given: Any) -> File:
    return File("lake", FileSettings.model_validate({"path": str(folder)} | given), 20.0)


def finished(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in (".ndjson", ".gz"))


def content(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def events(folder: Path) -> list[str]:
    return [orjson.loads(line)["messageId"] for path in finished(folder) for line in content(path).splitlines()]


async def eventually(check: Any) -> None:
    end = time.monotonic() + DEADLINE
    while not check():
        assert time.monotonic() < end, "not within the deadline"
        await asyncio.sleep(0.02)


async def test_a_file_has_its_name_only_when_it_is_complete(tmp_path: Path) -> None:
    """Readers take `*.ndjson`; what grows is called `.part`."""
    connector = archive(tmp_path)
    await connector.open()
    await connector.send([delivery(1)])

    assert finished(tmp_path) == []
    assert len(list(tmp_path.glob("lake-*.ndjson.part"))) == 1
    await connector.close()
    assert events(tmp_path) == ["m1"]
    assert list(tmp_path.glob("*.part")) == []


async def test_files_rotate_by_size(tmp_path: Path) -> None:
    """The next event goes to a new file; none is split or lost."""
    connector = archive(tmp_path, rotate_bytes=300)
    await connector.open()
    for number in range(9):
        await connector.send([delivery(number)])
    await connector.close()

    assert len(finished(tmp_path)) > 2
    assert sorted(events(tmp_path)) == [f"m{number}" for number in range(9)]


async def test_files_rotate_by_age_without_further_events(tmp_path: Path) -> None:
    """A quiet destination's last events become readable too, and so do the next ones."""
    connector = archive(tmp_path, rotate_age="50ms", gzip=True)
    await connector.open()
    await connector.send([delivery(1)])
    await eventually(lambda: events(tmp_path) == ["m1"])
    await connector.send([delivery(2)])
    await eventually(lambda: sorted(events(tmp_path)) == ["m1", "m2"])
    await connector.close()


async def test_what_was_delivered_is_on_disk_before_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fsync comes before the outcome: without it there is none."""
    connector = archive(tmp_path)
    await connector.open()
    await connector.send([delivery(1)])

    def broken(_: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", broken)
        outcomes = await connector.send([delivery(2)])

    assert [(outcome.kind, outcome.code) for outcome in outcomes] == [(Kind.RETRY, "EIO")]
    again = await connector.send([delivery(2, attempt=2)])
    await connector.close()
    assert [outcome.kind for outcome in again] == [Kind.DELIVERED]
    ndjson.recover(tmp_path, "lake", compress=False)
    assert sorted(events(tmp_path)) in (["m1", "m2"], ["m1", "m2", "m2"])


async def test_a_full_disk_is_tried_again_and_tears_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a write counts as none: the file is cut back to what was acknowledged."""
    connector = archive(tmp_path)
    await connector.open()
    await connector.send([delivery(1)])
    write = os.write

    def half(descriptor: int, data: bytes) -> int:
        if len(data) < 20:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[: len(data) // 2])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        outcomes = await connector.send([delivery(2)])

    assert [(outcome.kind, outcome.code) for outcome in outcomes] == [(Kind.RETRY, "ENOSPC")]
    await connector.send([delivery(2)])
    await connector.close()
    assert sorted(events(tmp_path)) == ["m1", "m2"]


async def test_a_folder_that_may_not_be_written_is_a_fault_of_the_settings(tmp_path: Path) -> None:
    """It is said at start."""
    (tmp_path / "file").write_text("")

    with pytest.raises(Unavailable, match="expected a folder"):
        await archive(tmp_path / "file").open()


async def test_a_file_deleted_while_it_grows_swallows_nothing(tmp_path: Path) -> None:
    """Later events are not written into a file that nobody can find."""
    connector = archive(tmp_path)
    await connector.open()
    await connector.send([delivery(1)])
    next(tmp_path.glob("*.part")).unlink()

    first = await connector.send([delivery(2)])
    second = await connector.send([delivery(2)])

    await connector.close()
    assert [outcome.kind for outcome in (*first, *second)] == [Kind.REFUSED, Kind.DELIVERED]
    assert events(tmp_path) == ["m2"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(LINE, max_size=6), LINE, st.booleans())
def test_a_torn_tail_is_cut_off_at_the_last_whole_line(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], tail: bytes, compress: bool
) -> None:
    """Whatever a crash has left behind the last line end."""
    folder = tmp_path_factory.mktemp("torn")
    whole = b"".join(line + b"\n" for line in lines)
    name = "lake-20260101T000000Z-0123456789ab.ndjson"
    (folder / f"{name}.part").write_bytes(whole + tail)

    done = ndjson.recover(folder, "lake", compress=compress)

    assert [content(path) for path in done] == ([whole] if whole else [])
    assert sorted(folder.iterdir()) == done


def test_recovery_leaves_others_files_alone(tmp_path: Path) -> None:
    """Of a living process, of another destination, of anybody."""
    living = ndjson.LineFile(tmp_path, "lake", compress=False)
    living.append(b"{}\n")
    others = [tmp_path / "lake-eu-20260101T000000Z-0123456789ab.ndjson.part", tmp_path / "lake-notes.ndjson.part"]
    for other in others:
        other.write_bytes(b"{}\nto")

    assert ndjson.recover(tmp_path, "lake", compress=False) == []
    assert [other.read_bytes() for other in others] == [b"{}\nto"] * 2
    living.append(b"{}\n")
    done = living.finish()
    assert done is not None
    assert done.read_bytes() == b"{}\n{}\n"


@pytest.mark.parametrize("compress", [False, True])
def test_a_finished_file_is_for_the_owner_and_the_group_alone(tmp_path: Path, compress: bool) -> None:
    """Whatever the umask lets through: events are about people."""
    before = os.umask(0)
    try:
        growing = ndjson.LineFile(tmp_path, "lake", compress=compress)
        growing.append(b"{}\n")
        done = growing.finish()
    finally:
        os.umask(before)

    assert done is not None
    assert done.stat().st_mode & 0o777 == 0o640


def test_recovery_after_a_crash_between_compressing_and_removing_repeats_nothing(tmp_path: Path) -> None:
    """The compressed file has its final name already, the `.part` file is still there."""
    part = tmp_path / "lake-20260101T000000Z-0123456789ab.ndjson.part"
    part.write_bytes(b"{}\n")
    ndjson.recover(tmp_path, "lake", compress=True)
    part.write_bytes(b"{}\n")

    done = ndjson.recover(tmp_path, "lake", compress=True)

    assert sorted(tmp_path.iterdir()) == done
    assert gzip.decompress(done[0].read_bytes()) == b"{}\n"


WRITER = """
import asyncio, sys
from router.destinations.file import File, FileSettings
from tests.deliveries import delivery

async def main():
    connector = File("lake", FileSettings.model_validate({"path": sys.argv[1], "rotate_bytes": 20000}), 20.0)
    await connector.open()
    for number in range(10**9):
        await connector.send([delivery(number)])
        print(number, flush=True)

asyncio.run(main())
"""


async def test_kill_minus_nine_loses_nothing_that_was_delivered(tmp_path: Path) -> None:
    """Every event whose outcome was given is in a finished file after the next start, once, and each line is whole."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    acknowledged = [int(writer.stdout.readline()) for _ in range(150)]
    writer.send_signal(signal.SIGKILL)
    acknowledged += [int(line) for line in writer.stdout.read().splitlines()]
    writer.wait()
    writer.stdout.close()

    connector = archive(tmp_path)
    await connector.open()
    await connector.close()

    found = sorted(int(name[1:]) for name in events(tmp_path))
    assert found[: len(acknowledged)] == acknowledged
    assert len(found) - len(acknowledged) in (0, 1)
    assert list(tmp_path.glob("*.part")) == []
