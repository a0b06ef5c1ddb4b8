"""Files in object stores, by URL: s3://BUCKET/KEY, gs://…, az://…, whatever fsspec and its libraries open.

A file is read by parts as it is needed, twice: once for what it is known by, once for its rows. Credentials are those
that the library finds for itself: environment variables, profiles, the machine's role.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from router.destinations.archive_store import SCHEMES, failure
from router.errors import FileError, Problem, UsageError

_LOCAL = "file://"


@dataclass(frozen=True)
class RemoteFile:
    """What the import asks of a Path, of a file behind a URL."""

    url: str
    files: Any = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        return self.url.rstrip("/").rpartition("/")[2]

    def __str__(self) -> str:
        return self.url

    def absolute(self) -> RemoteFile:
        return self

    def with_name(self, name: str) -> Path:
        """Beside it, for a file that people edit: in the folder in which they work."""
        return Path(name)

    def open_binary(self, block: int) -> io.BufferedReader:
        """Raises FileError where it cannot be opened, and so do reads."""
        try:
            return io.BufferedReader(_Translated(self.files.open(self.url, "rb"), self), block)
        except Exception as error:
            raise _unreadable(self, error) from error

    def below(self) -> list[RemoteFile] | None:
        """The files below it, in order of their names; None where it is a file itself. Raises FileError."""
        try:
            if not self.url.endswith("/") and not self.files.isdir(self.url):
                return None
            found = sorted(self.files.find(self.url))
        except Exception as error:
            raise _unreadable(self, error) from error
        return [RemoteFile(self.files.unstrip_protocol(name), self.files) for name in found]

    def parts_below(self, folder: RemoteFile) -> tuple[str, ...]:
        """The names on the way from a folder to it."""
        return tuple(self.url.removeprefix(folder.url.rstrip("/")).strip("/").split("/"))


HistoryPlace = Path | RemoteFile


def place_of(text: str) -> HistoryPlace:
    """A file or folder here, or one behind a URL. Raises UsageError that names the extra where a library is missing."""
    scheme, separator, _ = text.partition("://")
    if not separator:
        return Path(text)
    if scheme == "file":
        return Path(text.removeprefix(_LOCAL))
    import fsspec  # with the libraries behind it, only where a file lies in such a place

    try:
        return RemoteFile(text, fsspec.filesystem(scheme))
    except ImportError as error:
        extra = SCHEMES.get(scheme, "")
        needs = f"expected pip install 'event-router[{extra}]' to read it" if extra else "expected its library"
        raise UsageError(f"{text}: {needs}, got an installation without it") from error
    except (ValueError, TypeError) as error:
        known = ", ".join(f"{name}://" for name in SCHEMES)
        raise UsageError(f"{text}: expected a path, or a URL that begins with one of {known}") from error


class _Translated(io.RawIOBase):
    """Reads whose errors are ours."""

    def __init__(self, stream: Any, of: RemoteFile) -> None:
        self._stream = stream
        self._of = of

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._stream.seek(offset, whence))

    def readinto(self, buffer: Any) -> int:
        try:
            part = self._stream.read(len(buffer))
        except Exception as error:
            raise _unreadable(self._of, error) from error
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


def _unreadable(of: RemoteFile, error: BaseException) -> FileError:
    """In words that hold no credential."""
    got = "none" if isinstance(error, FileNotFoundError) else f"{failure(error).code} ({type(error).__name__})"
    return FileError([Problem(str(of), 0, 0, "", f"expected a readable file, got {got}")])
