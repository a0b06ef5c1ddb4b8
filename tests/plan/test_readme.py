"""What schemas/README.md shows is true: its plan loads, its formats and rules are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

from router.plan import compile_plan, load_plan
from router.plan.keywords import DRAFT7, DRAFT2020
from router.plan.workload import MAX_LOOKS
from router.plan_tools.examples import run_examples
from router.plan_tools.lint import RULES
from tests.plan.folders import make

README = (Path(__file__).parent.parent.parent / "schemas/README.md").read_text("utf-8")


def test_the_first_plan_loads_and_its_examples_hold(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n# schemas/web/(\S+)\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 3

    compiled = compile_plan(load_plan(make(tmp_path, dict(blocks))))

    results = list(run_examples(compiled))
    assert len(results) == 2
    assert not any(result.wrong for result in results)


def test_the_naming_keys_load(tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(naming:.*?)```", README, re.DOTALL)

    naming = load_plan(make(tmp_path, {"plan.yaml": f"name: web\n{block}"})).naming

    assert naming.rules.keys() <= RULES.keys()
    assert naming.synonyms == {"Cart": ("Basket",)}


def test_each_lint_rule_is_listed_with_its_level() -> None:
    listed = dict(re.findall(r"^\| `([a-z-]+)` \| (error|warning|info) \|", README, re.MULTILINE))

    assert listed == {name: rule.level for name, rule in RULES.items()}


def test_the_formats_and_limits_are_listed() -> None:
    (older, newer) = re.findall(r"\*\*Formats are asserted\*\*: (.*?); in 2020-12 also (.*?)\.", README)[0]

    assert set(older.split(", ")) == DRAFT7.formats
    assert {*older.split(", "), *newer.split(" and ")} == DRAFT2020.formats
    assert f"more than {MAX_LOOKS:,} looks" in README
