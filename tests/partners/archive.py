"""A bucket for the archive: fsspec's memory filesystem in the place of s3fs, with its troubles and their exceptions."""

from __future__ import annotations

import errno
import gzip
from pathlib import Path
from typing import Any, ClassVar, Self

import fsspec
import orjson
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry

from tests.partners.partner import Partner, Trouble

ROOT = "s3://lake/events/"


class Bucket(MemoryFileSystem):  # type: ignore[misc]
    """`lake` is there, no other bucket is. Each `ArchivePartner` has a subclass, and so contents, of its own."""

    cachable = False
    now: ClassVar[Trouble | None] = None

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
        if not path.startswith("s3://lake/"):
            raise FileNotFoundError("The specified bucket does not exist")
        if self.now == "down":
            raise OSError(errno.EBUSY, "Please reduce your request rate.")
        if self.now == "refuse":
            raise PermissionError("Access Denied")
        super().pipe_file(path.removeprefix("s3:/"), value, mode, **kwargs)
        if self.now == "lose":
            raise TimeoutError


class ArchivePartner(Partner):
    type = "archive"
    troubles = ("down", "refuse", "lose")
    largest = 500_000

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.settings = {"url": ROOT, "secret_options": {"secret": self.secret}}

        class OwnBucket(Bucket):
            store: ClassVar[dict[str, Any]] = {}
            pseudo_dirs: ClassVar[list[str]] = [""]

        self.bucket: type[Bucket] = OwnBucket

    async def __aenter__(self) -> Self:
        fsspec.register_implementation("s3", self.bucket, clobber=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        _registry.pop("s3", None)  # s3fs again, where it is installed

    @property
    def objects(self) -> dict[str, bytes]:
        """The archive's objects by their path, oldest first."""
        return {path.removeprefix("/lake/events/"): one.getvalue() for path, one in self.bucket.store.items()}

    def accepted(self) -> list[str]:
        files = [content for path, content in self.objects.items() if path.endswith(".ndjson.gz")]
        lines = [line for content in files for line in gzip.decompress(content).splitlines()]
        return [str(orjson.loads(line).get("messageId")) for line in lines]

    def trouble(self, kind: Trouble) -> None:
        self.bucket.now = kind

    def recover(self) -> None:
        self.bucket.now = None
