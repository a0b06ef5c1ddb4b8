"""What a plan's names and schemas could do better: conventions, collisions, names that partners and tables refuse.

Importing this package registers all rules.
"""

from __future__ import annotations

from router.plan_tools.lint import contradictions, events, properties, structure
from router.plan_tools.lint.rules import RULES, LintFinding, lint

__all__ = ["RULES", "LintFinding", "contradictions", "events", "lint", "properties", "structure"]
