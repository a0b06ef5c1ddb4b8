"""What the commands on plans share: the argument PLAN, and how they count."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PlanFolder = Annotated[Path, typer.Argument(metavar="PLAN", help="The tracking plan's folder.")]


def counted(count: int, noun: str) -> str:
    """`1 event`, `2 events`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
