"""The console asks for its own extra alone: what computes insights may be missing."""

from __future__ import annotations

import subprocess
import sys

WITHOUT = """
import sys
for name in ("faust", "mode", "aiokafka", "datasketches"):
    sys.modules[name] = None
import router.console.server
"""


def test_the_console_starts_without_what_computes_insights() -> None:
    ended = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stderr) == (0, "")
