"""The `router` command: a thin shell, one file per sub-command. `main` is the console script."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (default: this process's) and return the exit status: 0 success, 1 faulty input, 2 wrong
    usage, 3 an external system is unavailable.
    """
    from router.cli.app import run

    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)  # the search for garbage in what the end of the process frees anyway takes 70 ms
    return run(arguments)
