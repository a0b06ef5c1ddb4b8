"""The archive: what is in its files, how they are called, and what becomes of storage that takes nothing."""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest
from pydantic import ValidationError

from router.config.loader import load_topology
from router.destinations import archive_store
from router.destinations.archive import Archive, ArchiveSettings, archive_file, partitions
from router.destinations.base import Delivery, Kind
from router.destinations.registry import destination_types
from router.errors import Unavailable
from tests.deliveries import delivery
from tests.partners.archive import ArchivePartner


def archive(url: Path | str, **given: Any) -> Archive:
    return Archive("past", ArchiveSettings.model_validate({"url": str(url)} | given), 20.0)


def files(folder: Path) -> dict[str, bytes]:
    """All but the manifest, by path, unpacked."""
    return {
        path.relative_to(folder).as_posix(): gzip.decompress(path.read_bytes())
        for path in sorted(folder.glob("source=*/date=*/*"))
    }


def manifest(folder: Path) -> list[dict[str, Any]]:
    return [orjson.loads(path.read_bytes()) for path in sorted((folder / "_manifest").glob("*/*/*.json"))]


def at(number: int, time: str | None, source: str = "web") -> Delivery:
    event = delivery(number, receivedAt=time)
    event.source = source
    return event


async def sent(url: Path | str, *batches: list[Delivery], **given: Any) -> list[list[Kind]]:
    connector = archive(url, **given)
    await connector.open()
    kinds = [[outcome.kind for outcome in await connector.send(batch)] for batch in batches]
    await connector.close()
    return kinds


@pytest.fixture
async def bucket(tmp_path: Path) -> AsyncIterator[ArchivePartner]:
    async with ArchivePartner(tmp_path) as one:
        yield one


async def test_a_file_holds_the_events_byte_for_byte(tmp_path: Path) -> None:
    """Spacing, order of keys and unknown fields stay; a line break between them becomes none."""
    events = [delivery(number, note=f"Зоя {number}") for number in range(1, 4)]
    events[0].value = b'{ "messageId" : "m1", "z": 1e2, "a": [ ] }'
    events[2].value = events[2].value.replace(b",", b",\n ")

    assert await sent(tmp_path / "lake", events) == [[Kind.DELIVERED] * 3]

    (content,) = files(tmp_path / "lake").values()
    assert content == b"\n".join([events[0].value, events[1].value, orjson.dumps(events[2].body)]) + b"\n"


async def test_parquet_holds_the_events_byte_for_byte_and_columns_to_ask_for(tmp_path: Path) -> None:
    """Under names and with a manifest as beside JSON lines; a batch sent again overwrites its file with the same."""
    lake = tmp_path / "lake"
    events = [delivery(number, note="Зоя", timestamp="2026-01-01T01:00:00+02:00") for number in range(1, 4)]
    events[0].value = b'{ "messageId" : "m1",\n "z": 1e2, "a": [ ] }'
    events[1].body |= {"userId": 7, "event": "\ud800", "receivedAt": None}
    await sent(tmp_path / "plain", events)
    plain = sorted(files(tmp_path / "plain"))

    assert await sent(lake, events, format="parquet") == [[Kind.DELIVERED] * 3]
    before = {path: path.read_bytes() for path in lake.rglob("*.*")}
    await sent(lake, events, format="parquet")

    assert {path: path.read_bytes() for path in lake.rglob("*.*")} == before
    written = [path.relative_to(lake).as_posix() for path in lake.glob("source=*/date=*/*")]
    assert sorted(written) == [path.replace(".ndjson.gz", ".parquet") for path in plain]
    assert sorted(one["name"] for one in manifest(lake)) == sorted(written)
    found = duckdb.execute(f"SELECT * FROM '{lake}/source=*/date=*/*.parquet' ORDER BY json").fetchall()
    asked = {row[-3]: row for row in found}
    assert sorted(row[-3].encode() for row in found) == sorted(event.value for event in events)
    assert asked[events[2].value.decode()][:6] == ("m3", "track", "Order Completed", "u3", None, "p3")
    assert [at.isoformat() for at in asked[events[2].value.decode()][6:8]] == [
        "2026-01-01T00:00:00+00:00", "2025-12-31T23:00:00+00:00",
    ]  # fmt: skip
    assert asked[events[1].value.decode()][2:4] == ("?", None)


async def test_a_folder_and_a_bucket_get_the_same_bytes_under_the_same_names(
    tmp_path: Path, bucket: ArchivePartner
) -> None:
    """Whatever the time and the place of writing."""
    batch = [delivery(number) for number in range(50)]
    await sent(tmp_path / "lake", batch)
    await sent("s3://lake/events/", batch)

    there = {p.relative_to(tmp_path / "lake").as_posix(): p.read_bytes() for p in (tmp_path / "lake").rglob("*.*")}
    assert len(there) == 2
    assert bucket.objects == there


async def test_files_are_parted_by_source_and_day_of_receipt(tmp_path: Path) -> None:
    """In UTC; what names no time is kept as well, and no source leads out of the archive."""
    batch = [
        at(1, "2026-11-27T23:59:59.999Z"), at(2, "2026-11-28T00:00:00.000Z"), at(3, "2026-11-27T00:00:00.000Z"),
        at(4, "2026-11-28T01:00:00+02:00", "../../web"), at(5, None, ""),
    ]  # fmt: skip
    assert await sent(tmp_path, batch) == [[Kind.DELIVERED] * 5]

    found = {
        path: [orjson.loads(line)["messageId"] for line in text.splitlines()] for path, text in files(tmp_path).items()
    }
    assert {path.rpartition("-")[0]: ids for path, ids in found.items()} == {
        "source=web/date=2026-11-27/20261127T000000Z": ["m1", "m3"],
        "source=web/date=2026-11-28/20261128T000000Z": ["m2"],
        "source=..%2F..%2Fweb/date=2026-11-27/20261127T230000Z": ["m4"],
        "source=unknown/date=unknown/unknown": ["m5"],
    }


async def test_a_batch_sent_again_overwrites_its_file(tmp_path: Path) -> None:
    """In whatever order; another batch has another file, though it shares events."""
    batch = [delivery(number) for number in range(9)]
    await sent(tmp_path, batch, batch, batch[::-1])
    first = files(tmp_path)
    await sent(tmp_path, batch[:5])

    assert len(first) == 1
    assert len(files(tmp_path)) == 2
    assert len(manifest(tmp_path)) == 2


async def test_the_manifest_has_a_line_for_each_file(tmp_path: Path) -> None:
    """Name, events, bytes, hash, first and last receivedAt."""
    await sent(tmp_path, [at(1, "2026-11-27T09:00:01.500Z"), at(2, "2026-11-27T09:00:00.000Z")])
    ((path, _),) = files(tmp_path).items()
    stored = (tmp_path / path).read_bytes()

    assert manifest(tmp_path) == [{
        "name": path, "events": 2, "bytes": len(stored), "sha256": hashlib.sha256(stored).hexdigest(),
        "first": "2026-11-27T09:00:00.000Z", "last": "2026-11-27T09:00:01.500Z",
    }]  # fmt: skip


async def test_the_manifest_can_be_left_out(tmp_path: Path) -> None:
    await sent(tmp_path, [delivery(1)], manifest=False)

    assert [path.name for path in tmp_path.iterdir()] == ["source=web"]


def test_a_name_depends_on_the_events_alone() -> None:
    """Pinned: another release must overwrite what this one has written."""
    (events,) = partitions([delivery(1), delivery(2)])

    assert archive_file(events).path == (
        "source=web/date=2026-01-01/20260101T000000Z-065b75e98402920e77157313c3203b61.ndjson.gz"
    )


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the storage is full"), (errno.EDQUOT, "the storage is full"),
        (errno.EROFS, "the storage is read-only"), (errno.EACCES, "no right to write there"),
    ],
)  # fmt: skip
async def test_a_folder_that_takes_nothing_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    """Half a file has no name, and the next attempt works once there is room."""
    connector = archive(tmp_path)
    await connector.open()
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) < 40:
            raise OSError(number, os.strerror(number))
        return write(descriptor, data[: len(data) // 2])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        refused = await connector.send([delivery(1), delivery(2)])

    assert {(one.kind, one.code, one.detail) for one in refused} == {(Kind.REFUSED, errno.errorcode[number], words)}
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert [one.kind for one in await connector.send([delivery(1), delivery(2)])] == [Kind.DELIVERED] * 2
    await connector.close()


async def test_a_folder_that_has_gone_is_not_made_again(tmp_path: Path) -> None:
    """A disk that is no longer mounted: the events wait, they do not fill the place it was mounted at."""
    connector = archive(tmp_path / "lake")
    await connector.open()
    (tmp_path / "lake").rmdir()

    (outcome,) = await connector.send([delivery(1)])
    probe = await connector.check()

    await connector.close()
    assert (outcome.kind, outcome.code) == (probe.kind, probe.code) == (Kind.REFUSED, "ENOENT")
    assert not (tmp_path / "lake").exists()


async def test_a_file_in_the_place_of_the_folder_is_named_at_start(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("")
    connector = archive(tmp_path / "lake")

    with pytest.raises(Unavailable, match="a file stands where a folder is expected"):
        await connector.open()
    await connector.close()


async def test_a_bucket_that_is_not_there_is_refused_in_words(bucket: ArchivePartner) -> None:
    connector = archive("s3://other/events")
    await connector.open()

    (outcome,) = await connector.send([delivery(1)])

    await connector.close()
    assert (outcome.kind, outcome.detail) == (Kind.REFUSED, "there is no such folder or bucket")


async def test_one_partition_that_fails_keeps_no_other_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each event has the outcome of its own file."""
    connector = archive(tmp_path)
    await connector.open()
    (tmp_path / "source=web").write_text("")

    outcomes = await connector.send([at(1, "2026-11-27T00:00:00.000Z"), at(2, "2026-11-27T00:00:00.000Z", "shop")])

    await connector.close()
    assert [one.kind for one in outcomes] == [Kind.REFUSED, Kind.DELIVERED]


class ClientError(Exception):
    """As botocore, azure-core and gcsfs have them."""

    def __init__(self, **fields: Any) -> None:
        super().__init__("https://lake.example/ada@example.com?signature=hush")
        self.__dict__.update(fields)


NoCredentialsError = type("NoCredentialsError", (Exception,), {})


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (ClientError(response={"ResponseMetadata": {"HTTPStatusCode": 403}}), Kind.REFUSED, "403"),
        (ClientError(response={"ResponseMetadata": {"HTTPStatusCode": 503}}), Kind.RETRY, "503"),
        (ClientError(status_code=401), Kind.REFUSED, "401"), (ClientError(code=404), Kind.REFUSED, "404"),
        (ClientError(status_code=429), Kind.RETRY, "429"), (OSError("Forbidden: lake"), Kind.REFUSED, "403"),
        (TypeError("no such option"), Kind.REFUSED, "INVALID_SETTINGS"),
        (ClientError(code="SlowDown"), Kind.RETRY, "STORAGE_FAILED"),
        (NoCredentialsError(), Kind.REFUSED, "NO_CREDENTIALS"),
        (PermissionError("Access Denied"), Kind.REFUSED, "EACCES"),
        (FileNotFoundError("NoSuchBucket"), Kind.REFUSED, "ENOENT"), (TimeoutError(), Kind.RETRY, "ETIMEDOUT"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "no"), Kind.RETRY, "ECONNREFUSED"),
    ],
    ids=str,
)  # fmt: skip
def test_what_the_errors_of_the_libraries_mean(error: Exception, kind: Kind, code: str) -> None:
    """By status, errno or name; their texts, which may quote a URL, are not passed on."""
    wrapped = OSError("an error of the store")
    wrapped.__cause__ = error

    for one in (archive_store.failure(error), archive_store.failure(wrapped)):
        assert (one.kind, one.code) == (kind, code)
        assert "hush" not in one.detail
        assert "ada" not in one.detail


@pytest.mark.parametrize(
    ("library", "extra", "settings"),
    [("gcsfs", "gcs", {"url": "gs://lake/events"}), ("pyarrow", "parquet", {"url": "memory", "format": "parquet"})],
)
async def test_a_library_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, library: str, extra: str, settings: dict[str, str]
) -> None:
    """With what to install, when delivery opens it; the rest of the topology goes on."""
    monkeypatch.setitem(sys.modules, library, None)
    connector = archive(**settings)

    with pytest.raises(Unavailable, match=rf"pip install 'event-router\[{extra}\]'"):
        await connector.open()
    await connector.close()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"url": "ftp://lake"}, "expected a folder or one of"), ({"url": "s3:///events"}, "expected a bucket"),
        ({"url": "s3://key:hush@lake"}, "without credentials"),
        ({"url": "s3://lake?token=hush"}, "without credentials"),
        ({"url": "./lake", "options": {"secret": "hush"}}, "expected secret under secret_options"),
        ({"url": "./lake", "format": "orc"}, "ndjson.gz"),
    ],
    ids=str,
)  # fmt: skip
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ArchiveSettings.model_validate(settings)


@pytest.mark.parametrize(
    ("url", "place"),
    [("./lake", "{folder}/lake"), ("/data/lake", "/data/lake"), ("s3://lake/events", "s3://lake/events")],
)
def test_a_path_is_relative_to_the_topology_and_a_url_stays(tmp_path: Path, url: str, place: str) -> None:
    topology = tmp_path / "shop.yaml"
    settings = f'{{past: {{type: archive, settings: {{url: "{url}"}}}}}}'
    topology.write_text(f"name: shop\nsources: {{web: {{write_keys: [wk-web]}}}}\ndestinations: {settings}\n")

    given = load_topology([topology], env={}, registry=destination_types()).connector_settings["past"]

    assert isinstance(given, ArchiveSettings)
    assert given.url == place.format(folder=tmp_path)
