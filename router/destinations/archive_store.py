"""Where the archive puts its files: a folder, or an object store through fsspec; and what their errors mean.

`put` is durable once it returns, replaces what has that name, and shows a file whole or not at all. After kill -9 a
folder may hold a hidden file that ends in `.tmp`: nobody reads it, and it can be deleted.
"""

from __future__ import annotations

import errno
import os
import re
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from router.destinations import ndjson
from router.destinations.base import Kind, Outcome

# The extra that each scheme needs.
SCHEMES = {"file": "", "s3": "s3", "gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure"}

_FULL, _READ_ONLY = "the storage is full", "the storage is read-only"
_NO_RIGHT, _NOT_THERE = "no right to write there", "there is no such folder or bucket"
_CREDENTIALS = "the credentials are missing or not accepted"
_REFUSED = {
    "ENOSPC": _FULL, "EDQUOT": _FULL, "507": _FULL, "EROFS": _READ_ONLY, "EACCES": _NO_RIGHT, "EPERM": _NO_RIGHT,
    "403": _NO_RIGHT, "401": _CREDENTIALS, "NO_CREDENTIALS": _CREDENTIALS, "ENOENT": _NOT_THERE, "404": _NOT_THERE,
    "ENOTDIR": "a file stands where a folder is expected", "EISDIR": "a folder stands where a file is expected",
    "EEXIST": "a file stands where a folder is expected",
    "INVALID_SETTINGS": "the storage's library does not accept the URL or the options",
}  # fmt: skip
# Of botocore, google-auth and azure-core, which are not imported for it.
_WITHOUT_CREDENTIALS = frozenset(
    ("ClientAuthenticationError", "CredentialUnavailableError", "DefaultCredentialsError", "NoCredentialsError")
) | {"PartialCredentialsError", "ProfileNotFound", "RefreshError"}
_BY_CLASS = (
    (PermissionError, "EACCES"), (FileNotFoundError, "ENOENT"), (TimeoutError, "ETIMEDOUT"),
    ((TypeError, ValueError), "INVALID_SETTINGS"),
)  # fmt: skip


class ArchiveStore(Protocol):
    def put(self, path: str, content: bytes) -> None:
        """Raises whatever the storage's library does: see `failure`. Safe to use from several threads."""


def opened(url: str, options: Mapping[str, Any]) -> ArchiveStore:
    """The store at a path or a URL. Raises ImportError where the library of its scheme is missing."""
    scheme, separator, _ = url.partition("://")
    if not separator or scheme == "file":
        return FolderStore(Path(unquote(urlsplit(url).path) if separator else url))
    return ObjectStore(scheme, url.rstrip("/"), options)


class FolderStore:
    """A folder, made when it is not there at the start. One that goes later, such as a disk that is not mounted, is
    not made again."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._root = root

    def put(self, path: str, content: bytes) -> None:
        if not self._root.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self._root))
        final = self._root / path
        self._make(final.parent)
        draft = final.with_name(f".{final.name}.{uuid.uuid4().hex[:12]}.tmp")
        try:
            _write(draft, content)
            draft.replace(final)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        ndjson.sync_folder(final.parent)

    def _make(self, folder: Path) -> None:
        """The folder, below the root, with a durable name."""
        if folder == self._root or folder.is_dir():
            return
        self._make(folder.parent)
        folder.mkdir(exist_ok=True)
        ndjson.sync_folder(folder.parent)


class ObjectStore:
    """A bucket or a container. Its writes are atomic, so the name is the final one."""

    def __init__(self, scheme: str, url: str, options: Mapping[str, Any]) -> None:
        import fsspec  # with the libraries behind it, only where a topology has such a place

        self._files = fsspec.filesystem(scheme, skip_instance_cache=True, use_listings_cache=False, **options)
        self._url = url

    def put(self, path: str, content: bytes) -> None:
        self._files.pipe_file(f"{self._url}/{path}", content)


def failure(error: BaseException, *, shared: bool = False) -> Outcome:
    """What an error means, in words that hold nothing of an event or of a credential."""
    code = next((code for one in _causes(error) if (code := _code(one))), "STORAGE_FAILED")
    words = _REFUSED.get(code)
    return Outcome(Kind.REFUSED if words else Kind.RETRY, code, words or type(error).__name__, shared=shared)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _code(error: BaseException) -> str:
    """An HTTP status or the name of an errno; empty where the error has neither."""
    if type(error).__name__ in _WITHOUT_CREDENTIALS:
        return "NO_CREDENTIALS"
    if status := _status(error):
        return status
    if isinstance(error, OSError) and error.errno is not None:
        return errno.errorcode.get(error.errno, "EIO")
    return next((code for kind, code in _BY_CLASS if isinstance(error, kind)), "")


def _status(error: BaseException) -> str:
    answer = getattr(error, "response", None)
    meta = answer.get("ResponseMetadata", {}) if isinstance(answer, dict) else {}
    given = [meta.get("HTTPStatusCode"), *(getattr(error, name, None) for name in ("status_code", "status", "code"))]
    forbidden = type(error) is OSError and str(error).startswith("Forbidden:")  # gcsfs says a 403 in words alone
    return "403" if forbidden else next((str(one) for one in given if re.fullmatch(r"[45]\d\d", str(one))), "")


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, ndjson.MODE)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
