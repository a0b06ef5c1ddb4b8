"""What a plan's names and schemas could do better: conventions, collisions, names that partners and tables refuse."""

from __future__ import annotations

from router.plan.lint.rules import RULES, Finding, lint

__all__ = ["RULES", "Finding", "lint"]
