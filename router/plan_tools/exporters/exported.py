"""What an export gives: a text, and what the other form cannot say."""

from __future__ import annotations

from typing import NamedTuple

from router.errors import Problem


class Exported(NamedTuple):
    """`text` is the whole file; `warnings` name the files of the plan they are about."""

    text: str
    warnings: tuple[Problem, ...] = ()
