"""An archive gives each of its events once, byte for byte, in order, and goes on where a replay stopped."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.destinations.archive import ArchiveFormat, archive_file, partitions
from router.destinations.base import Delivery
from router.errors import RouterError, Unavailable
from router.events.times import iso
from router.replay.archive_source import ArchiveReader, ArchiveSource
from router.replay.replay_source import Candidate

AT, HOUR = 1_767_222_000_000, 3_600_000  # an hour before midnight


def archived(number: int, *, at: int = 0, source: str = "web") -> Delivery:
    body = {
        "type": "track", "event": "E", "messageId": f"m{number}", "receivedAt": iso(at or AT + number * HOUR // 4),
        "profileId": f"p{number % 3}", "n": 1.0,
    }  # fmt: skip
    value = b" " + orjson.dumps(body)
    return Delivery(value, f"p{number % 3}", source, "track", "E", f"key-{number}", body)


def put(root: Path, *batches: Sequence[Delivery], form: ArchiveFormat = "ndjson.gz") -> None:
    """Files as the destination writes them."""
    for batch in batches:
        for events in partitions(batch):
            file = archive_file(events, form)
            path = root / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.content)


def source(root: Path, since: int = AT, until: int = AT + 1000 * HOUR, extent: Any = None) -> ArchiveSource:
    return ArchiveSource(ArchiveReader.at(str(root), {}), since, until, extent)


def names(found: Sequence[Candidate]) -> list[str]:
    return [str((one.body or {})["messageId"]) for one in found]


@pytest.mark.parametrize("forms", [("ndjson.gz", "ndjson.gz"), ("parquet", "parquet"), ("ndjson.gz", "parquet")])
def test_events_come_as_they_were_with_source_key_and_time(
    tmp_path: Path, forms: tuple[ArchiveFormat, ArchiveFormat]
) -> None:
    """Of either format, and of an archive that changed its format on the way."""
    events = [archived(number) for number in range(12)]
    put(tmp_path, events[:4], form=forms[0])
    put(tmp_path, events[4:], form=forms[1])
    found = list(source(tmp_path).candidates({}))

    assert [one.value for one in found] == [event.value for event in events]
    assert [one.time for one in found] == [AT + number * HOUR // 4 for number in range(12)]
    assert {(one.source, one.key, one.type, one.event) for one in found} == {
        ("web", f"p{number}".encode(), "track", "E") for number in range(3)
    }
    assert found[0].headers == [("source", b"web"), ("type", b"track"), ("event", b"E")]


def test_an_event_that_stands_in_two_files_comes_once(tmp_path: Path) -> None:
    """As after kill -9 of the delivery to the archive. Of two sources, one id is two events."""
    events = [archived(number, at=AT + number) for number in range(6)]
    put(tmp_path, events[:4], events[2:], [archived(1, at=AT + 1, source="app")])

    assert sorted(names(list(source(tmp_path).candidates({})))) == ["m0", "m1", "m1", "m2", "m3", "m4", "m5"]


def test_only_days_of_the_range_are_read(tmp_path: Path) -> None:
    put(tmp_path, [archived(number, at=AT + number * 24 * HOUR) for number in range(4)])
    found = source(tmp_path, AT + 24 * HOUR, AT + 48 * HOUR)

    assert [file.date for file in found.files] == ["2026-01-01", "2026-01-02"]
    assert found.extent["files"] == 2


def test_what_is_no_file_of_events_is_left_alone(tmp_path: Path) -> None:
    put(tmp_path, [archived(1)])
    folder = next(tmp_path.glob("source=*/date=*"))
    (folder / ".x.ndjson.gz").write_bytes(b"half")
    (tmp_path / "_manifest").mkdir()
    (tmp_path / "_manifest" / "x.ndjson.gz").write_bytes(b"{}")

    assert names(list(source(tmp_path).candidates({}))) == ["m1"]


@given(stop=st.integers(1, 30), cut=st.integers(1, 29))
def test_from_any_position_on_it_gives_the_rest_once(
    tmp_path_factory: pytest.TempPathFactory, stop: int, cut: int
) -> None:
    root = tmp_path_factory.mktemp("archive")
    events = [archived(number) for number in range(30)]
    put(root, events[:cut], events[max(0, cut - 3) :])
    first = source(root)
    everything = list(first.candidates({}))
    part, mark = everything[stop - 1].mark

    rest = list(source(root, extent=first.extent).candidates({part: mark}))
    assert names(everything[:stop]) + names(rest) == names(everything)
    assert len(everything) == 30


def test_files_that_came_later_are_not_of_this_replay_and_those_that_went_are_said(tmp_path: Path) -> None:
    put(tmp_path, [archived(number) for number in range(8)])
    begun = source(tmp_path)
    extent = begun.extent
    put(tmp_path, [archived(200)])
    again = source(tmp_path, extent=extent)
    assert len(list(again.candidates({}))) == 8
    assert again.missing({}) == []

    (tmp_path / again.files[0].path).unlink()
    assert [one.part for one in source(tmp_path, extent=extent).missing({})] == ["1 files"]


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(RouterError, match="expected a folder, got none"):
        ArchiveReader.at(str(tmp_path / "none"), {})
    with pytest.raises(Unavailable, match="nosuch://x"):
        ArchiveReader.at("nosuch://x", {})
    put(tmp_path, [archived(1)])
    file = next(tmp_path.rglob("*.ndjson.gz"))
    file.write_bytes(gzip.compress(b'{"a": 1}\n' * 1000)[:-9])
    with pytest.raises(RouterError, match=f"{file.name}: expected gzip"):
        list(source(tmp_path).candidates({}))


def test_an_object_store_is_read_alike(tmp_path: Path) -> None:
    """fsspec's own `memory` stands for a bucket."""
    import fsspec

    put(tmp_path, [archived(number) for number in range(6)])
    bucket = fsspec.filesystem("memory")
    for path in tmp_path.rglob("*.ndjson.gz"):
        bucket.pipe_file(f"/{tmp_path.name}/past/{path.relative_to(tmp_path)}", path.read_bytes())
    reader = ArchiveReader.at(f"memory://{tmp_path.name}/past", {})

    found = list(ArchiveSource(reader, AT, AT + 1000 * HOUR).candidates({}))
    assert [one.value for one in found] == [archived(number).value for number in range(6)]
