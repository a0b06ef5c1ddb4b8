"""One root exception and the few sentinels with behaviour.

Bad data is never an exception inside the router: agents return it as an outcome. What is raised is a fault of the
configuration, of the command line, or of a part outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar


class RouterError(Exception):
    """Root of everything this package raises on purpose. `status` is the exit status of a command that ends with it."""

    status: ClassVar[int] = 1


class UsageError(RouterError):
    """The command line is wrong."""

    status = 2


class Unavailable(RouterError):
    """A part outside (broker, partner, database) is not there or does not answer."""

    status = 3


class Fenced(RouterError):
    """Another process has taken over this worker's place; the only safe answer is to exit."""

    status = 3


class Stopped(RouterError):
    """A signal asked the process to stop while it was starting."""

    status = 0


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a file: where (line and column from 1, 0 where unknown), the path inside, and what."""

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        hint = f" (did you mean {self.hint}?)" if self.hint else ""
        return f"{place}: {self.path or '(root)'}: {self.message}{hint}"

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


class FileError(RouterError):
    """All problems of the files that were read, at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))
