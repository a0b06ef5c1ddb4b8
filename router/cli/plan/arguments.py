"""Arguments that the commands on plans share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PlanFolder = Annotated[Path, typer.Argument(metavar="PLAN", help="The tracking plan's folder.")]
