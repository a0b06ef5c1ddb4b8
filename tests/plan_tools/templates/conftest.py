"""`line` runs the router command in this process."""

from __future__ import annotations

from tests.cli.conftest import line

__all__ = ["line"]
