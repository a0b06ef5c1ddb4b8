"""Plans to begin with: the events of the published specs, and what the use cases of the field need of them.

The data lies in `data/`: a file for each template with rules as a plan's files spell them, `base.yaml` with the rules
and common schemas that templates share, `use-cases.yaml`, and `defs/` with the definitions that rules refer to.
"""

from __future__ import annotations

from router.plan_tools.templates.compose import compose
from router.plan_tools.templates.library import Library, library
from router.plan_tools.templates.template import Template

__all__ = ["Library", "Template", "compose", "library"]
