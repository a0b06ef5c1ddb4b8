"""What an import could not carry over as it stood: one warning each, with the event and the place in its schema."""

from __future__ import annotations

from router.document import Pointer, json_pointer
from router.errors import Problem


class Notes:
    """Collects warnings. `inside` narrows the place: a file, then an event, then a section."""

    def __init__(self, file: str, title: str = "", found: list[Problem] | None = None) -> None:
        self.file = file
        self.title = title
        self.found: list[Problem] = [] if found is None else found

    def inside(self, title: str) -> Notes:
        return Notes(self.file, title, self.found)

    def of(self, file: object) -> Notes:
        return Notes(str(file), self.title, self.found)

    def add(self, message: str, path: Pointer = (), hint: str = "") -> None:
        self.found.append(Problem(self.file, 0, 0, self.title + json_pointer(path), message, hint))
