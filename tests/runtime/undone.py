"""What each line of the runtime is there for: it is undone in a copy of the project, and its tests must fail.

usage: python -m tests.runtime.undone [WORD…]     the lines whose name has one of the words; all, when none is given
Exit status 1 when a test passes without its line. The suite checks that each line is still where it is said to be.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.runtime.undone_lines import LINES, Undone

ROOT = Path(__file__).parents[2]
SECONDS = 120


def fails_without(line: Undone, copy: Path) -> bool:
    """Whether the tests notice."""
    whole = {file: (copy / file).read_text() for file, _, _ in line.edits}
    for file, old, new in line.edits:
        (copy / file).write_text(whole[file].replace(old, new))
    try:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *line.tests.split()]
        environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
        ended = subprocess.run(command, cwd=copy, env=environment, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return True
    finally:
        for file, text in whole.items():
            (copy / file).write_text(text)
    if ended.returncode not in (0, 1):
        raise SystemExit(f"{line.name}: pytest ended with {ended.returncode}\n{ended.stdout.decode()[-2000:]}")
    return ended.returncode == 1


def main(words: list[str]) -> int:
    chosen = [line for line in LINES if not words or any(word in line.name for word in words)]
    unnoticed = 0
    with tempfile.TemporaryDirectory(prefix="undone-") as folder:
        copy = Path(folder) / "copy"
        skip = shutil.ignore_patterns(".git", ".venv", ".cache", "__pycache__", ".run")
        shutil.copytree(ROOT, copy, ignore=skip)
        for line in chosen:
            noticed = fails_without(line, copy)
            unnoticed += not noticed
            print(f"{'noticed' if noticed else 'NOT NOTICED'}  {line.name}", flush=True)
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
