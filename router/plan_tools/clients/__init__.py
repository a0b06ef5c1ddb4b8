"""Typed clients of a plan: what a plan does not allow does not compile."""

from __future__ import annotations

from collections.abc import Callable

from router.plan_tools.clients.build import build
from router.plan_tools.clients.model import TypedClient
from router.plan_tools.clients.python import python
from router.plan_tools.clients.typescript import typescript

__all__ = ["LANGUAGES", "build"]

LANGUAGES: dict[str, Callable[[TypedClient], str]] = {"python": python, "typescript": typescript}
