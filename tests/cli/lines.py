"""A command line run in this process, with what it printed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from router.cli import main


@dataclass(frozen=True)
class Ended:
    """How a command line ended."""

    status: int
    out: str
    err: str

    @property
    def answer(self) -> Any:
        return json.loads(self.out)


class Line:
    """Runs command lines; use as `line("check", path)`."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: object) -> Ended:
        status = main([str(argument) for argument in arguments])
        printed = self._capsys.readouterr()
        return Ended(status, printed.out, printed.err)
