"""Changes between two states of a plan, told as breaking, risky or safe."""

from __future__ import annotations

from router.plan_tools.diff.change import CLASSES, Class, PlanChange
from router.plan_tools.diff.compare import diff

__all__ = ["CLASSES", "Class", "PlanChange", "diff"]
