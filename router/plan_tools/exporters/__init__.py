"""Plans in other forms: for Segment, and for people to read."""

from __future__ import annotations

from collections.abc import Callable

from router.plan.model import Plan
from router.plan_tools.exporters.exported import Exported
from router.plan_tools.exporters.html import html
from router.plan_tools.exporters.markdown import markdown
from router.plan_tools.exporters.segment import segment

__all__ = ["FORMATS", "Exported"]

FORMATS: dict[str, Callable[[Plan], Exported]] = {"segment": segment, "markdown": markdown, "html": html}
