"""Plans in other forms: for Segment, and for people to read."""

from __future__ import annotations

from collections.abc import Callable

from router.plan.exporters.exported import Exported
from router.plan.exporters.html import html
from router.plan.exporters.markdown import markdown
from router.plan.exporters.segment import segment
from router.plan.model import Plan

__all__ = ["FORMATS", "Exported"]

FORMATS: dict[str, Callable[[Plan], Exported]] = {"segment": segment, "markdown": markdown, "html": html}
