"""A name means one thing: no public class name stands twice in router/."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

ROUTER = Path(__file__).parent.parent / "router"


def test_each_public_class_name_is_used_once() -> None:
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(ROUTER.rglob("*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(str(path.relative_to(ROUTER)))

    twice = {name: files for name, files in found.items() if len(files) > 1}
    assert twice == {}
