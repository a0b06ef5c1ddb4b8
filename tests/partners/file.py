"""A folder for the file destination; it is down while it is not mounted."""

from __future__ import annotations

import gzip
from pathlib import Path

import orjson

from tests.partners.partner import Partner, Trouble


class FilePartner(Partner):
    type = "file"
    secret = ""
    largest = 500_000

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.lake = folder / "lake"
        self.settings = {"path": str(self.lake), "rotate_bytes": 1, "rotate_age": "1h", "gzip": True}

    def accepted(self) -> list[str]:
        files = sorted(self.lake.glob("crm-*.ndjson.gz"), key=lambda path: path.stat().st_mtime_ns)
        lines = [line for path in files for line in gzip.decompress(path.read_bytes()).splitlines()]
        return [str(orjson.loads(line).get("messageId")) for line in lines]

    def trouble(self, kind: Trouble) -> None:
        assert kind == "down"
        self.lake.rename(self.folder / "unmounted")

    def recover(self) -> None:
        (self.folder / "unmounted").rename(self.lake)
