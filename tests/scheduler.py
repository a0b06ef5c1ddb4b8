"""How test workers share the tests: a file stays with one of them, as does all of chaos, which takes the machine.

Not by xdist's groups: with pytest 9.2 they silently do nothing (pytest-xdist issue 1386).
"""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

HEAVY = "tests/chaos"
EARLY = ("tests/worker/", "tests/warehouse/", "tests/transform/")
"""The last folders by name: their long files begin first, so that no worker ends long after the others."""


def piece(nodeid: str) -> str:
    """What stays together with this test: its file, or all of chaos."""
    path = nodeid.partition("::")[0]
    return HEAVY if path.startswith(f"{HEAVY}/") else path


def late(nodeid: str) -> bool:
    """Whether a test begins after those of EARLY."""
    return not nodeid.startswith(EARLY)


class ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """Pieces in the order of their files; the fixtures of a session are made once in each worker."""

    def _split_scope(self, nodeid: str) -> str:
        return piece(nodeid)
