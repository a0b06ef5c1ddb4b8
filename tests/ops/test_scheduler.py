"""Test workers share the suite by files: otherwise routers under fault run side by side and starve each other."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict

from ops.running import ROOT
from tests.scheduler import EARLY, HEAVY, late, piece

FILES = ("tests/kafka/test_clients.py", "tests/kafka/test_partitioner.py", "tests/worker/test_totals.py")


def test_a_file_stays_with_one_worker() -> None:
    command = [sys.executable, "-m", "pytest", "-v", "-n", "2", "--dist", "loadscope", "--no-loadscope-reorder", *FILES]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True).stdout

    workers = defaultdict(set)
    for worker, file in re.findall(r"^\[(gw\d)\].* (tests/\S+?)::", said, re.MULTILINE):
        workers[file].add(worker)
    assert set(workers) == set(FILES), said
    assert all(len(one) == 1 for one in workers.values()), said


def test_all_of_chaos_is_one_piece() -> None:
    assert piece("tests/chaos/test_storm.py::test_a[x::y]") == piece("tests/chaos/test_b.py::test_c") == HEAVY
    assert piece("tests/events/test_event.py::test_a[x::y]") == "tests/events/test_event.py"


def test_long_files_at_the_end_of_the_alphabet_begin_first() -> None:
    assert all((ROOT / folder).is_dir() for folder in EARLY)
    assert sorted(["tests/a/t.py::x", "tests/worker/t.py::x", "tests/b.py::x"], key=late)[0].startswith("tests/worker")
