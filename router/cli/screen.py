"""How tables reach stdout: as wide as the terminal, and never cut off where a program or a file reads them."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

_WIDE = 250  # columns where there is no terminal


def console() -> Console:
    """Stdout. Without a terminal: no colours, no line shorter than its content."""
    screen = Console(highlight=False)
    return screen if screen.is_terminal else Console(highlight=False, width=_WIDE)


def table(*columns: str, numbers: int = 0) -> Table:
    """A table without lines; of the columns after the first, `numbers` are aligned to the right."""
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for index, column in enumerate(columns):
        made.add_column(column, justify="right" if 0 < index <= numbers else "left", overflow="fold")
    return made
