"""A partner to deliver to, and the command line."""

from __future__ import annotations

from tests.cli.conftest import line
from tests.delivery.conftest import partner

__all__ = ["line", "partner"]
