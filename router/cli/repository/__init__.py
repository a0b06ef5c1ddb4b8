"""A team's own repository: a topology, a tracking plan, their tests, and CI that runs them; a connector for it."""

from __future__ import annotations

from router.cli.repository.render import files_of

__all__ = ["files_of"]
